#include "hone/base/rng.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace hone {
namespace {

// Stored files and studies depend on these numbers: they may never change.
TEST(Rng, GivesTheSameNumbersForever) {
  Rng rng(1);
  EXPECT_EQ(rng.next(), 0x910a2dec89025cc1ULL);
  EXPECT_EQ(rng.next(), 0xbeeb8da1658eec67ULL);
}

TEST(Rng, StreamsOfDifferentPurposesDiffer) {
  EXPECT_NE(Rng(1, "a").next(), Rng(1, "b").next());
  EXPECT_NE(Rng(1, "a").next(), Rng(2, "a").next());
  EXPECT_EQ(Rng(1, "a").next(), Rng(1, "a").next());
}

TEST(Rng, CopiesForkTheStream) {
  Rng one(5);
  Rng other = one;
  EXPECT_EQ(one.next(), other.next());
}

TEST(Rng, BelowIsEven) {
  Rng rng(3);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60000; ++i) ++counts[rng.below(6)];
  for (const int count : counts) EXPECT_NEAR(count, 10000, 500);
}

TEST(Rng, NormalAndPoissonHaveTheirMoments) {
  Rng rng(4);
  double sum = 0;
  double squares = 0;
  double events = 0;
  constexpr int kDraws = 50000;
  for (int i = 0; i < kDraws; ++i) {
    const double x = rng.normal();
    sum += x;
    squares += x * x;
    events += static_cast<double>(rng.poisson(2.5));
  }
  EXPECT_NEAR(sum / kDraws, 0, 0.03);
  EXPECT_NEAR(squares / kDraws, 1, 0.03);
  EXPECT_NEAR(events / kDraws, 2.5, 0.05);
}

TEST(Rng, WeightedNeverTakesWeightZero) {
  Rng rng(5);
  const std::array<double, 3> weights = {0, 1, 3};
  std::array<int, 3> counts{};
  for (int i = 0; i < 4000; ++i) ++counts[rng.weighted(weights)];
  EXPECT_EQ(counts[0], 0);
  EXPECT_NEAR(counts[2], 3000, 150);
}

TEST(Rng, SampleGivesDifferentIndices) {
  Rng rng(6);
  const std::vector<std::size_t> some = rng.sample(10, 4);
  EXPECT_EQ(some.size(), 4U);
  EXPECT_EQ(std::set<std::size_t>(some.begin(), some.end()).size(), 4U);
  EXPECT_LT(*std::max_element(some.begin(), some.end()), 10U);
  EXPECT_EQ(rng.sample(3, 9).size(), 3U);
  EXPECT_TRUE(rng.sample(0, 2).empty());
}

TEST(Rng, ShuffleKeepsTheItems) {
  Rng rng(7);
  std::vector<int> items = {1, 2, 3, 4, 5, 6, 7, 8};
  std::vector<int> shuffled = items;
  rng.shuffle(shuffled);
  EXPECT_NE(shuffled, items);
  std::sort(shuffled.begin(), shuffled.end());
  EXPECT_EQ(shuffled, items);
}

}  // namespace
}  // namespace hone
