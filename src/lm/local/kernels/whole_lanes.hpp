// Sixteen whole numbers at a time, and the sums of products of bytes that quantized weights need.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "lm/local/kernels/lanes.hpp"

namespace hone::local {

using WholeLanes [[gnu::vector_size(64)]] = std::int32_t;
using QuadLanes = BitLanes;  // four bytes a lane

// sums[i] += the four products of weights[i]'s bytes (unsigned) with those of `activations`
// (signed).
inline WholeLanes add_products(WholeLanes sums, QuadLanes weights, std::uint32_t activations) {
#if defined(__AVX512VNNI__)
  return std::bit_cast<WholeLanes>(
      _mm512_dpbusd_epi32(std::bit_cast<__m512i>(sums), std::bit_cast<__m512i>(weights),
                          _mm512_set1_epi32(static_cast<int>(activations))));
#else
  for (std::size_t byte = 0; byte < 4; ++byte) {
    const auto activation = static_cast<std::int8_t>(activations >> (8 * byte));
    sums += std::bit_cast<WholeLanes>((weights >> static_cast<std::uint32_t>(8 * byte)) & 255U) *
            static_cast<std::int32_t>(activation);
  }
  return sums;
#endif
}

inline Lanes to_single(WholeLanes lanes) {
  return __builtin_convertvector(lanes, Lanes);
}

// a * b + c in one rounding, or in two where the processor has no such instruction.
inline Lanes multiply_add(Lanes a, Lanes b, Lanes c) {
#if defined(__AVX512F__)
  return std::bit_cast<Lanes>(_mm512_fmadd_ps(std::bit_cast<__m512>(a), std::bit_cast<__m512>(b),
                                              std::bit_cast<__m512>(c)));
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
#if defined(__AVX512F__)
  return _mm512_reduce_add_epi32(std::bit_cast<__m512i>(lanes));
#else
  std::int32_t total = 0;
  for (std::size_t i = 0; i < kLanes; ++i) total += lanes[i];
  return total;
#endif
}

// Word w of row r, four words from each of sixteen rows, as lane r of words[w].
inline void gather_words(const std::byte* first, std::size_t stride, QuadLanes* words) {
  // Row 4 k + i lies in quarter k of part i.
  std::array<QuadLanes, 4> part;
  for (std::size_t i = 0; i < 4; ++i) {
    const auto row = [&](std::size_t k) {
      std::array<std::uint32_t, 4> quarter;
      std::memcpy(quarter.data(), first + (4 * k + i) * stride, sizeof quarter);
      return quarter;
    };
#if defined(__AVX512F__)
    const auto lane = [&](std::size_t k) { return std::bit_cast<__m128i>(row(k)); };
    __m512i lanes = _mm512_castsi128_si512(lane(0));
    lanes = _mm512_inserti32x4(lanes, lane(1), 1);
    lanes = _mm512_inserti32x4(lanes, lane(2), 2);
    part[i] = std::bit_cast<QuadLanes>(_mm512_inserti32x4(lanes, lane(3), 3));
#else
    part[i] = std::bit_cast<QuadLanes>(std::array{row(0), row(1), row(2), row(3)});
#endif
  }
  const auto low = [](QuadLanes a, QuadLanes b) {
    return __builtin_shufflevector(a, b, 0, 16, 1, 17, 4, 20, 5, 21, 8, 24, 9, 25, 12, 28, 13, 29);
  };
  const auto high = [](QuadLanes a, QuadLanes b) {
    return __builtin_shufflevector(a, b, 2, 18, 3, 19, 6, 22, 7, 23, 10, 26, 11, 27, 14, 30, 15,
                                   31);
  };
  const auto first_pairs = [](QuadLanes a, QuadLanes b) {
    return __builtin_shufflevector(a, b, 0, 1, 16, 17, 4, 5, 20, 21, 8, 9, 24, 25, 12, 13, 28, 29);
  };
  const auto second_pairs = [](QuadLanes a, QuadLanes b) {
    return __builtin_shufflevector(a, b, 2, 3, 18, 19, 6, 7, 22, 23, 10, 11, 26, 27, 14, 15, 30,
                                   31);
  };
  const QuadLanes low_01 = low(part[0], part[1]), low_23 = low(part[2], part[3]);
  const QuadLanes high_01 = high(part[0], part[1]), high_23 = high(part[2], part[3]);
  words[0] = first_pairs(low_01, low_23);
  words[1] = second_pairs(low_01, low_23);
  words[2] = first_pairs(high_01, high_23);
  words[3] = second_pairs(high_01, high_23);
}

}  // namespace hone::local
