#include "lm/local/kernels/quantized_product.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "lm/local/kernels/whole_lanes.hpp"

namespace hone::local {
namespace {

static_assert(QuantizedProduct::kGroup % kLanes == 0);
static_assert(QuantizedProduct::kBlock == 4 * kBlockQuads);

constexpr std::size_t kBlockLanes = QuantizedProduct::kBlock / kLanes;
constexpr std::size_t kScaleBytes = 2;
constexpr float kLeastTop = 1e-30F;

// Of a packed tile, by block: the quads of every token, what makes up for unsigned weights, scales.
constexpr std::size_t kWordsOfBlock = kBlockQuads + 2;

// One block of kLanes rows: quad q of row r in lane r, as bytes that lie `kZero` too high.
struct Weights {
  BlockQuads quads;
  Lanes scales;
};

inline Lanes read_scales(const std::byte* block, std::size_t stride) {
  std::array<std::uint16_t, kLanes> halves;
  for (std::size_t row = 0; row < halves.size(); ++row)
    std::memcpy(&halves[row], block + row * stride, kScaleBytes);
  return load_half(halves.data());
}

struct Q4 {
  static constexpr std::size_t kBytes = kScaleBytes + QuantizedProduct::kBlock / 2;
  static constexpr WeightBytes kWeightBytes = WeightBytes::nibbles;
  static constexpr std::int32_t kZero = 8;
  static Weights read(const std::byte* block, std::size_t stride) {
    Weights weights{.quads = {}, .scales = read_scales(block, stride)};
    const std::array<QuadLanes, 4> words = gather_words(block + kScaleBytes, stride);
    for (std::size_t i = 0; i < words.size(); ++i) {
      weights.quads[i] = words[i] & 0x0F0F0F0FU;
      weights.quads[i + words.size()] = (words[i] >> 4U) & 0x0F0F0F0FU;
    }
    return weights;
  }
};

struct Q8 {
  static constexpr std::size_t kBytes = kScaleBytes + QuantizedProduct::kBlock;
  static constexpr WeightBytes kWeightBytes = kWholeWeights;
  static constexpr std::int32_t kZero = kWeightBytes == WeightBytes::signed_bytes ? 0 : 128;
  static Weights read(const std::byte* block, std::size_t stride) {
    Weights weights{.quads = {}, .scales = read_scales(block, stride)};
    for (std::size_t i = 0; i < kBlockQuads; i += 4) {
      const std::array<QuadLanes, 4> words = gather_words(block + kScaleBytes + 4 * i, stride);
      for (std::size_t word = 0; word < words.size(); ++word)
        weights.quads[i + word] = kZero == 0 ? words[word] : words[word] ^ 0x80808080U;
    }
    return weights;
  }
};

template <typename Format>
class Unpacked {
 public:
  static constexpr WeightBytes kWeightBytes = Format::kWeightBytes;

  Unpacked(const std::byte* rows, std::size_t stride) : rows_(rows), stride_(stride) {}
  Weights operator()(std::size_t block) const {
    return Format::read(rows_ + block * Format::kBytes, stride_);
  }

 private:
  const std::byte* rows_;
  std::size_t stride_;
};

template <typename Format>
class Ready {
 public:
  static constexpr WeightBytes kWeightBytes = Format::kWeightBytes;

  explicit Ready(const Weights* weights) : weights_(weights) {}
  const Weights& operator()(std::size_t block) const { return weights_[block]; }

