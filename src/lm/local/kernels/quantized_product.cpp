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

constexpr std::size_t kQuads = QuantizedProduct::kBlock / 4;
constexpr std::size_t kScaleBytes = 2;
constexpr float kLeastTop = 1e-30F;

// Of a packed tile, by block: the quads of every token, what makes up for unsigned weights, scales.
constexpr std::size_t kWordsOfBlock = kQuads + 2;

// One block of sixteen rows: quad q of row r in lane r, as unsigned bytes that lie `kZero` too
// high.
struct Weights {
  std::array<QuadLanes, kQuads> quads;
  Lanes scales;
};

inline Lanes read_scales(const std::byte* block, std::size_t stride) {
  std::array<std::uint16_t, QuantizedProduct::kGroup> halves;
  for (std::size_t row = 0; row < halves.size(); ++row)
    std::memcpy(&halves[row], block + row * stride, kScaleBytes);
  return load_half(halves.data());
}

struct Q4 {
  static constexpr std::size_t kBytes = kScaleBytes + QuantizedProduct::kBlock / 2;
  static constexpr std::int32_t kZero = 8;
  static Weights read(const std::byte* block, std::size_t stride) {
    Weights weights{.quads = {}, .scales = read_scales(block, stride)};
    std::array<QuadLanes, kQuads / 2> words;
    gather_words(block + kScaleBytes, stride, words.data());
    for (std::size_t i = 0; i < words.size(); ++i) {
      weights.quads[i] = words[i] & 0x0F0F0F0FU;
      weights.quads[i + words.size()] = (words[i] >> 4U) & 0x0F0F0F0FU;
    }
    return weights;
  }
};

struct Q8 {
  static constexpr std::size_t kBytes = kScaleBytes + QuantizedProduct::kBlock;
  static constexpr std::int32_t kZero = 128;
  static Weights read(const std::byte* block, std::size_t stride) {
    Weights weights{.quads = {}, .scales = read_scales(block, stride)};
    gather_words(block + kScaleBytes, stride, weights.quads.data());
    gather_words(block + kScaleBytes + 16, stride, weights.quads.data() + 4);
    for (QuadLanes& quad : weights.quads) quad ^= 0x80808080U;
    return weights;
  }
};

template <typename Format>
class Unpacked {
 public:
  Unpacked(const std::byte* group, std::size_t stride) : group_(group), stride_(stride) {}
  Weights operator()(std::size_t block) const {
    return Format::read(group_ + block * Format::kBytes, stride_);
  }

 private:
  const std::byte* group_;
  std::size_t stride_;
};

