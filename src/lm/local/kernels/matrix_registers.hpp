// The matrix registers of a processor (AMX): one instruction multiplies sixteen tokens with sixteen
// rows of weights.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "lm/local/kernels/whole_lanes.hpp"

namespace hone::local {

#if defined(HONE_AVX512) && defined(__AMX_INT8__)
constexpr bool kHasMatrixRegisters = true;
#else
constexpr bool kHasMatrixRegisters = false;
#endif

constexpr std::size_t kMatrixTokens = 16;

// Whether the system lets this process use them, which it wants to be asked for. Thread safe.
bool may_use_matrix_registers();

// Sets them up, in this thread, for products of so many tokens. llama.cpp sets a thread up once, in
// the way this does for kMatrixTokens, and relies on it from then on: leave it so.
inline void configure_matrix_registers([[maybe_unused]] std::size_t tokens) {
#if defined(HONE_AVX512) && defined(__AMX_INT8__)
  struct alignas(64) Configuration {
    std::uint8_t palette = 1;
    std::uint8_t first_row = 0;
    std::array<std::uint8_t, 14> unused_1 = {};
    std::array<std::uint16_t, 8> row_bytes = {64, 64, 32, 32, 64, 64, 64, 64};
    std::array<std::uint16_t, 8> unused_2 = {};
    std::array<std::uint8_t, 8> rows = {8, 8};
    std::array<std::uint8_t, 8> unused_3 = {};
  };
  static_assert(sizeof(Configuration) == 64);
  Configuration configuration;
  for (std::size_t i = 2; i < configuration.rows.size(); ++i)
    configuration.rows[i] = static_cast<std::uint8_t>(tokens);
  asm volatile("ldtilecfg %0" : : "m"(configuration));
#endif
}

// For each token the sums of its products with each row.
template <std::size_t kTokens>
struct alignas(64) BlockSums {
  std::array<WholeLanes, kTokens> of_token;
};

// Products of a block of 32 columns: signed weights, each lane a row, with kTokens tokens, for
// which the registers are configured. Neighbouring calls are of different sets, so that one need
// not wait for the other.
template <std::size_t kSet, std::size_t kTokens>
inline void block_products([[maybe_unused]] const BlockQuads& weights,
                           [[maybe_unused]] const std::uint32_t* tokens,
                           [[maybe_unused]] BlockSums<kTokens>& sums) {
  static_assert(kSet < 2 && kTokens <= kMatrixTokens);
#if defined(HONE_AVX512) && defined(__AMX_INT8__)
  using Tokens = std::array<std::uint32_t, kTokens * kBlockQuads>;
  asm volatile(
      "tileloadd (%[weights],%[wide],1), %%tmm%c[of_weights]\n\t"
      "tileloadd (%[tokens],%[narrow],1), %%tmm%c[of_tokens]\n\t"
      "tilezero %%tmm%c[of_sums]\n\t"
      "tdpbssd %%tmm%c[of_weights], %%tmm%c[of_tokens], %%tmm%c[of_sums]\n\t"
      "tilestored %%tmm%c[of_sums], (%[sums],%[wide],1)"
      : "=m"(sums)
      : [weights] "r"(&weights), [tokens] "r"(tokens), [sums] "r"(&sums),
        [wide] "r"(sizeof(QuadLanes)), [narrow] "r"(4 * kBlockQuads), [of_weights] "i"(kSet),
        [of_tokens] "i"(2 + kSet), [of_sums] "i"(4 + kSet), "m"(weights),
        "m"(*reinterpret_cast<const Tokens*>(tokens)));
#endif
}

}  // namespace hone::local
