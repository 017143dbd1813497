#include "optimize/proposers/proposer.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/testing/planted_task.hpp"

#include "optimize/proposers/instruction.hpp"

namespace hone {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::planted_task;

// Prompts that ask for a text of that name.
std::vector<std::string> prompts_of(const ScriptedLm& lm, const std::string& field) {
  std::vector<std::string> out;
  for (const LmRequest& request : lm.requests()) {
    for (const ReplyPart& part : request.reply->parts) {
      const auto* slot = std::get_if<TextSlot>(&part);
      if (slot && slot->field == field) out.push_back(request.prompt.dump());
    }
  }
  return out;
}

ScriptedLm run_planted(const std::string& name, const Value& options = {},
                       SearchOptions search = {}) {
  ScriptedLm lm(planted_task().script);
  optimize(planted_task().student, planted_task().task, lm, *make_optimizer(name, options).value(),
           std::move(search))
      .value();
  return lm;
}

TEST(Proposers, BoundEveryTextTheyAskFor) {
  for (const char* name : {"copro", "mipro", "gepa", "infer_rules", "simba"}) {
    const ScriptedLm lm = run_planted(name);
    bool any = false;
    for (const LmRequest& request : lm.requests()) {
      for (const ReplyPart& part : request.reply->parts) {
        const auto* slot = std::get_if<TextSlot>(&part);
        if (!slot) continue;
        any = true;
        EXPECT_FALSE(slot->grammar.empty()) << name << " " << slot->field;
        EXPECT_LE(slot->max_tokens, 2000U) << name << " " << slot->field;
      }
    }
    EXPECT_TRUE(any) << name;
  }
}

TEST(Copro, ShowsScoredAttemptsBestLastAndWhereTheBestGoesWrong) {
  const std::vector<std::string> prompts = prompts_of(run_planted("copro"), "proposed_instruction");
  ASSERT_FALSE(prompts.empty());
  EXPECT_THAT(prompts.front(), Not(HasSubstr("score 20: ")));
  EXPECT_THAT(prompts.front(), HasSubstr("answer expected: {\"parity\""));
  const std::string& last = prompts.back();
  const std::size_t weak = last.find("score 20: Say whether the number is even or odd.");
  const std::size_t strong = last.find("score 80: ");
  ASSERT_NE(weak, std::string::npos) << last;
  ASSERT_NE(strong, std::string::npos) << last;
  EXPECT_LT(weak, strong);
}

TEST(Mipro, GroundsItsProposalsInDataProgramDemosAndTips) {
  const ScriptedLm lm = run_planted("mipro");
  EXPECT_EQ(prompts_of(lm, "observations").size(), 4U);
  EXPECT_EQ(prompts_of(lm, "summary").size(), 1U);
  EXPECT_EQ(prompts_of(lm, "program_description").size(), 1U);
  const std::vector<std::string> prompts = prompts_of(lm, "proposed_instruction");
  ASSERT_EQ(prompts.size(), 8U);
  EXPECT_THAT(prompts.front(), AllOf(HasSubstr("Dataset Summary: Look at the last digit"),
                                     HasSubstr("Program Description: Look at the last digit"),
                                     HasSubstr("parity: ")));
  EXPECT_THAT(prompts, Contains(HasSubstr("Tip: ")));
  EXPECT_THAT(prompts.back(), HasSubstr("Earlier Attempts: "));
}

TEST(Mipro, ZeroShotChoosesNoDemos) {
  const ScriptedLm lm(planted_task().script);
  const Optimized done =
      optimize(planted_task().student, planted_task().task, lm,
               *make_optimizer("mipro", Value::object({{"zero_shot", true}})).value())
          .value();
  for (const Trial& trial : done.trials)
    EXPECT_EQ(trial.candidate.find("predict.demos"), nullptr) << trial.origin;
  EXPECT_GT(done.best.mean, done.baseline.mean);
}

TEST(Mipro, SpendsMinibatchesBeforeFullEvaluations) {
  const ScriptedLm lm(planted_task(24, 200).script);
  const testing::PlantedTask planted = planted_task(24, 200);
  const Optimized done =
      optimize(planted.student, planted.task, lm,
               *make_optimizer("mipro", Value::object({{"trials", 20}, {"minibatch", 10}})).value())
          .value();
  EXPECT_LE(done.trials.size(), 6U) << "one full evaluation in five trials, and the baseline";
  EXPECT_DOUBLE_EQ(done.best.mean, 1.0);
}

TEST(Mipro, LeavesEnoughToMeasureWhatItFoundInFull) {
  const testing::PlantedTask planted = planted_task(24, 200);
  for (const std::int64_t calls : {450, 460}) {
    const ScriptedLm lm(planted.script);
    SearchOptions options;
    options.budget.lm_calls = calls;
    const Value settings = Value::object({{"trials", 20}, {"minibatch", 10}});
    const Optimized done = optimize(planted.student, planted.task, lm,
                                    *make_optimizer("mipro", settings).value(), options)
                               .value();
    EXPECT_GT(done.best.mean, done.baseline.mean) << calls;
    EXPECT_LE(lm.calls(), static_cast<std::size_t>(calls));
  }
}

TEST(InferRules, InducesFromDifferentDrawsAndAppendsToTheInstruction) {
  const ScriptedLm lm = run_planted("infer_rules");
  const std::vector<std::string> prompts = prompts_of(lm, "rules");
  EXPECT_EQ(std::set<std::string>(prompts.begin(), prompts.end()).size(), 10U);
  bool applied = false;
  for (const LmRequest& request : lm.requests()) {
    applied = applied || request.prompt.dump().find(
                             "Say whether the number is even or odd.\n\n"
                             "Rules:\n- Look at the last digit") != std::string::npos;
  }
  EXPECT_TRUE(applied);
}

TEST(Simba, AdvisesFromABetterAndAWorseRun) {
  const std::vector<std::string> prompts = prompts_of(run_planted("simba"), "advice");
  ASSERT_FALSE(prompts.empty());
  EXPECT_THAT(prompts, Contains(AllOf(HasSubstr("Better Run: "), HasSubstr("Worse Run: "))));
}

TEST(Simba, NeverMeetsAnExampleThatItsDemosShow) {
  const ScriptedLm lm = run_planted("simba");
  std::size_t that_show = 0;
  for (const LmRequest& request : lm.requests()) {
    const bool asks_for_text = std::ranges::any_of(request.reply->parts, [](const ReplyPart& part) {
      return std::holds_alternative<TextSlot>(part);
    });
    if (asks_for_text) continue;
    const std::string prompt = request.prompt.dump();
    const std::size_t asked = prompt.rfind("Number: ");
    const std::string line = prompt.substr(asked, prompt.find('\n', asked) + 1 - asked);
    that_show += prompt.find("Number: ") == asked ? 0U : 1U;
    EXPECT_EQ(prompt.find(line), asked) << prompt;
  }
  EXPECT_GT(that_show, 0U);
}

TEST(Proposers, AskTheProposersModelWhenThereIsOne) {
  const ScriptedLm proposer(planted_task().script, "proposer");
  SearchOptions options;
  options.proposer_lm = &proposer;
  const ScriptedLm lm = run_planted("copro", {}, options);
  EXPECT_TRUE(prompts_of(lm, "proposed_instruction").empty());
  EXPECT_EQ(prompts_of(proposer, "proposed_instruction").size(), 24U);
}

TEST(Proposers, AFailedProposalIsLeftOutAndTold) {
  testing::PlantedTask planted = planted_task();
  planted.script.value = [](const LmRequest& request, const TextSlot&) {
    return request.sample % 2 == 0 ? std::string() : std::string("Mind care level 8.");
  };
  const ScriptedLm lm(planted.script);
  std::vector<std::string> notices;
  SearchOptions options;
  options.observer = [&](const Event& event) {
    if (const auto* notice = std::get_if<Notice>(&event)) notices.push_back(notice->message);
  };
  auto search = Search::make(planted.student, planted.task, lm, options).value();
  Grounding grounding;
  grounding.current = "Say.";
  const auto texts = propose_instructions(*search, {grounding, grounding, grounding}, {});
  ASSERT_EQ(texts.size(), 3U);
  EXPECT_FALSE(texts[0]);
  EXPECT_EQ(texts[1], "Mind care level 8.");
  EXPECT_FALSE(texts[2]);
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_THAT(notices.front(), HasSubstr("2 of 3 proposals failed"));
}

TEST(Proposers, HistoryKeepsTheBestAndPutsItLast) {
  const std::string text = history_text({{"worst", 0.1}, {"best", 0.9}, {"middle", 0.5}}, 2);
  EXPECT_EQ(text, "score 50: middle\nscore 90: best");
}

TEST(Proposers, TextsStayInsideTheirLimits) {
  const std::vector<std::string> blocks(100, std::string(1000, 'x'));
  EXPECT_LE(numbered(blocks).size(), kPartLimit + 4);
  std::vector<Attempt> attempts(50, {std::string(5000, 'y'), 0.5});
  EXPECT_LE(history_text(attempts, 50).size(), kPartLimit + 4);
  const Value object =
      Value::object({{"a", std::string(9000, 'a')}, {"b", std::string(9000, 'b')}});
  EXPECT_LE(fields_text(object).size(), kItemLimit + 20);
}

}  // namespace
}  // namespace hone
