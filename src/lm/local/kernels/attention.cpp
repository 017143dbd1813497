#include "lm/local/kernels/attention.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <span>
#include <utility>
#include <vector>

#include "lm/local/kernels/lanes.hpp"

namespace hone::local {
namespace {

constexpr std::size_t kBlock = AttentionKernel::kCellBlock;
constexpr std::size_t kBlockLanes = kBlock / kLanes;
constexpr std::size_t kTileQueries = 16;
constexpr std::size_t kTileFloats = 4096;  // queries of a tile fit the first cache beside a block
constexpr float kNothing = -std::numeric_limits<float>::infinity();
constexpr Half kHidden = 0xFC00;  // minus infinity
constexpr float kFarAbove = 16;   // e^16 of each of a million cells is far from overflow

// Of the cells of a block, those a query sees. A few are cheaper one by one: replies that grow side
// by side take turns in the cache, so that a block holds one cell of each.
constexpr std::uint8_t kNone = 0;
constexpr std::uint8_t kFew = 1;
constexpr std::uint8_t kSome = 2;
constexpr std::uint8_t kAll = 3;
constexpr unsigned kMostOfFew = 8;

std::uint8_t look_at(const Half* mask) {
  std::uint16_t count = 0;
  std::uint16_t differs_from_zero = 0;
  for (std::size_t i = 0; i < kBlock; ++i) {
    count = static_cast<std::uint16_t>(count + (mask[i] != kHidden ? 1 : 0));
    differs_from_zero = static_cast<std::uint16_t>(differs_from_zero | mask[i]);
  }
  if (count == 0) return kNone;
  if (count <= kMostOfFew) return kFew;
  return differs_from_zero == 0 ? kAll : kSome;
}

// out[r] (+)= sum over k of a[r][k] * b[k], for Rows rows and two vectors of columns at a time.
template <std::size_t Rows, bool Accumulate>
void multiply_rows(const float* const* a, std::size_t depth, const float* b, std::size_t b_stride,
                   float* const* out) {
  std::array<std::array<Lanes, 2>, Rows> sum;
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t v = 0; v < 2; ++v)
      sum[r][v] = Accumulate ? load(out[r] + v * kLanes) : broadcast(0);
  }
  for (std::size_t k = 0; k < depth; ++k) {
    const Lanes left = load(b + k * b_stride);
    const Lanes right = load(b + k * b_stride + kLanes);
    for (std::size_t r = 0; r < Rows; ++r) {
      const Lanes factor = broadcast(a[r][k]);
      sum[r][0] += factor * left;
      sum[r][1] += factor * right;
    }
  }
  for (std::size_t r = 0; r < Rows; ++r) {
    for (std::size_t v = 0; v < 2; ++v) store(out[r] + v * kLanes, sum[r][v]);
  }
}

template <bool Accumulate>
void multiply(std::span<const float* const> a, std::size_t depth, const float* b,
              std::size_t b_stride, std::span<float* const> out) {
  std::size_t row = 0;
  for (; row + kRowsAtATime <= a.size(); row += kRowsAtATime)
    multiply_rows<kRowsAtATime, Accumulate>(&a[row], depth, b, b_stride, &out[row]);
  for (; row + 3 <= a.size(); row += 3)
    multiply_rows<3, Accumulate>(&a[row], depth, b, b_stride, &out[row]);
  for (; row < a.size(); ++row)
    multiply_rows<1, Accumulate>(&a[row], depth, b, b_stride, &out[row]);
}

// One group of heads of some consecutive queries: row q * group + h is head h of query q.
class Tile {
 public:
  static std::size_t scratch_floats(const AttentionWork& work, std::size_t most_queries) {
    const std::size_t rows = most_queries * (work.heads / work.kv_heads);
    return rows * (2 * work.width + kBlock + kLanes + 1) + 2 * kBlock * work.width;
  }

  Tile(const AttentionWork& work, std::size_t most_queries, float* scratch)
      : work_(work), group_(work.heads / work.kv_heads) {
    const std::size_t rows = most_queries * group_;
    const std::size_t width = work.width;
    float* next = scratch;
    const auto take = [&next](std::size_t count) { return std::exchange(next, next + count); };
    query_ = take(rows * width);
    sum_ = take(rows * width);
    score_ = take(rows * kBlock);
    key_ = take(kBlock * width);
    value_ = take(kBlock * width);
    total_ = take(rows * kLanes);
    top_ = take(rows);
    few_.resize(most_queries);
  }

