#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/outcome_fixture.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;
using testing_eval::json;

Result<Score> judged(const Metric& metric, const Lm& lm, const char* example,
                     const char* prediction, CallOptions options = {}, Trace* trace = nullptr) {
  Call call(lm, std::move(options));
  const Example labelled(json(example));
  const Value predicted = json(prediction);
  Result<Score> score = metric(Outcome{labelled, predicted, call.trace(), call});
  if (trace != nullptr) *trace = call.take_trace();
  return score;
}

ScriptedLm local_judge(std::vector<double> scores) {
  return ScriptedLm(Script{.reply = {},
                           .score = [scores](const LmRequest&, const LabelSlot&) { return scores; },
                           .value = {}});
}

constexpr const char* kExample = R"({"ticket": "where is my parcel", "answer": "On its way."})";
constexpr const char* kPrediction = R"({"answer": "Wait."})";

TEST(Judge, LocalModelsScoreTheVerdict) {
  const Metric metric = judge("answer", "is polite");
  const ScriptedLm kind = local_judge({-0.1, -2.0});
  const ScriptedLm stern = local_judge({-2.0, -0.1});
  EXPECT_EQ(judged(metric, kind, kExample, kPrediction).value().value, 1);
  const Score refused = judged(metric, stern, kExample, kPrediction).value();
  EXPECT_EQ(refused.value, 0);
  EXPECT_THAT(refused.feedback, HasSubstr("does not meet: is polite"));
  EXPECT_THAT(refused.feedback, HasSubstr("On its way."));
}

TEST(Judge, ThePromptShowsCriterionInputExpectedAndAnswer) {
  const ScriptedLm lm = local_judge({0, -1});
  ASSERT_TRUE(judged(judge("answer", "is polite"), lm, kExample, kPrediction));
  const std::string prompt = lm.requests().at(0).prompt.dump();
  for (const char* part : {"is polite", "ticket: where is my parcel", "On its way.", "Wait."}) {
    EXPECT_THAT(prompt, HasSubstr(part));
  }
  EXPECT_TRUE(lm.requests().at(0).prompt.is_text());
}

TEST(Judge, RemoteModelsAreAskedInChat) {
  const ScriptedLm lm([](const LmRequest&) -> Result<std::string> {
    return std::string("[[ ## verdict ## ]]\nyes\n\n[[ ## completed ## ]]");
  });
  EXPECT_EQ(judged(judge("answer", "is polite"), lm, kExample, kPrediction).value().value, 1);
  EXPECT_FALSE(lm.requests().at(0).prompt.is_text());
}

TEST(Judge, GoesThroughTheCallAndItsTrace) {
  const ScriptedLm lm = local_judge({0, -1});
  Trace trace;
  ASSERT_TRUE(judged(judge("answer", "is polite"), lm, kExample, kPrediction, {}, &trace));
  ASSERT_EQ(trace.steps.size(), 1U);
  EXPECT_EQ(trace.steps[0].path, "metric.judge");
  EXPECT_EQ(trace.usage().lm_calls, 1);
}

TEST(Judge, AsksTheNamedModel) {
  const ScriptedLm task = local_judge({0, -1});
  const ScriptedLm referee = local_judge({-1, 0});
  CallOptions options;
  options.models.emplace("referee", &referee);
  const Metric metric = judge("answer", "is polite", "referee");
  EXPECT_EQ(judged(metric, task, kExample, kPrediction, options).value().value, 0);
  EXPECT_EQ(task.calls(), 0U);
  const Result<Score> unknown = judged(metric, task, kExample, kPrediction);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().text(), HasSubstr("referee"));
}

TEST(Judge, AnExampleNeedsNoExpectedAnswer) {
  const ScriptedLm lm = local_judge({0, -1});
  EXPECT_TRUE(judged(judge("answer", "is polite"), lm, R"({"ticket": "hi"})", kPrediction));
  EXPECT_THAT(lm.requests().at(0).prompt.dump(), HasSubstr("(not given)"));
}

TEST(Judge, AFailingModelIsAnErrorAndNoZero) {
  const ScriptedLm lm(
      [](const LmRequest&) -> Result<std::string> { return temporary("server", "down"); });
  const Result<Score> result = judged(judge("answer", "is polite"), lm, kExample, kPrediction);
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().kind, ErrorKind::temporary);
}

}  // namespace
}  // namespace hone
