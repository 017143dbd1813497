#include "lm/local/kernels/quantized_product.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <limits>
#include <utility>

#include "lm/local/kernels/matrix_registers.hpp"
#include "lm/local/kernels/whole_lanes.hpp"

namespace hone::local {
namespace {

static_assert(QuantizedProduct::kGroup % kLanes == 0);
static_assert(QuantizedProduct::kBlock == 4 * kBlockQuads);
static_assert(!kHasMatrixRegisters ||
              (QuantizedProduct::kGroup == kLanes && QuantizedProduct::kTile == kMatrixTokens));

constexpr std::size_t kBlockLanes = QuantizedProduct::kBlock / kLanes;
constexpr std::size_t kScaleBytes = 2;
constexpr float kLeastTop = 1e-30F;

// Of a packed tile, by block: the quads of every token, what makes up for unsigned weights, scales.
constexpr std::size_t kWordsOfBlock = kBlockQuads + 2;

// Fewer tokens take as long in matrix registers as sixteen.
constexpr std::size_t kLeastForRegisters = 16;

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

// As signed bytes, which matrix registers multiply as well.
struct SignedQ4 {
  static constexpr std::size_t kBytes = Q4::kBytes;
  [[maybe_unused]] static constexpr WeightBytes kWeightBytes = WeightBytes::signed_bytes;
  static Weights read(const std::byte* block, std::size_t stride) {
    Weights weights = Q4::read(block, stride);
    for (QuadLanes& quad : weights.quads) {
      quad = std::bit_cast<QuadLanes>(std::bit_cast<ByteLanes>(quad) -
                                      static_cast<std::int8_t>(Q4::kZero));
    }
    return weights;
  }
};

template <WeightBytes kBytesOfWeights>
struct EightBits {
  static constexpr std::size_t kBytes = kScaleBytes + QuantizedProduct::kBlock;
  static constexpr WeightBytes kWeightBytes = kBytesOfWeights;
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
using Q8 = EightBits<kWholeWeights>;
using SignedQ8 = EightBits<WeightBytes::signed_bytes>;

template <typename Format>
class Unpacked {
 public:
  static constexpr bool kInRegisters = false;
  static constexpr WeightBytes kWeightBytes = Format::kWeightBytes;

  Unpacked(const std::byte* rows, std::size_t stride) : rows_(rows), stride_(stride) {}
  Weights operator()(std::size_t block) const {
    return Format::read(rows_ + block * Format::kBytes, stride_);
  }

 private:
  const std::byte* rows_;
  std::size_t stride_;
};

template <typename Format, bool kMatrixRegisters>
class Ready {
 public:
  static constexpr bool kInRegisters = kMatrixRegisters;
  static constexpr WeightBytes kWeightBytes = Format::kWeightBytes;

  explicit Ready(const Weights* weights) : weights_(weights) {}
  const Weights& operator()(std::size_t block) const { return weights_[block]; }

 private:
  const Weights* weights_;
};

// A block of a packed tile.
template <std::size_t kTokens>
class PackedBlock {
 public:
  PackedBlock(const std::byte* tile, std::size_t block)
      : words_(reinterpret_cast<const std::uint32_t*>(tile) + block * kWordsOfBlock * kTokens) {}
  const std::uint32_t* quads() const { return words_; }
  const std::int32_t* zeros() const {
    return reinterpret_cast<const std::int32_t*>(words_ + kBlockQuads * kTokens);
  }
  const float* scales() const { return reinterpret_cast<const float*>(zeros() + kTokens); }

