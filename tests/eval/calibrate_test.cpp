#include "hone/eval/calibrate.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "hone/testing/scripted_lm.hpp"

#include "core/parsed.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

Program classifier(Calibration calibration, const char* fields = "text -> label: enum(good, bad)") {
  PredictorOptions options;
  options.format = Format::completion;
  options.calibration = calibration;
  return Program::predict(parsed(fields), options);
}

Examples texts(std::initializer_list<const char*> items) {
  Examples examples;
  for (const char* item : items) examples.emplace_back(Value::object({{"text", item}}));
  return examples;
}

// Scores by what the prompt ends in: a model that leans to "bad" whatever it reads.
ScriptedLm leaning() {
  return ScriptedLm(Script{.reply = {},
                           .score =
                               [](const LmRequest& request, const LabelSlot&) {
                                 const std::string prompt = request.prompt.dump();
                                 if (prompt.find("alpha") != std::string::npos)
                                   return std::vector<double>{-3, -1};
                                 if (prompt.find("omega") != std::string::npos)
                                   return std::vector<double>{-2, -1.5};
                                 return std::vector<double>{-5, -0.5};
                               },
                           .value = {}});
}

TEST(LearnLabelBias, BatchIsTheMeanOverTheInputs) {
  const ScriptedLm lm = leaning();
  const Evaluator evaluator(lm);
  const Candidate learned =
      learn_label_bias(classifier(Calibration::batch), texts({"alpha", "omega"}), evaluator)
          .value();
  ASSERT_NE(learned.find("predict.label_bias"), nullptr);
  EXPECT_EQ(*learned.find("predict.label_bias"),
            Value::object({{"label", Value::numbers({-2.5, -1.25})}}));
  EXPECT_EQ(lm.calls(), 2U);
}

TEST(LearnLabelBias, ContentFreeNeedsNoExamples) {
  const ScriptedLm lm = leaning();
  const Candidate learned =
      learn_label_bias(classifier(Calibration::content_free), {}, Evaluator(lm)).value();
  EXPECT_EQ(*learned.find("predict.label_bias"),
            Value::object({{"label", Value::numbers({-5, -0.5})}}));
  ASSERT_EQ(lm.calls(), 3U);
  std::set<std::string> prompts;
  for (const LmRequest& request : lm.requests()) prompts.insert(request.prompt.dump());
  EXPECT_EQ(prompts.size(), 3U);
  std::string all;
  for (const std::string& prompt : prompts) all += prompt;
  EXPECT_THAT(all, HasSubstr("N/A"));
  EXPECT_THAT(all, HasSubstr("[MASK]"));
}

TEST(LearnLabelBias, ContentFreeInputsFitEveryType) {
  const ScriptedLm lm = leaning();
  const Program program = classifier(
      Calibration::content_free,
      "text: str(5..8), n: int(3..9), x: float, ok: bool, kind: enum(p, q), tags: list[str](2..4), "
      "who: {name: str, age: int}, more: optional[str] -> label: enum(good, bad)");
  EXPECT_TRUE(learn_label_bias(program, {}, Evaluator(lm)).value().find("predict.label_bias"));
}

TEST(LearnLabelBias, WhatItLearnsFitsTheProgram) {
  const ScriptedLm lm = leaning();
  const Program program = classifier(Calibration::batch);
  const Candidate learned =
      learn_label_bias(program, texts({"alpha", "omega"}), Evaluator(lm)).value();
  const Program calibrated = program.with(learned).value();
  Call call(lm);
  // Raw scores say bad; less the learned means (-2.5, -1.25), omega is good: -2 + 2.5 > -1.5
  // + 1.25.
  EXPECT_EQ(calibrated.run(call, Value::object({{"text", "omega"}})).value().get("label"),
            Value("good"));
  EXPECT_EQ(calibrated.run(call, Value::object({{"text", "alpha"}})).value().get("label"),
            Value("bad"));
}

