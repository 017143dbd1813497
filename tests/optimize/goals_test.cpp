#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hone/optimize/optimize.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "optimize/planted.hpp"

namespace hone {
namespace {

using testing::demo_hungry_lm;
using testing::parity_examples;
using testing::parity_program;
using testing::parity_task;

Candidate demos(int count) {
  Value::List shown;
  for (const Example& example : parity_examples(0, count)) shown.push_back(example.fields());
  return Candidate().with("predict.demos", Value(std::move(shown)));
}

Task task_for(Goals goals) {
  Task task = parity_task(24, 100);
  task.goals = std::move(goals);
  return task;
}

// Tries fixed numbers of demos, together.
class Ladder final : public Optimizer {
 public:
  explicit Ladder(std::vector<int> counts) : counts_(std::move(counts)) {}
  std::string_view name() const override { return "ladder"; }
  Result<void> run(Search& search) const override {
    std::vector<Proposal> proposals;
    for (const int count : counts_)
      proposals.push_back({demos(count), std::to_string(count) + " demos"});
    const Result<std::vector<Trial>> trials = search.evaluate(proposals);
    if (!trials) return trials.error();
    return {};
  }

 private:
  std::vector<int> counts_;
};

Optimized climb(Goals goals, std::vector<int> counts, bool race = false) {
  const ScriptedLm lm = demo_hungry_lm();
  SearchOptions options;
  options.race.enabled = race;
  return optimize(parity_program(), task_for(std::move(goals)), lm, Ladder(std::move(counts)),
                  options)
      .value();
}

TEST(SearchRace, ByRankFewAreMeasuredToTheEndAndTheBestIsAmongThem) {
  const ScriptedLm lm = demo_hungry_lm();
  const auto search = [&lm](bool by_rank) {
    SearchOptions options;
    options.race.by_rank = by_rank;
    // Close to each other, so that tests give up on few of them.
    return optimize(parity_program(), task_for({}), lm, Ladder({9, 7, 8, 10, 6}), options).value();
  };
  const auto runs_of = [](const Optimized& done) {
    std::size_t runs = 0;
    for (const Trial& trial : done.trials) runs += trial.examples;
    return runs;
  };
  const Optimized careful = search(false);
  const Optimized fast = search(true);
  EXPECT_LT(runs_of(fast), runs_of(careful));
  EXPECT_EQ(fast.best.origin, careful.best.origin);
  std::size_t complete = 0;
  for (const Trial& trial : fast.trials) complete += trial.complete ? 1 : 0;
  EXPECT_LT(complete, fast.trials.size());
}

TEST(SearchGoals, TrialsKeepEveryMeasure) {
  const Optimized done = climb({}, {2, 10});
  const Measures& few = done.trials[1].measures;
  const Measures& many = done.trials[2].measures;
  EXPECT_EQ(few.score, done.trials[1].mean);
  EXPECT_GT(many.prompt_tokens, few.prompt_tokens);
  EXPECT_EQ(few.lm_calls, 1);
  EXPECT_EQ(done.trials[2].merit, done.trials[2].mean) << "without goals";
  EXPECT_EQ(done.best.origin, "10 demos");
  EXPECT_EQ(done.front, (std::vector<std::size_t>{2}));
}

TEST(SearchGoals, TheWinnerIsTheBestByTheFormula) {
  const Optimized score = climb({}, {2, 5, 10});
  const double few = score.trials[2].measures.prompt_tokens;
  const double many = score.trials[3].measures.prompt_tokens;
  // Half the score that five more demos bring is what their tokens cost, doubled.
  const double rate = 2 * (score.trials[3].mean - score.trials[2].mean) / (many - few);
  const Goals goals = {
      .goals = {Goal::parse("score - prompt_tokens*" + std::to_string(rate / 4)).value()}};
  EXPECT_EQ(climb(goals, {2, 5, 10}).best.origin, "10 demos") << "cheap enough";
  const Goals dear = {
      .goals = {Goal::parse("score - prompt_tokens*" + std::to_string(rate * 4)).value()}};
  const Optimized done = climb(dear, {2, 5, 10});
  EXPECT_EQ(done.best.origin, "baseline");
  EXPECT_GE(done.best.merit, done.baseline.merit);
  EXPECT_GE(done.front.size(), 3U) << "more demos cost more and score more";
}

TEST(SearchGoals, TheNextGoalBreaksTies) {
  const Goals goals = {.goals = {maximize(Quantity::score), minimize(Quantity::prompt_tokens)}};
  EXPECT_EQ(climb(goals, {14, 10, 12}).best.origin, "10 demos");
  EXPECT_EQ(climb({}, {14, 10, 12}).best.origin, "14 demos") << "the first of equals";
}

TEST(SearchGoals, RacingDropsNoneForSakeOfOneBeyondALimit) {
  const double limit = climb({}, {3}).trials[1].measures.prompt_tokens + 0.5;
  const Goals goals = {.within = {at_most(Quantity::prompt_tokens, limit)}};
  const Optimized done = climb(goals, {10, 3, 1}, /*race=*/true);
  EXPECT_EQ(done.best.origin, "3 demos");
  EXPECT_EQ(done.best.excess, 0);
  EXPECT_GT(done.trials[1].mean, done.best.mean) << "which is beyond the limit";
}

TEST(SearchGoals, RacesByTheGoal) {
  // Ten demos score best and cost far too much: under this goal they fall behind at once.
  const Goals goals = {.goals = {Goal::parse("score - prompt_tokens").value()}};
  const Optimized done = climb(goals, {10, 1}, /*race=*/true);
  EXPECT_FALSE(done.trials[1].complete);
  EXPECT_EQ(done.best.origin, "baseline");
  // A ratio cannot be told of one example: the race goes by the score, and drops the weaker.
  const Goals ratio = {.goals = {Goal::parse("score / prompt_tokens").value()}};
  EXPECT_TRUE(climb(ratio, {10, 1}, /*race=*/true).trials[1].complete);
}

TEST(SearchGoals, CachedRunsCostWhatTheyTook) {
  Script script;
  script.reply = [](const LmRequest&) -> Result<std::string> {
    return std::string("[[ ## answer ## ]]\nfour words and more");
  };
  const ScriptedLm lm(std::move(script));
  Examples examples;
  for (int i = 0; i < 6; ++i)
    examples.emplace_back(Value::object({{"q", std::to_string(i)}, {"answer", "x"}}));
  const Program program = Program::predict(Signature::parse("q -> answer").value());
  auto search =
      Search::make(program, {examples, examples, exact_match("answer")}, lm, SearchOptions{})
          .value();
  const Proposal proposal{Candidate().with("predict.instructions", "Answer."), "one"};
  const Trial part = search->evaluate_on(std::span(&proposal, 1), examples).value().front();
  const Trial whole = search->evaluate(proposal.candidate, "one").value();
  EXPECT_EQ(whole.usage.cached_calls, 6) << "all of them out of the cache";
  EXPECT_GT(whole.measures.generated_tokens, 0);
  EXPECT_EQ(whole.measures.generated_tokens, part.measures.generated_tokens);
  EXPECT_GT(whole.measures.latency_ms, 0);
}

TEST(SearchGoals, MoneyNeedsPrices) {
  const ScriptedLm lm = demo_hungry_lm();
  const Goals goals = {.goals = {minimize(Quantity::money)}};
  const Result<Optimized> refused =
      optimize(parity_program(), task_for(goals), lm, Ladder({1}), SearchOptions{});
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_request);
  EXPECT_EQ(lm.calls(), 0U);
}

TEST(SearchGoals, SteerTheSamplers) {
  // Every demo costs more than it brings.
  const Goals goals = {.goals = {Goal::parse("score - prompt_tokens").value()}};
  for (const char* name : {"bootstrap_tpe", "mipro"}) {
    const ScriptedLm lm = demo_hungry_lm();
    const Optimized done = optimize(parity_program(), task_for(goals), lm,
                                    *make_optimizer(name).value(), SearchOptions{})
                               .value();
    EXPECT_GE(done.best.merit, done.baseline.merit) << name;
    for (const Trial& trial : done.trials) {
      EXPECT_TRUE(!trial.complete || trial.merit <= done.best.merit) << name;
    }
  }
}

}  // namespace
}  // namespace hone
