// As many whole numbers as fit a register, and the sums of products of bytes that quantized weights
// need.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lm/local/kernels/lanes.hpp"

namespace hone::local {

using QuadLanes = BitLanes;  // four bytes a lane
using ByteLanes [[gnu::vector_size(4 * kLanes)]] = std::int8_t;

// Eight quads of a block of weights, each lane a row.
constexpr std::size_t kBlockQuads = 8;
using BlockQuads = std::array<QuadLanes, kBlockQuads>;

// How the bytes of weights lie in a BlockQuads.
enum class WeightBytes {
  nibbles,       // 0 to 15
  whole_bytes,   // 0 to 255
  signed_bytes,  // -128 to 127
};

// AVX2 multiplies unsigned by signed bytes and adds neighbours in 16 bits, for which whole bytes
// are too large.
constexpr WeightBytes kWholeWeights =
    kInstructions == Instructions::avx2 ? WeightBytes::signed_bytes : WeightBytes::whole_bytes;

#if defined(HONE_AVX2)
inline __m256i four_of(std::uint32_t quad) {
  return _mm256_set1_epi32(static_cast<int>(quad));
}
#endif

// start + the products of 32 weights of each row with the 32 numbers of a token, which lie side by
// side (signed bytes, not -128).
template <WeightBytes kBytes>
inline WholeLanes sum_products(const BlockQuads& weights, const std::uint32_t* token,
                               std::int32_t start) {
#if defined(HONE_AVX512)
  static_assert(kBytes != WeightBytes::signed_bytes);
  __m512i sum = _mm512_set1_epi32(start);
#pragma GCC unroll 8
  for (std::size_t quad = 0; quad < kBlockQuads; ++quad) {
    sum = _mm512_dpbusd_epi32(sum, std::bit_cast<__m512i>(weights[quad]),
                              _mm512_set1_epi32(static_cast<int>(token[quad])));
  }
  return std::bit_cast<WholeLanes>(sum);
#elif defined(HONE_AVX2)
  static_assert(kBytes != WeightBytes::whole_bytes);
  const __m256i ones = _mm256_set1_epi16(1);
  const auto weight = [&](std::size_t quad) { return std::bit_cast<__m256i>(weights[quad]); };
  // Two sums, since each addition waits for the one before it.
  if constexpr (kBytes == WeightBytes::nibbles) {
    // Sixteen products of at most 15 * 127 fit 16 bits.
    const auto products = [&](std::size_t quad) {
      return _mm256_maddubs_epi16(weight(quad), four_of(token[quad]));
    };
    __m256i even = products(0), odd = products(1);
#pragma GCC unroll 4
    for (std::size_t quad = 2; quad < kBlockQuads; quad += 2) {
      even = _mm256_add_epi16(even, products(quad));
      odd = _mm256_add_epi16(odd, products(quad + 1));
    }
    const __m256i sum = _mm256_madd_epi16(_mm256_add_epi16(even, odd), ones);
    return std::bit_cast<WholeLanes>(_mm256_add_epi32(sum, _mm256_set1_epi32(start)));
  } else {
    // Two products of at most 128 * 127 fit 16 bits, when their signs are the token's.
    const auto products = [&](std::size_t quad) {
      const __m256i of_token = _mm256_sign_epi8(four_of(token[quad]), weight(quad));
      return _mm256_madd_epi16(_mm256_maddubs_epi16(_mm256_abs_epi8(weight(quad)), of_token), ones);
    };
    __m256i even = _mm256_add_epi32(_mm256_set1_epi32(start), products(0)), odd = products(1);
#pragma GCC unroll 4
    for (std::size_t quad = 2; quad < kBlockQuads; quad += 2) {
      even = _mm256_add_epi32(even, products(quad));
      odd = _mm256_add_epi32(odd, products(quad + 1));
    }
    return std::bit_cast<WholeLanes>(_mm256_add_epi32(even, odd));
  }
#else
  static_assert(kBytes != WeightBytes::signed_bytes);
  WholeLanes sum = WholeLanes{} + start;
  for (std::size_t quad = 0; quad < kBlockQuads; ++quad) {
    for (std::size_t byte = 0; byte < 4; ++byte) {
      const auto shift = static_cast<std::uint32_t>(8 * byte);
      const auto activation = static_cast<std::int8_t>(token[quad] >> shift);
      sum += std::bit_cast<WholeLanes>((weights[quad] >> shift) & 255U) *
             static_cast<std::int32_t>(activation);
    }
  }
  return sum;
#endif
}

inline Lanes to_single(WholeLanes lanes) {
  return __builtin_convertvector(lanes, Lanes);
}

// a * b + c in one rounding, or in two where the processor has no such instruction.
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
#if defined(HONE_AVX512)
  return std::bit_cast<Lanes>(_mm512_fmadd_ps(std::bit_cast<__m512>(a), std::bit_cast<__m512>(b),
                                              std::bit_cast<__m512>(c)));
#elif defined(HONE_AVX2)
  return std::bit_cast<Lanes>(_mm256_fmadd_ps(std::bit_cast<__m256>(a), std::bit_cast<__m256>(b),
                                              std::bit_cast<__m256>(c)));
#else
  return a * b + c;
#endif
}