  void compute(std::size_t kv_head, std::size_t first, std::size_t count,
               const std::uint8_t* seen) {
    kv_head_ = kv_head;
    first_ = first;
    begin(count);
    const std::size_t blocks = work_.cells / kBlock;
    for (std::size_t block = 0; block < blocks; ++block) {
      active_.clear();
      for (std::size_t q = 0; q < count; ++q) {
        const std::uint8_t sees = seen[(first + q) * blocks + block];
        if (sees == kFew) {
          collect(q, block);
        } else if (sees != kNone) {
          active_.push_back(q);
        }
      }
      if (active_.empty()) continue;
      select_rows();
      load_block(block);
      multiply_columns<false>(queries_, work_.width, key_, kBlock, scores_);
      for (const std::size_t q : active_) {
        const Half* mask =
            seen[(first + q) * blocks + block] == kSome ? mask_of(q) + block * kBlock : nullptr;
        for (std::size_t h = 0; h < group_; ++h) soften(q * group_ + h, mask);
      }
      multiply_columns<true>(scores_, kBlock, value_, work_.width, sums_);
    }
    for (std::size_t q = 0; q < count; ++q) attend_to_few(q);
    finish(count);
  }

 private:
  void begin(std::size_t count) {
    const std::size_t width = work_.width;
    for (std::size_t q = 0; q < count; ++q) {
      for (std::size_t h = 0; h < group_; ++h) {
        const float* from = work_.query + (first_ + q) * work_.query_stride +
                            (kv_head_ * group_ + h) * work_.query_head_stride;
        float* to = query_ + (q * group_ + h) * width;
        for (std::size_t i = 0; i < width; ++i) to[i] = from[i] * work_.scale;
      }
    }
    std::fill_n(sum_, count * group_ * width, 0.0F);
    std::fill_n(top_, count * group_, kNothing);
    std::fill_n(total_, count * group_ * kLanes, 0.0F);
    for (std::vector<std::size_t>& cells : few_) cells.clear();
  }

  const Half* mask_of(std::size_t q) const { return work_.mask + (first_ + q) * work_.mask_stride; }

  void collect(std::size_t q, std::size_t block) {
    const Half* mask = mask_of(q);
    for (std::size_t cell = block * kBlock; cell < (block + 1) * kBlock; ++cell) {
      if (mask[cell] != kHidden) few_[q].push_back(cell);
    }
  }

  // The cells collected for a query, as many at a time as a block has.
  void attend_to_few(std::size_t q) {
    const std::size_t width = work_.width;
    const Half* mask = mask_of(q);
    for (std::size_t begin = 0; begin < few_[q].size(); begin += kBlock) {
      const std::size_t count = std::min(kBlock, few_[q].size() - begin);
      const std::size_t* cells = few_[q].data() + begin;
      for (std::size_t row = q * group_; row < (q + 1) * group_; ++row) {
        float* score = score_ + row * kBlock;
        std::fill_n(score, kBlock, kNothing);
        for (std::size_t i = 0; i < count; ++i) {
          const Half* key =
              work_.key + cells[i] * work_.key_stride + kv_head_ * work_.key_head_stride;
          Lanes sum = broadcast(0);
          for (std::size_t d = 0; d < width; d += kLanes)
            sum += load(query_ + row * width + d) * load_half(key + d);
          score[i] = total_of(sum) + to_single(mask[cells[i]]);
        }
        soften(row, nullptr);
        float* out = sum_ + row * width;
        for (std::size_t d = 0; d < width; d += kLanes) {
          Lanes sum = load(out + d);
          for (std::size_t i = 0; i < count; ++i) {
            sum += broadcast(score[i]) * load_half(work_.value + cells[i] * work_.value_stride +
                                                   kv_head_ * work_.value_head_stride + d);
          }
          store(out + d, sum);
        }
      }
    }
  }

  // A row of b, and of what comes out, has `width` numbers.
  template <bool Accumulate>
  void multiply_columns(std::span<const float* const> a, std::size_t depth, const float* b,
                        std::size_t width, std::span<float* const> out) {
    for (std::size_t column = 0; column < width; column += 2 * kLanes) {
      for (std::size_t i = 0; i < out.size(); ++i) columns_[i] = out[i] + column;
      multiply<Accumulate>(a, depth, b + column, width, columns_);
    }
  }

  void select_rows() {
    queries_.clear();
    scores_.clear();
    sums_.clear();
    for (const std::size_t q : active_) {
      for (std::size_t row = q * group_; row < (q + 1) * group_; ++row) {
        queries_.push_back(query_ + row * work_.width);
        scores_.push_back(score_ + row * kBlock);
        sums_.push_back(sum_ + row * work_.width);
      }
    }
    columns_.resize(sums_.size());
  }

