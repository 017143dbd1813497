// What optimizers keep of a budget, so that something they found can be measured in full.
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "hone/optimize/optimize.hpp"
#include "hone/testing/planted_task.hpp"

namespace hone {
namespace {

using testing::planted_task;
using testing::PlantedTask;

PredictorOptions as_completion() {
  PredictorOptions options;
  options.format = Format::completion;
  return options;
}

// Of the last "care level N" in a text; 0 without one.
long last_care_level(const std::string& text) {
  const std::string mark = "care level ";
  const std::size_t at = text.rfind(mark);
  return at == std::string::npos ? 0 : std::strtol(text.c_str() + at + mark.size(), nullptr, 10);
}

// A planted task whose answers a model judges. No two prompts have the same answer, so that the
// judge is asked anew for every candidate, and no two proposals are alike.
PlantedTask planted_for_a_judge(int train, int val) {
  PlantedTask planted = planted_task(train, val);
  planted.student =
      Program::predict(Signature::parse("number: int -> answer", "Say what the number is.").value(),
                       as_completion());
  planted.task.metric = judge("answer", "is right");
  const auto propose = planted.script.value;
  planted.script.value = [propose](const LmRequest& request, const TextSlot& slot) -> std::string {
    if (slot.field != "answer")
      return propose(request, slot) + " Take " + std::to_string(request.sample) + ".";
    return "care level " + std::to_string(last_care_level(request.prompt.dump())) + " of " +
           request.prompt.hash().hex();
  };
  planted.script.score = [](const LmRequest& request, const LabelSlot&) {
    const std::string text = request.prompt.dump();
    const long number = std::strtol(text.c_str() + text.rfind("number: ") + 8, nullptr, 10);
    return number % 10 < 2 + last_care_level(text) ? std::vector<double>{-0.1, -3.0}
                                                   : std::vector<double>{-3.0, -0.1};
  };
  return planted;
}

TEST(CallsPerRun, AJudgeIsAskedOnceARunToo) {
  const PlantedTask planted = planted_for_a_judge(10, 20);
  const ScriptedLm lm(planted.script);
  const auto search = Search::make(planted.student, planted.task, lm, SearchOptions{}).value();
  EXPECT_DOUBLE_EQ(search->calls_per_run(search->student()), 1) << "of a judge nothing is known";
  ASSERT_TRUE(search->evaluate_baseline());
  EXPECT_DOUBLE_EQ(search->calls_per_run(search->student()), 2);
}

TEST(CallsPerRun, ParseRetriesCount) {
  const std::string unreadable = "I cannot tell.";
  const ScriptedLm lm([&](const LmRequest& request) -> Result<std::string> {
    // Told what was wrong with its reply, it does better.
    const bool is_retry = request.prompt.dump().find(unreadable) != std::string::npos;
    return is_retry ? std::string("[[ ## parity ## ]]\neven") : unreadable;
  });
  const Program student = Program::predict(
      Signature::parse("number: int -> parity: enum(even, odd)", "Say which.").value());
  const auto search = Search::make(student, planted_task(10, 20).task, lm, SearchOptions{}).value();
  ASSERT_TRUE(search->evaluate_baseline());
  EXPECT_EQ(lm.calls(), 40U);
  EXPECT_DOUBLE_EQ(search->calls_per_run(search->student()), 2);
}

TEST(Reserve, MiproCountsTheJudgesCalls) {
  const PlantedTask planted = planted_for_a_judge(24, 100);
  const ScriptedLm lm(planted.script);
  SearchOptions options;
  // The baseline takes 200 and the proposals 8. One combination's minibatch and full measurement
  // take 270 at most; five minibatches alone, 350.
  options.budget.lm_calls = 200 + 8 + 320;
  const Value settings = Value::object({{"zero_shot", true},
                                        {"demo_aware", false},
                                        {"dataset_aware", false},
                                        {"program_aware", false},
                                        {"tip_aware", false},
                                        {"proposal_rounds", 1}});
  const Optimized done = optimize(planted.student, planted.task, lm,
                                  *make_optimizer("mipro", settings).value(), options)
                             .value();
  EXPECT_GT(done.best.mean, done.baseline.mean);
  EXPECT_LE(lm.calls(), 528U);
}

TEST(Reserve, BootstrappingLeavesEnoughToMeasureWhatThereIs) {
  // No run of the teacher is good enough: it would walk through all train examples.
  for (const char* name :
       {"bootstrap_few_shot", "bootstrap_random_search", "bootstrap_tpe", "mipro", "infer_rules"}) {
    const PlantedTask planted = planted_task(1000, 100);
    const ScriptedLm lm(planted.script);
    SearchOptions options;
    options.budget.lm_calls = 500;
    const auto optimizer = make_optimizer(name, Value::object({{"threshold", 2}})).value();
    const Optimized done = optimize(planted.student, planted.task, lm, *optimizer, options).value();
    EXPECT_GT(done.best.mean, done.baseline.mean) << name;
    EXPECT_TRUE(done.best.complete) << name;
    EXPECT_LE(lm.calls(), 500U) << name;
  }
}

TEST(Reserve, WhereItLeavesNoRunOfTheTeacherTheProgramStays) {
  const PlantedTask planted = planted_task(1000, 100);
  const ScriptedLm lm(planted.script);
  SearchOptions options;
  options.budget.lm_calls = 200;  // the baseline, and one candidate
  const auto optimizer =
      make_optimizer("bootstrap_few_shot", Value::object({{"max_labeled", 0}})).value();
  const Result<Optimized> done = optimize(planted.student, planted.task, lm, *optimizer, options);
  ASSERT_TRUE(done) << done.error().text();
  EXPECT_EQ(done->best.origin, "baseline");
}

TEST(Reserve, BootstrappingGoesOnWhereNothingCanBeMeasuredAnyway) {
  const PlantedTask planted = planted_task(1000, 100);
  const ScriptedLm lm(planted.script);
  SearchOptions options;
  options.budget.lm_calls = 150;
  const auto optimizer =
      make_optimizer("bootstrap_few_shot", Value::object({{"threshold", 2}})).value();
  const Optimized done = optimize(planted.student, planted.task, lm, *optimizer, options).value();
  EXPECT_EQ(done.best.origin, "baseline");
  EXPECT_EQ(lm.calls(), 150U);
}

}  // namespace
}  // namespace hone