// To the nearest whole number, halves to the even one; |lanes| < 2^22.
inline WholeLanes nearest(Lanes lanes) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves a whole number
  return std::bit_cast<WholeLanes>(lanes + kRound) - std::bit_cast<std::int32_t>(kRound);
}

inline std::int32_t total_of(WholeLanes lanes) {
#if defined(HONE_AVX512)
  return _mm512_reduce_add_epi32(std::bit_cast<__m512i>(lanes));
#else
  return reduce(lanes, [](WholeLanes a, WholeLanes b) { return a + b; });
#endif
}

// The low bytes of 32 numbers, in order.
inline void store_bytes(std::byte* to, const std::array<WholeLanes, 32 / kLanes>& numbers) {
#if defined(HONE_AVX512)
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * kLanes),
                     _mm512_cvtepi32_epi8(std::bit_cast<__m512i>(numbers[i])));
  }
#elif defined(HONE_AVX2)
  const auto half = [&](std::size_t first) {
    return _mm256_packs_epi32(std::bit_cast<__m256i>(numbers[first]),
                              std::bit_cast<__m256i>(numbers[first + 1]));
  };
  // Packing works in each half of a register, which leaves the quads of bytes out of order.
  const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(to),
                      _mm256_permutevar8x32_epi32(_mm256_packs_epi16(half(0), half(2)), order));
#else
  for (std::size_t i = 0; i < 32; ++i)
    to[i] = static_cast<std::byte>(numbers[i / kLanes][i % kLanes] & 255);
#endif
}

// Word w of row r, four words from each of kLanes rows, as lane r of word w.
inline std::array<QuadLanes, 4> gather_words(const std::byte* first, std::size_t stride) {
  using Quarter [[gnu::vector_size(16)]] = std::uint32_t;
  // Row 4 k + i lies in quarter k of part i.
  std::array<QuadLanes, 4> part;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto row = [&](std::size_t k) {
      Quarter quarter;
      std::memcpy(&quarter, first + (4 * k + i) * stride, sizeof quarter);
      return quarter;
    };
#if defined(HONE_AVX512)
    const auto lane = [&](std::size_t k) { return std::bit_cast<__m128i>(row(k)); };
    __m512i lanes = _mm512_castsi128_si512(lane(0));
    lanes = _mm512_inserti32x4(lanes, lane(1), 1);
    lanes = _mm512_inserti32x4(lanes, lane(2), 2);
    part[i] = std::bit_cast<QuadLanes>(_mm512_inserti32x4(lanes, lane(3), 3));
#elif defined(HONE_AVX2)
    part[i] = std::bit_cast<QuadLanes>(
        _mm256_set_m128i(std::bit_cast<__m128i>(row(1)), std::bit_cast<__m128i>(row(0))));
#else
    part[i] = row(0);
#endif
  }
  // Each quarter is transposed.
  exchange_blocks<2>(part);
  exchange_blocks<1>(part);
  return part;
}

}  // namespace hone::local