  // Keys with a cell a lane, values with a cell a row.
  void load_block(std::size_t block) {
    const Half* keys =
        work_.key + block * kBlock * work_.key_stride + kv_head_ * work_.key_head_stride;
    const Half* values =
        work_.value + block * kBlock * work_.value_stride + kv_head_ * work_.value_head_stride;
    for (std::size_t d = 0; d < work_.width; d += kLanes) {
      for (std::size_t v = 0; v < kBlockLanes; ++v) {
        std::array<Lanes, kLanes> square;
        for (std::size_t i = 0; i < kLanes; ++i)
          square[i] = load_half(keys + (v * kLanes + i) * work_.key_stride + d);
        transpose(square);
        for (std::size_t i = 0; i < kLanes; ++i)
          store(key_ + (d + i) * kBlock + v * kLanes, square[i]);
      }
      for (std::size_t i = 0; i < kBlock; ++i)
        store(value_ + i * work_.width + d, load_half(values + i * work_.value_stride + d));
    }
  }

  // Scores become weights relative to about the highest score so far: as long as none is far above
  // it, weights cannot overflow, and looking for the highest would cost as much as the weights.
  void soften(std::size_t row, const Half* mask) {
    float* score = score_ + row * kBlock;
    std::array<Lanes, kBlockLanes> scores;
    Lanes highest = broadcast(kNothing);
    for (std::size_t v = 0; v < kBlockLanes; ++v) {
      scores[v] = load(score + v * kLanes);
      if (mask != nullptr) scores[v] += load_half(mask + v * kLanes);
      highest = larger(scores[v], highest);
    }
    if (is_any_above(highest, top_[row] + kFarAbove)) raise(row, greatest(highest));
    const Lanes top = broadcast(top_[row]);
    Lanes total = load(total_ + row * kLanes);
    for (std::size_t v = 0; v < kBlockLanes; ++v) {
      const Lanes weight = exponential(scores[v] - top);
      store(score + v * kLanes, weight);
      total += weight;
    }
    store(total_ + row * kLanes, total);
  }

  void raise(std::size_t row, float top) {
    const Lanes factor = broadcast(std::exp(top_[row] - top));
    top_[row] = top;
    float* sum = sum_ + row * work_.width;
    for (std::size_t d = 0; d < work_.width; d += kLanes) store(sum + d, load(sum + d) * factor);
    store(total_ + row * kLanes, load(total_ + row * kLanes) * factor);
  }

  void finish(std::size_t count) {
    const std::size_t width = work_.width;
    for (std::size_t q = 0; q < count; ++q) {
      for (std::size_t h = 0; h < group_; ++h) {
        const std::size_t row = q * group_ + h;
        const float total = total_of(load(total_ + row * kLanes));
        // Not a number is not zero.
        const float factor = total == 0 ? 0 : 1 / total;
        float* to = work_.out + (first_ + q) * work_.out_stride +
                    (kv_head_ * group_ + h) * work_.out_head_stride;
        for (std::size_t i = 0; i < width; ++i) to[i] = sum_[row * width + i] * factor;
      }
    }
  }

  const AttentionWork& work_;
  std::size_t group_;
  std::size_t kv_head_ = 0, first_ = 0;
  float *query_, *sum_, *score_, *key_, *value_, *top_, *total_;
  std::vector<std::size_t> active_;
  std::vector<std::vector<std::size_t>> few_;  // by query: cells looked at one by one
  std::vector<const float*> queries_;
  std::vector<float*> scores_, sums_, columns_;
};

}  // namespace

bool AttentionKernel::is_worth_it() {
  return kInstructions != Instructions::other;
}

AttentionKernel::AttentionKernel(const AttentionWork& work) : work_(work) {
  const std::size_t group = work.heads / work.kv_heads;
  tile_ = std::clamp<std::size_t>(kTileFloats / (group * work.width), 1, kTileQueries);
  tiles_ = (work.queries + tile_ - 1) / tile_;
}

std::size_t AttentionKernel::seen_bytes() const {
  return work_.queries * (work_.cells / kBlock);
}

std::size_t AttentionKernel::scratch_bytes() const {
  return Tile::scratch_floats(work_, tile_) * sizeof(float);
}

void AttentionKernel::look(std::size_t thread, std::size_t threads, std::uint8_t* seen) const {
  const std::size_t blocks = work_.cells / kBlock;
  // Neighbours by one thread, so that no two write to one line of the cache.
  const std::size_t last = work_.queries * (thread + 1) / threads;
  for (std::size_t query = work_.queries * thread / threads; query < last; ++query) {
    const Half* mask = work_.mask + query * work_.mask_stride;
    for (std::size_t block = 0; block < blocks; ++block)
      seen[query * blocks + block] = look_at(mask + block * kBlock);
  }
}

std::size_t AttentionKernel::items() const {
  return tiles_ * work_.kv_heads;
}

void AttentionKernel::compute(const std::function<std::size_t()>& next, const std::uint8_t* seen,
                              float* scratch) const {
  Tile tile(work_, tile_, scratch);
  for (std::size_t item = next(); item < items(); item = next()) {
    const std::size_t first = item % tiles_ * tile_;
    tile.compute(item / tiles_, first, std::min(tile_, work_.queries - first), seen);
  }
}

}  // namespace hone::local