// Adds the products of one group of rows with `kTokens` tokens; block(i) gives the weights.
template <std::size_t kTokens, typename Blocks>
inline void multiply_tile(const Blocks& weights_of, std::size_t blocks, const std::byte* tile,
                          std::array<Lanes, kTokens>& sums) {
  for (std::size_t block = 0; block < blocks; ++block) {
    const Weights& weights = weights_of(block);
    const std::byte* words = tile + block * kWordsOfBlock * kTokens * sizeof(std::uint32_t);
    const auto* quads = reinterpret_cast<const std::uint32_t*>(words);
    const auto* zeros = reinterpret_cast<const std::int32_t*>(quads + kQuads * kTokens);
    const auto* scales = reinterpret_cast<const float*>(zeros + kTokens);
#pragma GCC unroll 16
    for (std::size_t token = 0; token < kTokens; ++token) {
      WholeLanes sum = WholeLanes{} + zeros[token];
#pragma GCC unroll 8
      for (std::size_t quad = 0; quad < kQuads; ++quad)
        sum = add_products(sum, weights.quads[quad], quads[quad * kTokens + token]);
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
void finish_tile(const QuantizedProduct& product, std::size_t group, const Tile& tile,
                 const Blocks& weights_of) {
  std::array<Lanes, kTokens> sums{};
  multiply_tile<kTokens>(weights_of, product.columns / QuantizedProduct::kBlock, tile.packed, sums);
#pragma GCC unroll 16
  for (std::size_t token = 0; token < kTokens; ++token)
    store(product.out.row(tile.first + token) + group * QuantizedProduct::kGroup, sums[token]);
}

// The number of tokens is a constant of the code that multiplies: their sums stay in registers.
template <typename Blocks>
void multiply_any(const QuantizedProduct& product, std::size_t group, const Tile& tile,
                  const Blocks& weights_of) {
  using Function = void (*)(const QuantizedProduct&, std::size_t, const Tile&, const Blocks&);
  constexpr auto kBySize = []<std::size_t... kSizes>(std::index_sequence<kSizes...>) {
    return std::array<Function, sizeof...(kSizes)>{finish_tile<kSizes + 1, Blocks>...};
  }(std::make_index_sequence<QuantizedProduct::kTile>());
  kBySize[tile.tokens - 1](product, group, tile, weights_of);
}

std::size_t tile_bytes(std::size_t tokens, std::size_t columns) {
  return columns / QuantizedProduct::kBlock * kWordsOfBlock * tokens * sizeof(std::uint32_t);
}

template <typename Format>
void multiply_group(const QuantizedProduct& product, std::size_t group, const std::byte* packed,
                    std::byte* scratch) {
  constexpr std::size_t kTile = QuantizedProduct::kTile;
  const std::size_t tiles = product.tiles();
  const auto tile_at = [&](std::size_t tile) {
    return Tile{packed + tile * tile_bytes(kTile, product.columns), tile * kTile,
                std::min(kTile, product.tokens - tile * kTile)};
  };
  const Unpacked<Format> weights_of(
      product.weights + group * QuantizedProduct::kGroup * product.weight_stride,
      product.weight_stride);
  if (tiles == 1) return multiply_any(product, group, tile_at(0), weights_of);

  auto* ready = reinterpret_cast<Weights*>(scratch);
  for (std::size_t block = 0; block < product.columns / QuantizedProduct::kBlock; ++block)
    ready[block] = weights_of(block);
  const auto ready_block = [ready](std::size_t block) -> const Weights& { return ready[block]; };
  for (std::size_t tile = 0; tile < tiles; ++tile)
    multiply_any(product, group, tile_at(tile), ready_block);
}

inline Lanes magnitude(Lanes lanes) {
  return std::bit_cast<Lanes>(std::bit_cast<BitLanes>(lanes) & 0x7FFFFFFFU);
}

inline bool has_nan(Lanes a, Lanes b) {
  constexpr std::uint32_t kInfinity = 0x7F800000U;
  const auto is_beyond = (std::bit_cast<BitLanes>(magnitude(a)) > kInfinity) |
                         (std::bit_cast<BitLanes>(magnitude(b)) > kInfinity);
  return total_of(std::bit_cast<WholeLanes>(is_beyond)) != 0;
}

// The sixteen numbers' low bytes, in order.
inline void store_bytes(std::byte* to, WholeLanes lanes) {
#if defined(__AVX512F__)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(to),
                   _mm512_cvtepi32_epi8(std::bit_cast<__m512i>(lanes)));
#else
  for (std::size_t i = 0; i < kLanes; ++i) to[i] = static_cast<std::byte>(lanes[i] & 255);
#endif
}

}  // namespace

bool QuantizedProduct::is_worth_it() {
#if defined(__AVX512VNNI__) && !defined(__AMX_INT8__)
  return true;
#else
  return false;
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
      const Lanes a = load(numbers + block * kBlock);
      const Lanes b = load(numbers + block * kBlock + kLanes);
      const float top = greatest(larger(magnitude(a), magnitude(b)));
      // Below that the inverse would be infinite.
      const float inverse = top > kLeastTop ? 127.0F / top : 0.0F;
      const bool is_number = !has_nan(a, b);
      const WholeLanes whole_a = is_number ? nearest(a * inverse) : WholeLanes{};
      const WholeLanes whole_b = is_number ? nearest(b * inverse) : WholeLanes{};
      alignas(64) std::array<std::byte, kBlock> bytes;
      store_bytes(bytes.data(), whole_a);
      store_bytes(bytes.data() + kLanes, whole_b);
      for (std::size_t quad = 0; quad < kQuads; ++quad)
        std::memcpy(words + quad * count + token, bytes.data() + 4 * quad, 4);
      const std::int32_t correction = -zero * total_of(whole_a + whole_b);
      std::memcpy(words + kQuads * count + token, &correction, sizeof correction);
      const float scale = is_number ? top / 127.0F : std::numeric_limits<float>::quiet_NaN();
      std::memcpy(words + (kQuads + 1) * count + token, &scale, sizeof scale);
    }
  }
}

void QuantizedProduct::multiply(std::size_t group, const std::byte* packed,
                                std::byte* scratch) const {
  if (type == WeightType::q4_0) {
    multiply_group<Q4>(*this, group, packed, scratch);
  } else {
    multiply_group<Q8>(*this, group, packed, scratch);
  }
}

}  // namespace hone::local
