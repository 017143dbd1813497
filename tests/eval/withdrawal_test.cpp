// Runs that are withdrawn while an evaluation goes on.
#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <stdexcept>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/eval/evaluator.hpp"
#include "hone/program/program.hpp"
#include "hone/testing/scripted_lm.hpp"

namespace hone {
namespace {

TEST(EvaluatorWithdrawal, DropsTheRunsOfOneCandidateAndKeepsTheOthers) {
  const Program loser = Program::predict(Signature::parse("question -> answer").value());
  const Program winner = Program::predict(Signature::parse("question -> answer").value());
  Examples examples;
  for (int i = 0; i < 6; ++i) {
    examples.push_back(
        Example(Value::object({{"question", "q" + std::to_string(i)}, {"answer", "x"}})));
  }
  std::stop_source stop;
  const ScriptedLm lm(
      Script{.reply = {}, .score = {}, .value = [&](const LmRequest& request, const TextSlot&) {
               // The first request of the loser is its last.
               if (request.stop.stop_possible()) stop.request_stop();
               return std::string("x");
             }});
  std::vector<RolloutTask> tasks;
  for (const Example& example : examples) {
    tasks.push_back({&winner, &example, 0, std::nullopt});
    tasks.push_back({&loser, &example, 0, std::nullopt, stop.get_token()});
  }
  EvaluatorOptions options;
  options.threads = 1;
  const Metric metric = exact_match("answer");
  const auto rollouts = Evaluator(lm, options).run(tasks, &metric);
  for (std::size_t i = 0; i < tasks.size(); ++i) {
    const bool is_dropped = i % 2 == 1 && i > 1;
    EXPECT_EQ(rollouts[i].score.has_value(), !is_dropped) << i;
    EXPECT_EQ(rollouts[i].error.has_value() && rollouts[i].error->kind == ErrorKind::stopped,
              is_dropped)
        << i;
  }
  EXPECT_EQ(lm.calls(), 7U);
}

// One that gathers requests, and breaks.
class ThrowingLm final : public Lm {
 public:
  ThrowingLm() {
    info_.identity = "throwing";
    info_.likes_batches = true;
  }
  const LmInfo& info() const override { return info_; }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> /*requests*/,
                                        std::stop_token /*stop*/) const override {
    throw std::runtime_error("out of luck");
  }

 private:
  LmInfo info_;
};

TEST(Evaluator, AModelThatThrowsFailsEveryRunOfTheBatch) {
  const Program program = Program::predict(Signature::parse("question -> answer").value());
  Examples examples;
  for (int i = 0; i < 3; ++i) {
    examples.push_back(
        Example(Value::object({{"question", "q" + std::to_string(i)}, {"answer", "x"}})));
  }
  const ThrowingLm lm;
  const Evaluation done = Evaluator(lm).evaluate(program, examples, exact_match("answer"));
  for (const Rollout& rollout : done.rollouts) {
    ASSERT_TRUE(rollout.error);
    EXPECT_EQ(rollout.error->kind, ErrorKind::internal);
    EXPECT_NE(rollout.error->text().find("out of luck"), std::string::npos);
  }
}

TEST(Evaluation, CountsWhatFailedApartFromWhatWasStoppedOrCouldNotBeRead) {
  const auto with_error = [](ErrorKind kind) {
    Rollout rollout;
    rollout.error = Error{kind, "m", "e"};
    TraceStep step;
    step.faults.push_back(*rollout.error);
    rollout.trace.steps.push_back(step);
    return rollout;
  };
  Rollout good;
  good.score = 1;
  const Evaluation evaluation{{good, with_error(ErrorKind::bad_reply),
                               with_error(ErrorKind::temporary), with_error(ErrorKind::stopped)}};
  EXPECT_EQ(evaluation.met(), 3U);
  EXPECT_EQ(evaluation.failures(), 2U);
  EXPECT_EQ(evaluation.parse_failures(), 1U);
}

}  // namespace
}  // namespace hone
