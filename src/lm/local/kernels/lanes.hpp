// Sixteen single-precision numbers at a time, by the compiler's vector types: one register with
// AVX-512, two with AVX2, four elsewhere.
#pragma once

#include <ggml.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#if defined(__AVX512F__)
#include <immintrin.h>
#endif

namespace hone::local {

constexpr std::size_t kLanes = 16;
using Lanes [[gnu::vector_size(64)]] = float;
using BitLanes [[gnu::vector_size(64)]] = std::uint32_t;

// Rows of two vectors each that a matrix product keeps in registers.
#if defined(__AVX512F__)
constexpr std::size_t kRowsAtATime = 12;
#else
constexpr std::size_t kRowsAtATime = 3;
#endif

inline Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

inline void store(float* to, Lanes lanes) {
  std::memcpy(to, &lanes, sizeof lanes);
}

inline Lanes broadcast(float value) {
  return Lanes{} + value;
}

inline Lanes load_half(const std::uint16_t* from) {
#if defined(__AVX512F__)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#else
  std::array<float, kLanes> numbers;
  ggml_fp16_to_fp32_row(from, numbers.data(), kLanes);
  return load(numbers.data());
#endif
}

inline float to_single(std::uint16_t half) {
  float number = 0;
  ggml_fp16_to_fp32_row(&half, &number, 1);
  return number;
}

inline Lanes larger(Lanes a, Lanes b) {
  return a > b ? a : b;
}

inline float greatest(Lanes lanes) {
#if defined(__AVX512F__)
  return _mm512_reduce_max_ps(std::bit_cast<__m512>(lanes));
#else
  float result = lanes[0];
  for (std::size_t i = 1; i < kLanes; ++i) result = lanes[i] > result ? lanes[i] : result;
  return result;
#endif
}

inline bool is_any_above(Lanes lanes, float bound) {
#if defined(__AVX512F__)
  return _mm512_cmp_ps_mask(std::bit_cast<__m512>(lanes), _mm512_set1_ps(bound), _CMP_GT_OQ) != 0;
#else
  return greatest(lanes) > bound;
#endif
}

inline float total_of(Lanes lanes) {
#if defined(__AVX512F__)
  return _mm512_reduce_add_ps(std::bit_cast<__m512>(lanes));
#else
  float total = 0;
  for (std::size_t i = 0; i < kLanes; ++i) total += lanes[i];
  return total;
#endif
}

// e to the x for x <= 80, to about two units in the last place; 0 below -87.
inline Lanes exponential(Lanes x) {
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it leaves a whole number
  const Lanes shifted = x * 1.44269504F + kRound;
  const Lanes whole = shifted - kRound;
  const Lanes rest = (x - whole * 0.693359375F) + whole * 2.12194440e-4F;
  Lanes sum = rest * 1.3888889e-3F + 8.3333333e-3F;
  sum = sum * rest + 4.1666667e-2F;
  sum = sum * rest + 1.6666667e-1F;
  sum = sum * rest + 0.5F;
  sum = sum * rest + 1.0F;
  sum = sum * rest + 1.0F;
  const BitLanes power = (std::bit_cast<BitLanes>(shifted) << 23) + (127U << 23);
  const Lanes result = sum * std::bit_cast<Lanes>(power);
  return x < -87.0F ? Lanes{} : result;
}

// Element j of vector i and element i of vector j change places.
inline void transpose(std::array<Lanes, kLanes>& square) {
  std::array<Lanes, kLanes> other;
  // Blocks of 8, 4, 2 and 1 in turn.
  for (std::size_t i = 0; i < 8; ++i) {
    other[i] = __builtin_shufflevector(square[i], square[i + 8], 0, 1, 2, 3, 4, 5, 6, 7, 16, 17, 18,
                                       19, 20, 21, 22, 23);
    other[i + 8] = __builtin_shufflevector(square[i], square[i + 8], 8, 9, 10, 11, 12, 13, 14, 15,
                                           24, 25, 26, 27, 28, 29, 30, 31);
  }
  for (std::size_t base = 0; base < kLanes; base += 8) {
    for (std::size_t i = base; i < base + 4; ++i) {
      square[i] = __builtin_shufflevector(other[i], other[i + 4], 0, 1, 2, 3, 16, 17, 18, 19, 8, 9,
                                          10, 11, 24, 25, 26, 27);
      square[i + 4] = __builtin_shufflevector(other[i], other[i + 4], 4, 5, 6, 7, 20, 21, 22, 23,
                                              12, 13, 14, 15, 28, 29, 30, 31);
    }
  }
  for (std::size_t base = 0; base < kLanes; base += 4) {
    for (std::size_t i = base; i < base + 2; ++i) {
      other[i] = __builtin_shufflevector(square[i], square[i + 2], 0, 1, 16, 17, 4, 5, 20, 21, 8, 9,
                                         24, 25, 12, 13, 28, 29);
      other[i + 2] = __builtin_shufflevector(square[i], square[i + 2], 2, 3, 18, 19, 6, 7, 22, 23,
                                             10, 11, 26, 27, 14, 15, 30, 31);
    }
  }
  for (std::size_t i = 0; i < kLanes; i += 2) {
    square[i] = __builtin_shufflevector(other[i], other[i + 1], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24,
                                        10, 26, 12, 28, 14, 30);
    square[i + 1] = __builtin_shufflevector(other[i], other[i + 1], 1, 17, 3, 19, 5, 21, 7, 23, 9,
                                            25, 11, 27, 13, 29, 15, 31);
  }
}

}  // namespace hone::local
