// As many single-precision numbers as fit a register of the processor hone is built for, by the
// compiler's vector types.
#pragma once

#include <ggml.h>

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace hone::local {

enum class Instructions { avx512, avx2, other };

// Processors with AVX-512 but without its products of bytes count as AVX2: halves of their
// registers are used well, where whole ones would need kernels of their own.
#if defined(__AVX512F__) && defined(__AVX512VNNI__)
#define HONE_AVX512 1
#elif defined(__AVX2__) && defined(__FMA__) && defined(__F16C__)
#define HONE_AVX2 1
#endif

#if defined(HONE_AVX512)
constexpr Instructions kInstructions = Instructions::avx512;
constexpr std::size_t kLanes = 16;
// Rows of two vectors each that a matrix product keeps in registers.
constexpr std::size_t kRowsAtATime = 12;
#elif defined(HONE_AVX2)
constexpr Instructions kInstructions = Instructions::avx2;
constexpr std::size_t kLanes = 8;
constexpr std::size_t kRowsAtATime = 6;
#else
constexpr Instructions kInstructions = Instructions::other;
constexpr std::size_t kLanes = 4;
constexpr std::size_t kRowsAtATime = 6;
#endif

using Lanes [[gnu::vector_size(4 * kLanes)]] = float;
using BitLanes [[gnu::vector_size(4 * kLanes)]] = std::uint32_t;
using WholeLanes [[gnu::vector_size(4 * kLanes)]] = std::int32_t;

inline Lanes load(const float* from) {
  Lanes lanes;
  std::memcpy(&lanes, from, sizeof lanes);
  return lanes;
}

inline void store(float* to, Lanes lanes) {
  std::memcpy(to, &lanes, sizeof lanes);
}

// Not `Lanes{} + value`: compilers add the zero, for the sake of negative zeros.
inline Lanes broadcast(float value) {
  return [value]<std::size_t... kLane>(std::index_sequence<kLane...>) {
    return Lanes{(static_cast<void>(kLane), value)...};
  }(std::make_index_sequence<kLanes>());
}

inline Lanes load_half(const std::uint16_t* from) {
#if defined(HONE_AVX512)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(from)));
#elif defined(HONE_AVX2)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
#else
  std::array<float, kLanes> numbers;
  ggml_fp16_to_fp32_row(from, numbers.data(), kLanes);
  return load(numbers.data());
#endif
}

inline float to_single(std::uint16_t half) {
#if defined(HONE_AVX512) || defined(HONE_AVX2)
  return _cvtsh_ss(half);
#else
  float number = 0;
  ggml_fp16_to_fp32_row(&half, &number, 1);
  return number;
#endif
}

inline Lanes magnitude(Lanes lanes) {
  return std::bit_cast<Lanes>(std::bit_cast<BitLanes>(lanes) & 0x7FFFFFFFU);
}

// Magnitudes of numbers, as bits, lie below, those of NaNs above.
constexpr std::uint32_t kInfinityBits = 0x7F800000U;

inline Lanes larger(Lanes a, Lanes b) {
  return a > b ? a : b;
}

// Lane i of the result is lane kOf(i) of a, or, from kLanes on, lane kOf(i) - kLanes of b.
template <auto kOf, typename Vector>
inline Vector shuffle(Vector a, Vector b) {
  return [&]<std::size_t... kLane>(std::index_sequence<kLane...>) {
    return __builtin_shufflevector(a, b, kOf(kLane)...);
  }(std::make_index_sequence<kLanes>());
}

// What `combine` makes of all lanes: halves first, then quarters.
template <typename Vector, typename Combine>
inline auto reduce(Vector lanes, Combine combine) {
  const auto step = [&]<std::size_t kApart>(std::integral_constant<std::size_t, kApart>) {
    constexpr auto kOther = [](std::size_t lane) { return lane ^ kApart; };
    lanes = combine(lanes, shuffle<kOther>(lanes, lanes));
  };
  if constexpr (kLanes > 8) step(std::integral_constant<std::size_t, 8>());
  if constexpr (kLanes > 4) step(std::integral_constant<std::size_t, 4>());
  step(std::integral_constant<std::size_t, 2>());
  step(std::integral_constant<std::size_t, 1>());
  return lanes[0];
}

inline float greatest(Lanes lanes) {
#if defined(HONE_AVX512)
  return _mm512_reduce_max_ps(std::bit_cast<__m512>(lanes));
#else
  return reduce(lanes, larger);
#endif
}

inline bool is_any_set(WholeLanes mask) {
#if defined(HONE_AVX512)
  return _mm512_movepi32_mask(std::bit_cast<__m512i>(mask)) != 0;
#elif defined(HONE_AVX2)
  return _mm256_movemask_ps(std::bit_cast<__m256>(mask)) != 0;
#else
  return reduce(mask, [](WholeLanes a, WholeLanes b) { return a | b; }) != 0;
#endif
}

inline bool is_any_above(Lanes lanes, float bound) {
  return is_any_set(lanes > bound);
}

inline float total_of(Lanes lanes) {
#if defined(HONE_AVX512)
  return _mm512_reduce_add_ps(std::bit_cast<__m512>(lanes));
#else
  return reduce(lanes, [](Lanes a, Lanes b) { return a + b; });
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

// The two blocks of kHalf columns off the diagonal of each square of 2 kHalf rows change places.
template <std::size_t kHalf, typename Vector, std::size_t kRows>
inline void exchange_blocks(std::array<Vector, kRows>& rows) {
  constexpr auto kUpper = [](std::size_t lane) {
    return (lane & kHalf) != 0 ? kLanes + lane - kHalf : lane;
  };
  constexpr auto kLower = [](std::size_t lane) {
    return (lane & kHalf) != 0 ? kLanes + lane : lane + kHalf;
  };
  for (std::size_t i = 0; i < kRows; ++i) {
    if ((i & kHalf) != 0) continue;
    const Vector upper = rows[i], lower = rows[i + kHalf];
    rows[i] = shuffle<kUpper>(upper, lower);
    rows[i + kHalf] = shuffle<kLower>(upper, lower);
  }
}

// Element j of vector i and element i of vector j change places.
inline void transpose(std::array<Lanes, kLanes>& square) {
  if constexpr (kLanes > 8) exchange_blocks<8>(square);
  if constexpr (kLanes > 4) exchange_blocks<4>(square);
  exchange_blocks<2>(square);
  exchange_blocks<1>(square);
}

}  // namespace hone::local
