#include "hone/eval/goal.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace hone {
namespace {

const Measures kCheap = {.score = 0.8,
                         .latency_ms = 100,
                         .prompt_tokens = 200,
                         .generated_tokens = 10,
                         .lm_calls = 1,
                         .money = 0.5};
const Measures kGood = {.score = 0.9,
                        .latency_ms = 300,
                        .prompt_tokens = 1200,
                        .generated_tokens = 50,
                        .lm_calls = 2,
                        .money = 3};

double value(const char* text, const Measures& measures = kCheap) {
  return Goal::parse(text).value().value(measures);
}

TEST(Goal, IsAFormulaOverQuantities) {
  EXPECT_DOUBLE_EQ(value("score - 0.1*prompt_tokens/1000"), 0.8 - 0.02);
  EXPECT_DOUBLE_EQ(value("-(tokens + 2 * lm_calls) / 4 - -1"), -(210 + 2) / 4.0 + 1);
  EXPECT_DOUBLE_EQ(value("10*lm_calls - 4 - 3"), 3);
  EXPECT_DOUBLE_EQ(value("16*lm_calls / 4 / 2"), 2);
  EXPECT_DOUBLE_EQ(value("minimize money*1e1"), 5);
  EXPECT_DOUBLE_EQ(value("maximize latency_ms"), 100);
}

TEST(Goal, HasADirection) {
  EXPECT_EQ(Goal::parse("minimize latency_ms").value().merit(kCheap), -100);
  EXPECT_EQ(Goal::parse("score").value().merit(kCheap), 0.8);
  EXPECT_EQ(minimize(Quantity::tokens).merit(kCheap), -210);
  EXPECT_EQ(maximize(Quantity::score).text(), "maximize score");
  EXPECT_EQ(Goal::parse("score / (lm_calls - 1)").value().merit(kCheap),
            -std::numeric_limits<double>::infinity());
}

TEST(Goal, KnowsWhetherItsMeanIsTheValueOfTheMeans) {
  for (const char* text :
       {"score", "score - 0.1*tokens", "(score + money) / 2", "score + 3", "2*(1-score)"})
    EXPECT_TRUE(Goal::parse(text).value().is_additive()) << text;
  for (const char* text : {"score / tokens", "score * score", "1 / money", "score - tokens*tokens"})
    EXPECT_FALSE(Goal::parse(text).value().is_additive()) << text;
}

struct BadText {
  const char* text;
  const char* column;
  const char* message;
};

TEST(Goal, PointsAtTheCharacterThatIsWrong) {
  for (const BadText& bad :
       {BadText{"score - ", "goal, column 9", "the end"},
        BadText{"score - 0.1*tokns", "column 13", "tokens"},
        BadText{"score 3", "column 7", "operator"}, BadText{"(score", "column 7", "')'"},
        BadText{"score + * 2", "column 9", "'*'"}, BadText{"", "column 1", "the end"},
        BadText{"latency_ms < 200", "column 12", "operator"},
        BadText{"1e999", "column 1", "number"}, BadText{"3", "column 1", "measured (there: score"},
        BadText{"minimize 2 * (1 - 3)", "column 10", "measured"},
        BadText{"1/0", "column 3", "divides by 0"},
        BadText{"score / (2 - 2)", "column 9", "divides by 0"}}) {
    const Result<Goal> goal = Goal::parse(bad.text);
    ASSERT_FALSE(goal) << bad.text;
    EXPECT_EQ(goal.error().kind, ErrorKind::bad_request);
    EXPECT_NE(goal.error().text().find(bad.column), std::string::npos) << goal.error().text();
    EXPECT_NE(goal.error().text().find(bad.message), std::string::npos) << goal.error().text();
  }
  EXPECT_NE(Goal::parse("score - 0.1*tokns").error().message.find("\n              ^"),
            std::string::npos);
  EXPECT_FALSE(Goal::parse(std::string(5000, '(')));
}

TEST(GoalLimit, SaysHowFarBeyondItAMeasureIs) {
  EXPECT_EQ(GoalLimit::parse("latency_ms < 200").value().excess(kCheap), 0);
  EXPECT_DOUBLE_EQ(GoalLimit::parse("latency_ms < 200").value().excess(kGood), 0.5);
  EXPECT_DOUBLE_EQ(GoalLimit::parse("score >= 0.9").value().excess(kCheap), 0.1 / 0.9);
  EXPECT_EQ(GoalLimit::parse("-latency_ms > -100").value().excess(kCheap), 0);
  EXPECT_EQ(at_most(Quantity::tokens, 210).excess(kCheap), 0) << "the number itself is within";
  EXPECT_DOUBLE_EQ(at_least(Quantity::score, 1).excess(kCheap), 0.2);
  for (const char* text : {"latency_ms", "latency_ms <", "latency_ms < tokens", "latency_ms < 2 3",
                           "latency_ms = 2", "3 < 4", "score / 0 > 1"})
    EXPECT_FALSE(GoalLimit::parse(text)) << text;
}

TEST(Goals, AreTheScoreUnlessSaidOtherwise) {
  const Goals goals;
  EXPECT_TRUE(goals.is_score());
  EXPECT_TRUE(goals.is_better(kGood, kCheap));
  EXPECT_FALSE(goals.is_better(kGood, kGood));
  EXPECT_EQ(goals.text(), "maximize score");
}

TEST(Goals, TheFirstDecidesAndTheNextBreaksTies) {
  const Goals goals = {.goals = {maximize(Quantity::score), minimize(Quantity::tokens)}};
  Measures shorter = kGood;
  shorter.prompt_tokens -= 1;
  EXPECT_TRUE(goals.is_better(kGood, kCheap));
  EXPECT_TRUE(goals.is_better(shorter, kGood));
  const Goals traded = {.goals = {Goal::parse("score - 0.2*tokens/1000").value()}};
  EXPECT_TRUE(traded.is_better(kCheap, kGood));
}

TEST(Goals, WhatIsWithinTheLimitsGoesBeforeWhatIsNot) {
  const Goals goals = {.within = {GoalLimit::parse("latency_ms < 200").value()}};
  EXPECT_TRUE(goals.is_better(kCheap, kGood));
  Measures slower = kGood;
  slower.latency_ms = 400;
  slower.score = 1;
  EXPECT_TRUE(goals.is_better(kGood, slower)) << "less beyond the limit";
}

TEST(Goals, NameTheFormulasWithoutAValue) {
  const Goals goals = {
      .goals = {maximize(Quantity::score), Goal::parse("score / (lm_calls - 1)").value()},
      .within = {GoalLimit::parse("1 / (lm_calls - 1) < 2").value(),
                 at_most(Quantity::latency_ms, 1)}};
  EXPECT_EQ(goals.without_value(kCheap),
            (std::vector<std::string>{"score / (lm_calls - 1)", "1 / (lm_calls - 1) < 2"}));
  EXPECT_TRUE(goals.without_value(kGood).empty());
}

TEST(Goals, DrawTheFrontOverEveryQuantityTheyName) {
  const Goals goals = {.goals = {Goal::parse("score - money").value()},
                       .within = {at_most(Quantity::latency_ms, 200)}};
  EXPECT_EQ(goals.axes(),
            (std::vector<Quantity>{Quantity::score, Quantity::money, Quantity::latency_ms}));
  EXPECT_TRUE(goals.uses(Quantity::latency_ms));
  EXPECT_FALSE(goals.uses(Quantity::tokens));
  Measures beaten = kGood;
  beaten.money += 1;
  const std::vector<Measures> points = {beaten, kCheap, kGood};
  EXPECT_EQ(pareto_front(points, goals), (std::vector<std::size_t>{1, 2}));
  EXPECT_EQ(pareto_front(points, Goals()), (std::vector<std::size_t>{0, 2}));
}

TEST(Measures, CountWhatACachedReplyTookWhenItWasMade) {
  Rollout run;
  run.score = 1;
  TraceStep fresh;
  fresh.usage = {.lm_calls = 1, .prompt_tokens = 100, .generated_tokens = 7, .seconds = 0.5};
  TraceStep cached;
  cached.usage = {.lm_calls = 1, .cached_calls = 1, .prompt_tokens = 40};
  cached.usage.cached_generated_tokens = 3;
  cached.usage.cached_seconds = 0.25;
  run.trace.steps = {fresh, cached};
  run.trace.steps[1].model = "dear";
  const Measures measures = measures_of(run, {.own = {1, 10}, .named = {{"dear", {2, 20}}}});
  EXPECT_DOUBLE_EQ(measures.latency_ms, 750);
  EXPECT_DOUBLE_EQ(measures.get(Quantity::tokens), 150);
  EXPECT_DOUBLE_EQ(measures.lm_calls, 2);
  EXPECT_DOUBLE_EQ(measures.money, (100 * 1 + 7 * 10 + 40 * 2 + 3 * 20) / 1000.0);
  Rollout failed;
  const std::vector<Rollout> runs = {run, failed};
  EXPECT_DOUBLE_EQ(mean_measures(runs, {}).prompt_tokens, 140) << "only of runs with a score";
}

}  // namespace
}  // namespace hone