TEST(LearnLabelBias, AnOptionalLabelHasABiasForNoneToo) {
  const ScriptedLm lm(Script{
      .reply = {},
      .score = [](const LmRequest&,
                  const LabelSlot& slot) { return std::vector<double>(slot.labels.size(), -1.0); },
      .value = {}});
  const Program program =
      classifier(Calibration::batch, "text -> label: optional[enum(good, bad)]");
  const Candidate learned =
      learn_label_bias(program, texts({"alpha", "omega"}), Evaluator(lm)).value();
  ASSERT_NE(learned.find("predict.label_bias"), nullptr);
  EXPECT_EQ(learned.find("predict.label_bias")->get("label").size(), 3U);
}

TEST(LearnLabelBias, EveryPredictorOfAPipelineHasItsOwn) {
  PredictorOptions options;
  options.format = Format::completion;
  options.calibration = Calibration::batch;
  const Predictor first(parsed("text -> topic: enum(a, b)"), options);
  options.calibration = Calibration::none;
  const Predictor second(parsed("topic: enum(a, b) -> label: enum(c, d)"), options);
  const Program program = Program::pipeline({{"topic", first}, {"label", second}}).value();
  const ScriptedLm lm = leaning();
  const Candidate learned = learn_label_bias(program, texts({"alpha"}), Evaluator(lm)).value();
  EXPECT_EQ(learned.values().size(), 1U);
  EXPECT_NE(learned.find("topic.label_bias"), nullptr);
}

TEST(LearnLabelBias, IsEmptyWhereThereIsNothingToLearn) {
  const ScriptedLm lm = leaning();
  const Examples examples = texts({"alpha"});
  EXPECT_TRUE(
      learn_label_bias(classifier(Calibration::none), examples, Evaluator(lm)).value().empty());
  EXPECT_TRUE(
      learn_label_bias(classifier(Calibration::batch, "text -> answer"), examples, Evaluator(lm))
          .value()
          .empty());
  EXPECT_EQ(lm.calls(), 0U);
  const ScriptedLm remote(
      [](const LmRequest&) -> Result<std::string> { return std::string("Label: good"); });
  EXPECT_TRUE(learn_label_bias(classifier(Calibration::batch), examples, Evaluator(remote))
                  .value()
                  .empty());
  EXPECT_EQ(remote.calls(), 0U);
}

TEST(LearnLabelBias, LeavesOutImpossibleScores) {
  const ScriptedLm lm(Script{.reply = {},
                             .score =
                                 [](const LmRequest& request, const LabelSlot&) {
                                   const bool odd =
                                       request.prompt.dump().find("alpha") != std::string::npos;
                                   return std::vector<double>{odd ? -INFINITY : -2.0, -1.0};
                                 },
                             .value = {}});
  const Candidate learned =
      learn_label_bias(classifier(Calibration::batch), texts({"alpha", "omega"}), Evaluator(lm))
          .value();
  EXPECT_EQ(*learned.find("predict.label_bias"),
            Value::object({{"label", Value::numbers({-2, -1})}}));
}

class FailingLm final : public Lm {
 public:
  FailingLm(const ScriptedLm& inner, std::string word) : inner_(&inner), word_(std::move(word)) {}
  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override {
    std::vector<Result<LmReply>> replies;
    for (const LmRequest& request : requests) {
      if (request.prompt.dump().find(word_) != std::string::npos) {
        replies.emplace_back(temporary("model", "out of reach"));
      } else {
        replies.push_back(inner_->complete_one(request, stop));
      }
    }
    return replies;
  }

 private:
  const ScriptedLm* inner_;
  std::string word_;
};

TEST(LearnLabelBiasFault, LearnsFromTheRunsThatWorked) {
  const ScriptedLm inner = leaning();
  const FailingLm lm(inner, "alpha");
  const Candidate learned =
      learn_label_bias(classifier(Calibration::batch), texts({"alpha", "omega"}), Evaluator(lm))
          .value();
  EXPECT_EQ(*learned.find("predict.label_bias"),
            Value::object({{"label", Value::numbers({-2, -1.5})}}));
}

TEST(LearnLabelBiasFault, FailsWhenEveryRunFailed) {
  const ScriptedLm inner = leaning();
  const FailingLm lm(inner, "");
  const Result<Candidate> learned =
      learn_label_bias(classifier(Calibration::batch), texts({"alpha", "omega"}), Evaluator(lm));
  ASSERT_FALSE(learned);
  EXPECT_THAT(learned.error().text(), HasSubstr("out of reach"));
}

}  // namespace
}  // namespace hone
