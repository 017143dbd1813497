#include "hone/eval/pareto.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "hone/base/rng.hpp"

namespace hone {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr Direction kUp = Direction::maximize;
constexpr Direction kDown = Direction::minimize;

TEST(Dominates, NeedsOneBetterAndNoneWorse) {
  const std::vector<Direction> goals = {kUp, kDown};
  const auto beats = [&](std::vector<double> a, std::vector<double> b) {
    return dominates(a, b, goals);
  };
  EXPECT_TRUE(beats({0.9, 100}, {0.8, 100}));
  EXPECT_TRUE(beats({0.9, 50}, {0.9, 100}));
  EXPECT_FALSE(beats({0.9, 100}, {0.9, 100}));
  EXPECT_FALSE(beats({0.9, 200}, {0.8, 100}));
  EXPECT_TRUE(beats({0.1, 900}, {NAN, 1}));
  EXPECT_FALSE(beats({NAN, 1}, {0.1, 900}));
  EXPECT_FALSE(beats({NAN, 1}, {NAN, 2}));
}

TEST(ParetoFront, KeepsTradeOffsAndTies) {
  const std::vector<std::vector<double>> points = {{0.8, 10}, {0.9, 50}, {0.7, 20},
                                                   {0.9, 50}, {NAN, 1},  {0.5, 5}};
  const std::vector<Direction> goals = {kUp, kDown};
  EXPECT_THAT(pareto_front(points, goals), ElementsAre(0, 1, 3, 5));
}

TEST(ParetoFront, OfOneGoalAreTheBest) {
  const std::vector<std::vector<double>> points = {{1}, {3}, {2}, {3}};
  EXPECT_THAT(pareto_front(points, std::vector<Direction>{kUp}), ElementsAre(1, 3));
  EXPECT_THAT(pareto_front(points, std::vector<Direction>{kDown}), ElementsAre(0));
}

TEST(ParetoFront, OfNothingIsNothing) {
  EXPECT_THAT(pareto_front({}, std::vector<Direction>{kUp}), IsEmpty());
  const std::vector<std::vector<double>> unknown = {{NAN}, {NAN}};
  EXPECT_THAT(pareto_front(unknown, std::vector<Direction>{kUp}), IsEmpty());
}

// On random points with many ties: the front is exactly what the definition says, whatever the
// order.
TEST(ParetoFrontProperty, IsTheDefinition) {
  Rng rng(3);
  for (int run = 0; run < 300; ++run) {
    std::vector<Direction> goals(1 + rng.below(4));
    for (Direction& goal : goals) goal = rng.below(2) == 0 ? kUp : kDown;
    std::vector<std::vector<double>> points(rng.below(40));
    for (std::vector<double>& point : points) {
      for (std::size_t i = 0; i < goals.size(); ++i) {
        point.push_back(rng.below(30) == 0 ? NAN : static_cast<double>(rng.below(6)));
      }
    }
    std::vector<std::size_t> expected;
    for (std::size_t i = 0; i < points.size(); ++i) {
      const bool is_beaten = std::ranges::any_of(points, [&](const std::vector<double>& other) {
        return dominates(other, points[i], goals);
      });
      const bool is_known = std::ranges::none_of(points[i], [](double v) { return std::isnan(v); });
      if (!is_beaten && is_known) expected.push_back(i);
    }
    ASSERT_EQ(pareto_front(points, goals), expected);
  }
}

}  // namespace
}  // namespace hone