 private:
  const std::uint32_t* words_;
};

// Adds the products of kLanes rows with `kTokens` tokens; weights_of(i) gives block i.
template <std::size_t kTokens, typename Blocks>
inline void multiply_tile(const Blocks& weights_of, std::size_t blocks, const std::byte* tile,
                          std::array<Lanes, kTokens>& sums) {
  for (std::size_t block = 0; block < blocks; ++block) {
    const Weights& weights = weights_of(block);
    const PackedBlock<kTokens> packed(tile, block);
#pragma GCC unroll 16
    for (std::size_t token = 0; token < kTokens; ++token) {
      const WholeLanes sum = sum_products<Blocks::kWeightBytes>(
          weights.quads, packed.quads() + token * kBlockQuads, packed.zeros()[token]);
      sums[token] =
          multiply_add(to_single(sum), weights.scales * packed.scales()[token], sums[token]);
    }
  }
}

// The same by matrix registers: the same whole numbers, so that the results are equal bit for bit.
template <std::size_t kTokens, typename Blocks>
inline void multiply_in_registers(const Blocks& weights_of, std::size_t blocks,
                                  const std::byte* tile, std::array<Lanes, kTokens>& sums) {
  std::array<BlockSums<kTokens>, 2> products;
  // Not the caller's: they are to stay in vector registers.
  std::array<Lanes, kTokens> totals{};
  const auto add = [&](std::size_t block,
                       const BlockSums<kTokens>& of_block) __attribute__((always_inline)) {
    const PackedBlock<kTokens> packed(tile, block);
    const Lanes scales = weights_of(block).scales;
#pragma GCC unroll 16
    for (std::size_t token = 0; token < kTokens; ++token) {
      totals[token] = multiply_add(to_single(of_block.of_token[token]),
                                   scales * packed.scales()[token], totals[token]);
    }
  };
  const auto multiply = [&]<std::size_t kSet>(std::integral_constant<std::size_t, kSet>,
                                              std::size_t block) __attribute__((always_inline)) {
    block_products<kSet>(weights_of(block).quads, PackedBlock<kTokens>(tile, block).quads(),
                         products[kSet]);
  };
  constexpr std::integral_constant<std::size_t, 0> kEven;
  constexpr std::integral_constant<std::size_t, 1> kOdd;
  std::size_t block = 0;
  for (; block + 1 < blocks; block += 2) {
    multiply(kEven, block);
    multiply(kOdd, block + 1);
    add(block, products[kEven]);
    add(block + 1, products[kOdd]);
  }
  if (block < blocks) {
    multiply(kEven, block);
    add(block, products[kEven]);
  }
  sums = totals;
}

struct Tile {
  const std::byte* packed;
  std::size_t first;  // token
  std::size_t tokens;
};

template <std::size_t kTokens, typename Blocks>
void finish_tile(const QuantizedProduct& product, std::size_t row, const Tile& tile,
                 const Blocks& weights_of) {
  const std::size_t blocks = product.columns / QuantizedProduct::kBlock;
  std::array<Lanes, kTokens> sums{};
  if constexpr (Blocks::kInRegisters) {
    multiply_in_registers<kTokens>(weights_of, blocks, tile.packed, sums);
  } else {
    multiply_tile<kTokens>(weights_of, blocks, tile.packed, sums);
  }
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

Tile tile_at(const QuantizedProduct& product, const std::byte* packed, std::size_t tile) {
  constexpr std::size_t kTile = QuantizedProduct::kTile;
  return {packed + tile * tile_bytes(kTile, product.columns), tile * kTile,
          std::min(kTile, product.tokens - tile * kTile)};
}

template <typename Format>
const Weights* unpack(const QuantizedProduct& product, std::size_t row, std::byte* scratch) {
  const Unpacked<Format> weights_of(product.weights + row * product.weight_stride,
                                    product.weight_stride);
  auto* ready = reinterpret_cast<Weights*>(scratch);
  for (std::size_t block = 0; block < product.columns / QuantizedProduct::kBlock; ++block)
    ready[block] = weights_of(block);
  return ready;
}

template <typename Format>
void multiply_rows(const QuantizedProduct& product, std::size_t row, const std::byte* packed,
                   std::byte* scratch) {
  const std::size_t tiles = product.tiles();
  if (tiles == 1) {
    const Unpacked<Format> weights_of(product.weights + row * product.weight_stride,
                                      product.weight_stride);
    return multiply_any(product, row, tile_at(product, packed, 0), weights_of);
  }
  const Ready<Format, false> weights_of(unpack<Format>(product, row, scratch));
  for (std::size_t tile = 0; tile < tiles; ++tile)
    multiply_any(product, row, tile_at(product, packed, tile), weights_of);
}

template <typename SignedFormat>
void multiply_rows_in_registers(const QuantizedProduct& product, std::size_t row,
                                const std::byte* packed, std::byte* scratch) {
  const Ready<SignedFormat, true> weights_of(unpack<SignedFormat>(product, row, scratch));
  configure_matrix_registers(QuantizedProduct::kTile);
  for (std::size_t i = 0; i < product.tiles(); ++i) {
    const Tile tile = tile_at(product, packed, i);
    if (tile.tokens < QuantizedProduct::kTile) configure_matrix_registers(tile.tokens);
    multiply_any(product, row, tile, weights_of);
    if (tile.tokens < QuantizedProduct::kTile) configure_matrix_registers(QuantizedProduct::kTile);
  }
}

bool uses_matrix_registers(const QuantizedProduct& product) {
  return kHasMatrixRegisters && product.tokens >= kLeastForRegisters && may_use_matrix_registers();
}

// What is to be taken off for weights that lie too high.
std::int32_t zero_of(const QuantizedProduct& product) {
  if (uses_matrix_registers(product)) return 0;
  return product.type == WeightType::q4_0 ? Q4::kZero : Q8::kZero;
}

inline bool are_finite(const std::array<Lanes, kBlockLanes>& numbers) {
  WholeLanes is_beyond{};
  for (const Lanes lanes : numbers)
    is_beyond |= std::bit_cast<BitLanes>(magnitude(lanes)) >= kInfinityBits;
  return !is_any_set(is_beyond);
}

}  // namespace

bool QuantizedProduct::is_worth_it() {
  return kInstructions != Instructions::other;
}

std::size_t QuantizedProduct::packed_bytes() const {
  return tile_bytes(tokens, columns);
}

std::size_t QuantizedProduct::scratch_bytes() const {
  const bool is_unpacked = tiles() > 1 || uses_matrix_registers(*this);
  return is_unpacked ? columns / kBlock * sizeof(Weights) : 0;
}

void QuantizedProduct::pack(std::size_t tile, std::byte* packed) const {
  const std::size_t first = tile * kTile;
  const std::size_t count = std::min(kTile, tokens - first);
  const std::int32_t zero = zero_of(*this);
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
      const bool is_number = are_finite(lanes);
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
  const bool is_q4 = type == WeightType::q4_0;
  if constexpr (kHasMatrixRegisters) {
    if (uses_matrix_registers(*this)) {
      const auto multiply =
          is_q4 ? multiply_rows_in_registers<SignedQ4> : multiply_rows_in_registers<SignedQ8>;
      return multiply(*this, group * kGroup, packed, scratch);
    }
  }
  const auto multiply = is_q4 ? multiply_rows<Q4> : multiply_rows<Q8>;
  for (std::size_t row = group * kGroup; row < (group + 1) * kGroup; row += kLanes)
    multiply(*this, row, packed, scratch);
}

}  // namespace hone::local
