#include "lm/local/kernels/rows.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <numeric>

#include "lm/local/kernels/lanes.hpp"

namespace hone::local {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The next numbers of a row; behind its end those that change neither maximum nor sums.
inline Lanes lanes_at(std::span<const float> row, std::size_t first) {
  if (first + kLanes <= row.size()) return load(row.data() + first);
  std::array<float, kLanes> numbers;
  numbers.fill(-kInfinity);
  std::copy(row.begin() + static_cast<std::ptrdiff_t>(first), row.end(), numbers.begin());
  return load(numbers.data());
}

struct Maximum {
  float value;
  bool has_nan;
};

Maximum maximum(std::span<const float> row) {
  Lanes best = broadcast(-kInfinity);
  WholeLanes is_nan{};
  for (std::size_t i = 0; i < row.size(); i += kLanes) {
    const Lanes numbers = lanes_at(row, i);
    best = larger(numbers, best);
    is_nan |= std::bit_cast<BitLanes>(magnitude(numbers)) > kInfinityBits;
  }
  return {greatest(best), is_any_set(is_nan)};
}

// The sum of exp((row[i] - top) * scale), where nothing is above `top`.
double sum_exp(std::span<const float> row, float top, float scale) {
  constexpr std::size_t kBlock = 1024;  // single precision within a block, double across them
  double total = 0;
  for (std::size_t begin = 0; begin < row.size(); begin += kBlock) {
    const std::size_t end = std::min(row.size(), begin + kBlock);
    Lanes sums{};
    for (std::size_t i = begin; i < end; i += kLanes)
      sums += exponential((lanes_at(row, i) - top) * scale);
    total += static_cast<double>(total_of(sums));
  }
  return total;
}

constexpr std::size_t kDrawBlock = 512;

}  // namespace

double log_sum_exp(std::span<const float> row) {
  const Maximum top = maximum(row);
  if (top.has_nan || !std::isfinite(top.value)) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(top.value) + std::log(sum_exp(row, top.value, 1));
}

std::size_t argmax(std::span<const float> row) {
  const Maximum top = maximum(row);
  if (top.has_nan) return row.size();
  for (std::size_t i = 0; i < row.size(); i += kLanes) {
    if (!is_any_set(lanes_at(row, i) == top.value)) continue;
    const auto from = row.begin() + static_cast<std::ptrdiff_t>(i);
    return static_cast<std::size_t>(std::find(from, row.end(), top.value) - row.begin());
  }
  return row.size();
}

std::vector<std::size_t> largest(std::span<const float> row, std::size_t count) {
  const auto is_before = [&](std::size_t a, std::size_t b) {
    return row[a] != row[b] ? row[a] > row[b] : a < b;
  };
  std::vector<std::size_t> best;  // a heap with the least of them at its front
  if (count == 0) return best;
  best.reserve(std::min(count, row.size()));
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (best.size() == count) {
      if (!(row[i] > row[best.front()])) continue;
      std::pop_heap(best.begin(), best.end(), is_before);
      best.back() = i;
    } else {
      best.push_back(i);
    }
    std::push_heap(best.begin(), best.end(), is_before);
  }
  std::sort_heap(best.begin(), best.end(), is_before);
  return best;
}

std::size_t draw_softmax(std::span<const float> row, float top, double temperature, double share) {
  // Above 0, so that what is impossible (-inf) stays so.
  const float scale = std::max(static_cast<float>(1 / std::max(temperature, 1e-6)),
                               std::numeric_limits<float>::min());
  const auto block_at = [&](std::size_t block) {
    return row.subspan(block * kDrawBlock, std::min(kDrawBlock, row.size() - block * kDrawBlock));
  };
  std::vector<double> weights((row.size() + kDrawBlock - 1) / kDrawBlock);
  for (std::size_t block = 0; block < weights.size(); ++block)
    weights[block] = sum_exp(block_at(block), top, scale);
  double target = share * std::accumulate(weights.begin(), weights.end(), 0.0);
  std::size_t block = 0;
  while (block + 1 < weights.size() && target >= weights[block]) target -= weights[block++];
  const std::span<const float> numbers = block_at(block);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    target -= static_cast<double>(exponential(broadcast((numbers[i] - top) * scale))[0]);
    if (target < 0) return block * kDrawBlock + i;
  }
  // What rounding leaves over at the block's end falls to its best entry.
  const auto best = std::max_element(numbers.begin(), numbers.end());
  return block * kDrawBlock + static_cast<std::size_t>(best - numbers.begin());
}

}  // namespace hone::local
