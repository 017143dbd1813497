#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <string>

#include "hone/optimize/optimize.hpp"

#include "optimize/paired_gate.hpp"
#include "optimize/planted_pipeline.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;
using testing::planted_pipeline;
using testing::planted_task;

Optimized run_gepa(const testing::PlantedTask& planted, const ScriptedLm& lm, Value options) {
  return optimize(planted.student, planted.task, lm, *make_optimizer("gepa", options).value())
      .value();
}

// Prompts that ask for a text of that name.
std::vector<std::string> prompts_for(const ScriptedLm& lm, const std::string& field) {
  std::vector<std::string> out;
  for (const LmRequest& request : lm.requests()) {
    for (const ReplyPart& part : request.reply->parts) {
      const auto* slot = std::get_if<TextSlot>(&part);
      if (slot && slot->field == field) out.push_back(request.prompt.dump());
    }
  }
  return out;
}

TEST(Gepa, ReflectsOnAnswersExpectationsAndFeedback) {
  testing::PlantedTask planted = planted_task();
  planted.task.metric = Metric("teaching", [](const Outcome& outcome) -> Result<Score> {
    const bool right = outcome.prediction.get("parity") == outcome.example.get("parity");
    return Score{right ? 1.0 : 0.0, right ? "" : "mind the last digit"};
  });
  const ScriptedLm lm(planted.script);
  run_gepa(planted, lm, {});
  const std::vector<std::string> prompts = prompts_for(lm, "new_instruction");
  ASSERT_FALSE(prompts.empty());
  EXPECT_THAT(prompts.front(), HasSubstr("Say whether the number is even or odd."));
  EXPECT_THAT(prompts.front(), HasSubstr("answered: parity: "));
  EXPECT_THAT(prompts.front(), HasSubstr("expected in the end: parity: "));
  EXPECT_THAT(prompts.front(), HasSubstr("feedback: mind the last digit"));
  EXPECT_THAT(prompts.back(), HasSubstr("care level"));
}

TEST(Gepa, AChildThatIsNoBetterIsNotEvaluatedInFull) {
  testing::PlantedTask planted = planted_task();
  planted.script.value = [](const LmRequest&, const TextSlot&) { return std::string("Guess."); };
  const ScriptedLm lm(planted.script);
  const Optimized done = run_gepa(planted, lm, Value::object({{"iterations", 2}}));
  EXPECT_EQ(done.trials.size(), 2U) << "the baseline and the seed only";
}

TEST(Gepa, LeavesEnoughToMeasureAChildInFull) {
  const testing::PlantedTask planted = planted_task(24, 200);
  const ScriptedLm lm(planted.script);
  SearchOptions options;
  options.budget.lm_calls = 435;  // one draft's proposal and gate, and two full measurements
  const Optimized done =
      optimize(planted.student, planted.task, lm, *make_optimizer("gepa").value(), options).value();
  EXPECT_GT(done.best.mean, done.baseline.mean);
  EXPECT_LE(lm.calls(), 435U);
}

TEST(Gepa, MergesTwoCandidatesThatChangedDifferentSteps) {
  const testing::PlantedTask planted = planted_pipeline();
  const Value one_round_each = Value::object({{"iterations", 2}, {"perfect_score", 1.0}});
  const auto merges = [](const Optimized& done) {
    return std::count_if(done.trials.begin(), done.trials.end(),
                         [](const Trial& trial) { return trial.origin.starts_with("merge of"); });
  };
  const ScriptedLm plain(planted.script);
  EXPECT_EQ(merges(run_gepa(planted, plain, one_round_each)), 0) << "off unless asked for";
  const ScriptedLm lm(planted.script);
  const Optimized done = run_gepa(planted, lm, one_round_each.with("merge", true));
  EXPECT_EQ(merges(done), 1);
  EXPECT_DOUBLE_EQ(done.best.mean, 1.0);
  EXPECT_TRUE(done.best.origin.starts_with("merge of"));
}

TEST(Gepa, AllPartsRewritesEveryStepAtOnce) {
  const testing::PlantedTask planted = planted_pipeline();
  const ScriptedLm lm(planted.script);
  const Optimized done =
      run_gepa(planted, lm, Value::object({{"iterations", 1}, {"all_parts", true}}));
  EXPECT_DOUBLE_EQ(done.best.mean, 1.0);
  EXPECT_NE(done.best.candidate.find("look.instructions"), nullptr);
  EXPECT_NE(done.best.candidate.find("answer.instructions"), nullptr);
}

TEST(PairedGate, DecidesEarlyWhenItIsClearAndLooksFurtherWhenNot) {
  const testing::PlantedTask planted = planted_task(40, 10);
  const ScriptedLm lm(planted.script);
  const auto search = Search::make(planted.student, planted.task, lm, SearchOptions{}).value();
  const auto with = [&](const char* text) {
    return planted.student.with(Candidate().with("predict.instructions", text)).value();
  };
  const Program weak = with("care level 0");
  const Program strong = with("care level 8");
  const Program little_better = with("care level 1");
  const GateOptions options{4, 40, 0.1};
  const auto verdict = [&](const Program& parent, const Program& child) -> bool {
    const GateCase one{parent, child, planted.task.train};
    return pass_gate(*search, {one}, options).front();
  };
  EXPECT_TRUE(verdict(weak, strong));
  const std::size_t early = lm.calls();
  EXPECT_LE(early, 24U) << "eight clear wins are enough";
  EXPECT_FALSE(verdict(strong, weak));
  EXPECT_FALSE(verdict(weak, weak));
  EXPECT_TRUE(verdict(weak, little_better)) << "one in ten better, seen over all forty";
  EXPECT_FALSE(verdict(little_better, weak));
}

}  // namespace
}  // namespace hone
