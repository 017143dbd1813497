#include "hone/eval/race.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>

#include "hone/base/rng.hpp"

namespace hone {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::IsSubsetOf;

ScoreRow row(std::initializer_list<double> scores) {
  return ScoreRow(scores.begin(), scores.end());
}

ScoreRow random_row(Rng& rng, std::size_t examples, double share) {
  ScoreRow out;
  for (std::size_t i = 0; i < examples; ++i) out.emplace_back(rng.uniform() < share ? 1 : 0);
  return out;
}

double total(const ScoreRow& scores) {
  double sum = 0;
  for (const std::optional<double>& score : scores) sum += score.value_or(0);
  return sum;
}

ScoreRow beginning(const ScoreRow& scores, std::size_t count) {
  return ScoreRow(scores.begin(), scores.begin() + static_cast<std::ptrdiff_t>(count));
}

struct Finished {
  std::vector<std::size_t> alive;
  std::size_t runs = 0;
};

Finished race(const std::vector<ScoreRow>& matrix, const RaceRules& rules) {
  const std::size_t examples = matrix.front().size();
  Finished finished;
  finished.alive.resize(matrix.size());
  std::iota(finished.alive.begin(), finished.alive.end(), std::size_t{0});
  std::vector<ScoreRow> met(matrix.size());
  for (const std::size_t checkpoint : race_checkpoints(examples, rules)) {
    for (const std::size_t i : finished.alive) {
      finished.runs += checkpoint - met[i].size();
      met[i] = beginning(matrix[i], checkpoint);
    }
    finished.alive = race_survivors(met, examples, rules);
  }
  return finished;
}

TEST(RaceCheckpoints, BeginWithTheBlockAndEndWithEverything) {
  EXPECT_THAT(race_checkpoints(100, {.first_block = 20, .checkpoints = 4}),
              ElementsAre(20, 40, 60, 80, 100));
  EXPECT_THAT(race_checkpoints(30, {.first_block = 30}), ElementsAre(30));
  EXPECT_THAT(race_checkpoints(10, {.first_block = 30}), ElementsAre(10));
  EXPECT_THAT(race_checkpoints(0, {}), ElementsAre(0));
  EXPECT_THAT(race_checkpoints(5, {.first_block = 0, .checkpoints = 9}), ElementsAre(2, 3, 4, 5));
}

TEST(RaceCheckpointsProperty, AscendAndAreNoMoreThanAskedFor) {
  Rng rng(1);
  for (int run = 0; run < 500; ++run) {
    const std::size_t examples = 1 + rng.below(500);
    const RaceRules rules{.first_block = rng.below(60), .checkpoints = rng.below(30)};
    const std::vector<std::size_t> checkpoints = race_checkpoints(examples, rules);
    ASSERT_EQ(checkpoints.back(), examples);
    ASSERT_TRUE(std::ranges::is_sorted(checkpoints, std::less_equal<>()));
    ASSERT_LE(checkpoints.size(), std::max<std::size_t>(1, rules.checkpoints) + 1);
    ASSERT_GE(checkpoints.front(), std::min(rules.first_block, examples));
  }
}

TEST(ChanceAhead, SaysNothingWithoutEvidence) {
  EXPECT_EQ(chance_ahead({}, {}, 100), 1);
  EXPECT_EQ(chance_ahead(row({0}), row({1}), 100), 1);
  EXPECT_EQ(chance_ahead(row({1, 1, 0}), row({1, 1, 0}), 100), 0.5);
  EXPECT_EQ(chance_ahead({std::nullopt, 0.0, std::nullopt}, {1.0, 1.0, 1.0}, 100), 1);
}

TEST(ChanceAhead, IsCertainWhenEverythingIsMet) {
  EXPECT_EQ(chance_ahead(row({1, 0, 1}), row({1, 0, 0}), 3), 1);
  EXPECT_EQ(chance_ahead(row({1, 0, 0}), row({1, 0, 1}), 3), 0);
  EXPECT_EQ(chance_ahead(row({1, 0}), row({0, 1}), 2), 0.5);
}

TEST(ChanceAhead, GrowsSurerWithExamplesAndAsTheEndComesNearer) {
  const ScoreRow worse = row({0, 0, 0, 0, 0, 0, 1, 1, 1, 1});
  const ScoreRow better = row({1, 1, 1, 1, 0, 0, 1, 1, 1, 1});
  const double early = chance_ahead(beginning(worse, 5), better, 100);
  const double later = chance_ahead(worse, better, 100);
  const double near_the_end = chance_ahead(worse, better, 12);
  EXPECT_LT(near_the_end, later);
  EXPECT_LT(later, 0.1);
  EXPECT_GT(early, 0);
}

TEST(ChanceAhead, PairsOnlyWhatBothMet) {
  const ScoreRow a = {1.0, std::nullopt, 0.0, 1.0};
  const ScoreRow b = {0.0, 1.0, std::nullopt, 0.0, 1.0};
  EXPECT_EQ(chance_ahead(a, b, 50), chance_ahead(row({1, 1}), row({0, 0}), 50));
}

TEST(ChanceAheadProperty, IsAntisymmetricAndDoesNotDependOnTheScale) {
  Rng rng(2);
  for (int run = 0; run < 300; ++run) {
    const std::size_t examples = 2 + rng.below(60);
    const ScoreRow a = random_row(rng, examples, 0.6);
    const ScoreRow b = random_row(rng, examples, 0.5);
    ASSERT_NEAR(chance_ahead(a, b, 100) + chance_ahead(b, a, 100), 1, 1e-9);
    ScoreRow large = a;
    ScoreRow other = b;
    for (std::optional<double>& score : large) score = 7 * *score + 3;
    for (std::optional<double>& score : other) score = 7 * *score + 3;
    ASSERT_NEAR(chance_ahead(large, other, 100), chance_ahead(a, b, 100), 1e-9);
  }
}

// The stated risk: of challengers that are ahead on all examples, no more than this share is
// dropped on the way.
TEST(FallsBehindProperty, KeepsItsRisk) {
  Rng rng(3);
  for (const double risk : {0.05, 0.2}) {
    const RaceRules rules{.risk = risk};
    int ahead = 0;
    int dropped = 0;
    for (int run = 0; run < 3000; ++run) {
      const ScoreRow incumbent = random_row(rng, 200, 0.7);
      const ScoreRow challenger = random_row(rng, 200, 0.72);
      if (total(challenger) <= total(incumbent)) continue;
      ++ahead;
      for (const std::size_t checkpoint : race_checkpoints(200, rules)) {
        if (checkpoint < 200 &&
            falls_behind(beginning(challenger, checkpoint), incumbent, 200, rules)) {
          ++dropped;
          break;
        }
      }
    }
    ASSERT_GT(ahead, 1000);
    EXPECT_LE(dropped, ahead * risk);
  }
}

TEST(FallsBehind, DropsAHopelessChallengerEarly) {
  Rng rng(4);
  const ScoreRow incumbent = random_row(rng, 300, 0.9);
  const ScoreRow challenger = random_row(rng, 300, 0.3);
  EXPECT_TRUE(falls_behind(beginning(challenger, 30), incumbent, 300));
  EXPECT_FALSE(falls_behind(beginning(incumbent, 30), challenger, 300));
  EXPECT_FALSE(falls_behind(beginning(challenger, 30), incumbent, 300, {.risk = 0}));
}

TEST(RaceSurvivors, DropsByTest) {
  Rng rng(5);
  const std::vector<ScoreRow> rows = {random_row(rng, 60, 0.2), random_row(rng, 60, 0.9),
                                      random_row(rng, 60, 0.85)};
  EXPECT_THAT(race_survivors(rows, 300, {.share = 1}), ElementsAre(1, 2));
  EXPECT_THAT(race_survivors(rows, 300, {.risk = 0, .share = 1}), ElementsAre(0, 1, 2));
}

TEST(RaceSurvivors, DropsByRankAndKeepsTheEarlierOfEquals) {
  const std::vector<ScoreRow> rows(10, row({1, 0, 1, 0}));
  EXPECT_THAT(race_survivors(rows, 100, {.share = 0.05}), ElementsAre(0, 1));
}

TEST(RaceSurvivors, LooksOnlyAtThoseStillRacing) {
  const std::vector<ScoreRow> rows = {row({1, 1}), row({0, 1, 1, 0}), {}, row({1, 1, 1, 0})};
  EXPECT_THAT(race_survivors(rows, 100, {.share = 1}), ElementsAre(1, 3));
  EXPECT_THAT(race_survivors({}, 100), IsEmpty());
}

TEST(RaceSurvivors, ACandidateWithoutAnyScoreComesLast) {
  const std::vector<ScoreRow> rows = {ScoreRow(3), row({0, 0, 1}), row({0, 1, 1})};
  EXPECT_THAT(race_survivors(rows, 100, {.share = 0.01}), ElementsAre(1, 2));
  const std::vector<ScoreRow> none = {ScoreRow(3), ScoreRow(3)};
  EXPECT_THAT(race_survivors(none, 100), ElementsAre(0, 1));
}

TEST(RaceSurvivorsProperty, TheLeaderStaysAndNobodyComesBack) {
  Rng rng(6);
  for (int run = 0; run < 300; ++run) {
    const std::size_t candidates = 1 + rng.below(30);
    const std::size_t met = 1 + rng.below(99);
    std::vector<ScoreRow> rows;
    std::vector<std::size_t> racing;
    double best = -1;
    for (std::size_t i = 0; i < candidates; ++i) {
      const bool is_racing = i == 0 || rng.below(4) > 0;
      rows.push_back(random_row(rng, is_racing ? met : rng.below(met), rng.uniform()));
      if (is_racing) racing.push_back(i);
      if (is_racing) best = std::max(best, total(rows.back()));
    }
    const RaceRules rules{.risk = rng.uniform(), .share = 1.2 * rng.uniform()};
    const std::vector<std::size_t> alive = race_survivors(rows, 100, rules);
    ASSERT_FALSE(alive.empty());
    ASSERT_THAT(alive, IsSubsetOf(racing));
    ASSERT_TRUE(std::ranges::any_of(alive, [&](std::size_t i) { return total(rows[i]) == best; }));
    ASSERT_EQ(alive, race_survivors(rows, 100, rules));
  }
}

TEST(RaceProperty, NeverTakesMoreThanItsShare) {
  Rng rng(7);
  for (int run = 0; run < 100; ++run) {
    const std::size_t candidates = 8 + rng.below(30);
    std::vector<ScoreRow> matrix;
    for (std::size_t i = 0; i < candidates; ++i)
      matrix.push_back(random_row(rng, 300, 0.7 + 0.02 * rng.normal()));
    const RaceRules rules{.risk = 0.05 * static_cast<double>(rng.below(2))};
    ASSERT_LE(race(matrix, rules).runs, 2 * candidates * 300 / 5) << candidates;
    ASSERT_LE(runs_of(halving_schedule(candidates, 300, rules)), 2 * candidates * 300 / 5);
  }
}

TEST(RaceProperty, FindsAPlantedBest) {
  Rng rng(8);
  for (int run = 0; run < 100; ++run) {
    std::vector<ScoreRow> matrix;
    for (int i = 0; i < 25; ++i) matrix.push_back(random_row(rng, 300, 0.6));
    const std::size_t planted = rng.below(25);
    matrix[planted] = random_row(rng, 300, 0.85);
    ASSERT_THAT(race(matrix, {}).alive, ElementsAre(planted));
  }
}

TEST(RaceReach, CountsWhatNumbersThatFallTakeToTheEnd) {
  const std::vector<std::size_t> checkpoints = {10, 20, 40};
  // Four: 40 runs, then 4 * 10 / 10 for ten more examples, then 4 * 10 / 20 for twenty.
  EXPECT_EQ(race_reach(4, 0, checkpoints, 120), 4U);
  EXPECT_EQ(race_reach(4, 0, checkpoints, 119), 3U);
  EXPECT_EQ(race_reach(4, 10, checkpoints, 80), 4U);
  EXPECT_EQ(race_reach(4, 10, checkpoints, 79), 3U);
  EXPECT_EQ(race_reach(4, 20, checkpoints, 79), 3U);
  EXPECT_EQ(race_reach(4, 0, checkpoints, 0), 1U);
}

TEST(RaceForemost, AreTheHighestMeansAndTheEarlierOfEquals) {
  const std::vector<ScoreRow> rows = {{0.0, 1.0}, {1.0, 1.0}, {}, {1.0, 0.0}, {1.0}};
  EXPECT_THAT(race_foremost(rows, 3), ElementsAre(0, 1, 4));
  EXPECT_THAT(race_foremost(rows, 9), ElementsAre(0, 1, 2, 3, 4));
}

TEST(HalvingSchedule, IsTheRaceWithoutTests) {
  std::vector<ScoreRow> matrix;
  for (std::size_t i = 0; i < 20; ++i) matrix.emplace_back(120, static_cast<double>(i));
  const RaceRules rules{.risk = 0, .first_block = 15, .checkpoints = 5};
  const std::vector<Rung> schedule = halving_schedule(20, 120, rules);
  EXPECT_EQ(schedule.front().candidates, 20U);
  EXPECT_EQ(schedule.back().examples, 120U);
  EXPECT_EQ(runs_of(schedule), race(matrix, rules).runs);
  EXPECT_THAT(race(matrix, rules).alive, Contains(19U));
}

TEST(HalvingSchedule, WithoutABudgetIsTheGrid) {
  EXPECT_EQ(runs_of(halving_schedule(7, 100, {.share = 1})), 700U);
  EXPECT_EQ(runs_of(halving_schedule(7, 20, {})), 140U);
}

TEST(BalancedOrder, EveryBeginningHoldsEveryStratumInProportion) {
  Rng rng(9);
  for (int run = 0; run < 50; ++run) {
    std::vector<std::string> strata;
    for (int i = 0; i < 200; ++i) strata.push_back(std::to_string(rng.below(2) + rng.below(3)));
    std::map<std::string, double> share;
    for (const std::string& name : strata) share[name] += 1.0 / 200;
    const std::vector<std::size_t> order = balanced_order(strata, rng.next());
    ASSERT_EQ(std::set<std::size_t>(order.begin(), order.end()).size(), strata.size());
    std::map<std::string, double> seen;
    for (std::size_t i = 0; i < order.size(); ++i) {
      seen[strata[order[i]]] += 1;
      for (const auto& [name, part] : share) {
        ASSERT_LE(std::abs(seen[name] - part * static_cast<double>(i + 1)), 3.0);
      }
    }
  }
}

TEST(BalancedOrder, FollowsTheSeed) {
  const std::vector<std::string> strata(50, "a");
  EXPECT_EQ(balanced_order(strata, 1), balanced_order(strata, 1));
  EXPECT_NE(balanced_order(strata, 1), balanced_order(strata, 2));
  EXPECT_THAT(balanced_order({}, 1), IsEmpty());
}

}  // namespace
}  // namespace hone
