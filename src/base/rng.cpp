#include "hone/base/rng.hpp"

#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

namespace hone {

Rng::Rng(std::uint64_t seed, const Hash& stream)
    : state_(Hasher().add(seed).add(stream).finish().low) {}
Rng::Rng(std::uint64_t seed, std::string_view stream) : Rng(seed, hash_of(stream)) {}

std::uint64_t Rng::next() {
  state_ += 0x9E3779B97F4A7C15ULL;
  std::uint64_t z = state_;
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9ULL;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EBULL;
  return z ^ (z >> 31);
}

double Rng::uniform() {
  return static_cast<double>(next() >> 11) * 0x1.0p-53;
}

std::size_t Rng::below(std::size_t n) {
  const std::uint64_t count = n;
  const std::uint64_t limit = std::numeric_limits<std::uint64_t>::max() / count * count;
  std::uint64_t drawn = next();
  while (drawn >= limit) drawn = next();
  return static_cast<std::size_t>(drawn % count);
}

double Rng::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

std::size_t Rng::poisson(double mean) {
  const double limit = std::exp(-mean);
  double product = uniform();
  std::size_t count = 0;
  while (product > limit) {
    product *= uniform();
    ++count;
  }
  return count;
}

std::size_t Rng::weighted(std::span<const double> weights) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double left = uniform() * total;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    left -= weights[i];
    if (left < 0.0 && weights[i] > 0.0) return i;
  }
  for (std::size_t i = weights.size(); i > 0; --i) {
    if (weights[i - 1] > 0.0) return i - 1;
  }
  return 0;
}

std::vector<std::size_t> Rng::sample(std::size_t n, std::size_t k) {
  std::vector<std::size_t> indices(n);
  std::iota(indices.begin(), indices.end(), std::size_t{0});
  const std::size_t taken = k < n ? k : n;
  for (std::size_t i = 0; i < taken; ++i) std::swap(indices[i], indices[i + below(n - i)]);
  indices.resize(taken);
  return indices;
}

}  // namespace hone
