#include "lm/local/rows.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <numeric>

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__SANITIZE_ADDRESS__) && \
    !defined(__SANITIZE_THREAD__)
#define HONE_WIDE_VECTORS \
  __attribute__((target_clones("avx512f", "avx2", "default"), optimize("O3")))
#else
#define HONE_WIDE_VECTORS
#endif

namespace hone::local {
namespace {

constexpr std::size_t kLanes = 32;  // independent accumulators, so that loops become vector code

// exp(x) for x <= 0 to about 2e-7: x = n ln 2 + r, a polynomial in r, n put into the exponent's
// bits.
inline float exp_nonpositive(float x) {
  x = x < -87.0F ? -87.0F : x;
  const float n = std::nearbyintf(x * 1.44269504F);
  const float r = (x - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * r * r + r + 1.0F;
  const std::int32_t bits = (static_cast<std::int32_t>(n) + 127) << 23;
  float scale = 0;
  std::memcpy(&scale, &bits, sizeof scale);
  return p * scale;
}

struct Maximum {
  float value;
  bool has_nan;
};

HONE_WIDE_VECTORS Maximum maximum(const float* row, std::size_t size) {
  std::array<float, kLanes> best;
  best.fill(-std::numeric_limits<float>::infinity());
  std::array<std::int32_t, kLanes> nan{};
  std::size_t i = 0;
  for (; i + kLanes <= size; i += kLanes) {
    for (std::size_t k = 0; k < kLanes; ++k) {
      const float x = row[i + k];
      best[k] = x > best[k] ? x : best[k];
      nan[k] |= static_cast<std::int32_t>(x != x);
    }
  }
  for (; i < size; ++i) {
    best[0] = row[i] > best[0] ? row[i] : best[0];
    nan[0] |= static_cast<std::int32_t>(row[i] != row[i]);
  }
  Maximum result{best[0], nan[0] != 0};
  for (std::size_t k = 1; k < kLanes; ++k) {
    result.value = best[k] > result.value ? best[k] : result.value;
    result.has_nan = result.has_nan || nan[k] != 0;
  }
  return result;
}

HONE_WIDE_VECTORS double sum_exp(const float* row, std::size_t size, float shift) {
  constexpr std::size_t kBlock = 1024;  // single precision within a block, double across them
  double total = 0;
  std::size_t i = 0;
  while (i < size) {
    const std::size_t end = size - i < kBlock ? size : i + kBlock;
    std::array<float, kLanes> sums{};
    for (; i + kLanes <= end; i += kLanes) {
      for (std::size_t k = 0; k < kLanes; ++k) sums[k] += exp_nonpositive(row[i + k] - shift);
    }
    for (; i < end; ++i) sums[0] += exp_nonpositive(row[i] - shift);
    for (const float sum : sums) total += static_cast<double>(sum);
  }
  return total;
}

constexpr std::size_t kDrawBlock = 512;

// weights[b] = the sum over block b of exp((row[i] - top) * scale).
HONE_WIDE_VECTORS void block_weights(const float* row, std::size_t size, float top, float scale,
                                     double* weights) {
  for (std::size_t begin = 0; begin < size; begin += kDrawBlock) {
    const std::size_t end = size - begin < kDrawBlock ? size : begin + kDrawBlock;
    std::array<float, kLanes> sums{};
    std::size_t i = begin;
    for (; i + kLanes <= end; i += kLanes) {
      for (std::size_t k = 0; k < kLanes; ++k)
        sums[k] += exp_nonpositive((row[i + k] - top) * scale);
    }
    for (; i < end; ++i) sums[0] += exp_nonpositive((row[i] - top) * scale);
    double total = 0;
    for (const float sum : sums) total += static_cast<double>(sum);
    *weights++ = total;
  }
}

}  // namespace

double log_sum_exp(std::span<const float> row) {
  const Maximum top = maximum(row.data(), row.size());
  if (top.has_nan || !std::isfinite(top.value)) return std::numeric_limits<double>::quiet_NaN();
  return static_cast<double>(top.value) + std::log(sum_exp(row.data(), row.size(), top.value));
}

std::size_t argmax(std::span<const float> row) {
  const Maximum top = maximum(row.data(), row.size());
  if (top.has_nan) return row.size();
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == top.value) return i;
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
  std::vector<double> weights((row.size() + kDrawBlock - 1) / kDrawBlock);
  const auto scale = static_cast<float>(1 / std::max(temperature, 1e-6));
  block_weights(row.data(), row.size(), top, scale, weights.data());
  double target = share * std::accumulate(weights.begin(), weights.end(), 0.0);
  std::size_t block = 0;
  while (block + 1 < weights.size() && target >= weights[block]) target -= weights[block++];
  const std::size_t end = std::min(row.size(), (block + 1) * kDrawBlock);
  // What rounding leaves over at the block's end falls to its best entry.
  std::size_t best = block * kDrawBlock;
  for (std::size_t i = block * kDrawBlock; i < end; ++i) {
    target -= static_cast<double>(exp_nonpositive((row[i] - top) * scale));
    if (target < 0) return i;
    if (row[i] > row[best]) best = i;
  }
  return best;
}

}  // namespace hone::local