 private:
  const Weights* weights_;
};

// Adds the products of kLanes rows with `kTokens` tokens; weights_of(i) gives block i.
template <std::size_t kTokens, typename Blocks>
inline void multiply_tile(const Blocks& weights_of, std::size_t blocks, const std::byte* tile,
                          std::array<Lanes, kTokens>& sums) {
  for (std::size_t block = 0; block < blocks; ++block) {
    const Weights& weights = weights_of(block);
    const std::byte* words = tile + block * kWordsOfBlock * kTokens * sizeof(std::uint32_t);
    const auto* quads = reinterpret_cast<const std::uint32_t*>(words);
    const auto* zeros = reinterpret_cast<const std::int32_t*>(quads + kBlockQuads * kTokens);
    const auto* scales = reinterpret_cast<const float*>(zeros + kTokens);
#pragma GCC unroll 16
    for (std::size_t token = 0; token < kTokens; ++token) {
      const WholeLanes sum = sum_products<Blocks::kWeightBytes>(
          weights.quads, quads + token * kBlockQuads, zeros[token]);
      sums[token] = multiply_add(to_single(sum), weights.scales * scales[token], sums[token]);
    }
  }
}

struct Tile {
  const std::byte* packed;
  std::size_t first;  // token
  std::size_t tokens;
};

template <std::size_t kTokens, typename Blocks>
void finish_tile(const QuantizedProduct& product, std::size_t row, const Tile& tile,
                 const Blocks& weights_of) {
  std::array<Lanes, kTokens> sums{};
  multiply_tile<kTokens>(weights_of, product.columns / QuantizedProduct::kBlock, tile.packed, sums);
#pragma GCC unroll 16
  for (std::size_t token = 0; token < kTokens; ++token)
    store(product.out.row(tile.first + token) + row, sums[token]);
}

// The number of tokens is a constant of the code that multiplies: their sums stay in registers.
template <typename Blocks>
void multiply_any(const QuantizedProduct& product, std::size_t row, const Tile& tile,
                  const Blocks& weights_of) {
  using Function = void (*)(const QuantizedProduct&, std::size_t, const Tile&, const Blocks&);
  constexpr auto kBySize = []<std::size_t... kSizes>(std::index_sequence<kSizes...>) {
    return std::array<Function, sizeof...(kSizes)>{finish_tile<kSizes + 1, Blocks>...};
  }(std::make_index_sequence<QuantizedProduct::kTile>());
  kBySize[tile.tokens - 1](product, row, tile, weights_of);
}

std::size_t tile_bytes(std::size_t tokens, std::size_t columns) {
  return columns / QuantizedProduct::kBlock * kWordsOfBlock * tokens * sizeof(std::uint32_t);
}

template <typename Format>
void multiply_rows(const QuantizedProduct& product, std::size_t row, const std::byte* packed,
                   std::byte* scratch) {
  constexpr std::size_t kTile = QuantizedProduct::kTile;
  const std::size_t tiles = product.tiles();
  const auto tile_at = [&](std::size_t tile) {
    return Tile{packed + tile * tile_bytes(kTile, product.columns), tile * kTile,
                std::min(kTile, product.tokens - tile * kTile)};
  };
  const Unpacked<Format> weights_of(product.weights + row * product.weight_stride,
                                    product.weight_stride);
  if (tiles == 1) return multiply_any(product, row, tile_at(0), weights_of);

  auto* ready = reinterpret_cast<Weights*>(scratch);
  for (std::size_t block = 0; block < product.columns / QuantizedProduct::kBlock; ++block)
    ready[block] = weights_of(block);
  for (std::size_t tile = 0; tile < tiles; ++tile)
    multiply_any(product, row, tile_at(tile), Ready<Format>(ready));
}

inline Lanes magnitude(Lanes lanes) {
  return std::bit_cast<Lanes>(std::bit_cast<BitLanes>(lanes) & 0x7FFFFFFFU);
}

inline bool is_nan_among(const std::array<Lanes, kBlockLanes>& numbers) {
  constexpr std::uint32_t kInfinity = 0x7F800000U;
  WholeLanes is_beyond{};
  for (const Lanes lanes : numbers)
    is_beyond |= std::bit_cast<BitLanes>(magnitude(lanes)) > kInfinity;
  return is_any_set(is_beyond);
}

}  // namespace

bool QuantizedProduct::is_worth_it() {
#if defined(__AMX_INT8__)
  return false;
#else
  return kInstructions != Instructions::other;
#endif
}

std::size_t QuantizedProduct::packed_bytes() const {
  return tile_bytes(tokens, columns);
}

std::size_t QuantizedProduct::scratch_bytes() const {
  return tiles() == 1 ? 0 : columns / kBlock * sizeof(Weights);
}

void QuantizedProduct::pack(std::size_t tile, std::byte* packed) const {
  const std::size_t first = tile * kTile;
  const std::size_t count = std::min(kTile, tokens - first);
  const std::int32_t zero = type == WeightType::q4_0 ? Q4::kZero : Q8::kZero;
  std::byte* const to = packed + tile * tile_bytes(kTile, columns);
  for (std::size_t token = 0; token < count; ++token) {
    const float* numbers = in.row(first + token);
    for (std::size_t block = 0; block < columns / kBlock; ++block) {
      auto* words = reinterpret_cast<std::uint32_t*>(to) + block * kWordsOfBlock * count;
      std::array<Lanes, kBlockLanes> lanes;
      Lanes highest{};
      for (std::size_t i = 0; i < kBlockLanes; ++i) {
        lanes[i] = load(numbers + block * kBlock + i * kLanes);
        highest = larger(magnitude(lanes[i]), highest);
      }
      const float top = greatest(highest);
      // Below that the inverse would be infinite.
      const float inverse = top > kLeastTop ? 127.0F / top : 0.0F;
      const bool is_number = !is_nan_among(lanes);
      std::array<WholeLanes, kBlockLanes> whole{};
      WholeLanes total{};
      for (std::size_t i = 0; i < kBlockLanes && is_number; ++i) {
        whole[i] = nearest(lanes[i] * inverse);
        total += whole[i];
      }
      store_bytes(reinterpret_cast<std::byte*>(words + token * kBlockQuads), whole);
      const std::int32_t correction = -zero * total_of(total);
      std::memcpy(words + kBlockQuads * count + token, &correction, sizeof correction);
      const float scale = is_number ? top / 127.0F : std::numeric_limits<float>::quiet_NaN();
      std::memcpy(words + (kBlockQuads + 1) * count + token, &scale, sizeof scale);
    }
  }
}

void QuantizedProduct::multiply(std::size_t group, const std::byte* packed,
                                std::byte* scratch) const {
  for (std::size_t row = group * kGroup; row < (group + 1) * kGroup; row += kLanes) {
    if (type == WeightType::q4_0) {
      multiply_rows<Q4>(*this, row, packed, scratch);
    } else {
      multiply_rows<Q8>(*this, row, packed, scratch);
    }
  }
}

}  // namespace hone::local
