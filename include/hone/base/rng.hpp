// Random numbers that are the same on every machine: the standard distributions are not.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/hash.hpp"

namespace hone {

// SplitMix64 stream (Steele, Lea, Flood 2014). A value: copying forks the stream. Streams with
// different purposes are derived with `Rng(seed, hash)`, so thread count and order of work never
// change a result.
class Rng {
 public:
  explicit Rng(std::uint64_t seed) : state_(seed) {}
  Rng(std::uint64_t seed, const Hash& stream);
  Rng(std::uint64_t seed, std::string_view stream);

  std::uint64_t next();
  double uniform();                  // in [0, 1)
  std::size_t below(std::size_t n);  // in [0, n); precondition n > 0; unbiased
  double normal();                   // mean 0, standard deviation 1
  std::size_t poisson(double mean);  // for small means (below about 30)
  std::size_t weighted(
      std::span<const double> weights);  // index by non-negative weight; their sum > 0

  template <class T>
  void shuffle(std::vector<T>& items) {
    for (std::size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }
  // k different indices below n, in random order (all n when k >= n).
  std::vector<std::size_t> sample(std::size_t n, std::size_t k);

 private:
  std::uint64_t state_;
};

}  // namespace hone
