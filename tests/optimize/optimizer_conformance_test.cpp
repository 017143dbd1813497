#include "hone/testing/optimizer_conformance.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "hone/base/rng.hpp"
#include "hone/base/text.hpp"
#include "hone/optimize/optimize.hpp"

namespace hone {
namespace {

using ::testing::IsEmpty;
using testing::planted_task;

// The optimizers that ask a model for texts.
const std::set<std::string> kProposers = {"copro", "mipro", "gepa", "infer_rules", "simba"};

class EveryOptimizer : public ::testing::TestWithParam<std::string> {};

TEST_P(EveryOptimizer, KeepsTheRulesWhateverTheThreads) {
  const auto optimizer = make_optimizer(GetParam()).value();
  testing::OptimizerConformance expected;
  expected.proposes = kProposers.contains(GetParam());
  EXPECT_THAT(testing::check_optimizer(*optimizer, expected), IsEmpty());
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const OptimizerInfo& info : optimizers()) out.push_back(info.name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Optimizers, EveryOptimizer, ::testing::ValuesIn(names()),
                         [](const auto& each) { return each.param; });

TEST(OptimizerConformance, TheKitFindsAnOptimizerThatBreaksTheRules) {
  class Lazy final : public Optimizer {
   public:
    std::string_view name() const override { return "lazy"; }
    Result<void> run(Search& search) const override {
      search.evaluate(Candidate(), "the same").value();
      return {};
    }
  };
  testing::OptimizerConformance expected;
  expected.proposes = true;
  EXPECT_GE(testing::check_optimizer(Lazy(), expected).size(), 2U);
}

// Everything a search did that can be seen from outside.
std::string fingerprint(const std::string& name, const Value& options, const Program& student) {
  const ScriptedLm lm(planted_task().script);
  const auto optimizer = make_optimizer(name, options).value();
  const Optimized done = optimize(student, planted_task().task, lm, *optimizer).value();
  std::multiset<std::string> requests;
  for (const LmRequest& request : lm.requests()) {
    std::string plan;
    for (const ReplyPart& part : request.reply->parts) {
      if (const auto* slot = std::get_if<TextSlot>(&part)) plan += slot->grammar;
    }
    requests.insert(request.prompt.dump() + plan + number_text(request.settings.temperature) + " " +
                    std::to_string(request.sample));
  }
  Hasher hasher;
  for (const std::string& request : requests) hasher.add(request);
  for (const Trial& trial : done.trials) {
    hasher.add(trial.origin).add(trial.candidate.hash()).add(trial.mean);
    if (trial.program) hasher.add(trial.program->to_json().to_json());
  }
  return hasher.finish().hex();
}

struct OptionCase {
  std::string optimizer;
  std::string option;
  Value changed;
  Value::Object others = {};  // what has to be set for the option to matter
};

std::vector<OptionCase> option_cases() {
  std::vector<OptionCase> cases = {
      {"labeled_few_shot", "max_labeled", 3},
      {"labeled_few_shot", "balanced", false},
      {"bootstrap_random_search", "candidates", 2},
      {"bootstrap_tpe", "candidates", 3},
      {"bootstrap_tpe", "trials", 5},
      {"bootstrap_tpe", "batch", 1},
      {"bootstrap_tpe", "also", "*.format"},
      {"knn_few_shot", "max_k", 2},
      {"knn_few_shot", "pool", 5},
      {"knn_few_shot", "bootstrap", true},
      {"knn_few_shot", "threshold", 0.0, {{"bootstrap", true}}},
      {"ensemble", "base", "knn_few_shot"},
      {"ensemble", "size", 3},
      {"ensemble", "weighted", false, {{"base", "copro"}}},
      {"ensemble", "reduce", "mean"},
      {"infer_rules", "candidates", 2},
      {"infer_rules", "rules", 1},
      {"infer_rules", "shown", 3},
      {"infer_rules", "temperature", 0.5},
      {"infer_rules", "demos", false},
      {"copro", "breadth", 2},
      {"copro", "depth", 1},
      {"copro", "temperature", 0.5},
      {"copro", "history", 1},
      {"copro", "bad_cases", 1},
      {"copro", "bad_case_pool", 5},
      {"mipro", "candidates", 4},
      {"mipro", "trials", 3},
      {"mipro", "zero_shot", true},
      {"mipro", "minibatch", 10},
      {"mipro", "full_every", 2, {{"minibatch", 10}}},
      {"mipro", "proposal_rounds", 1},
      {"mipro", "temperature", 0.5},
      {"mipro", "dataset_aware", false},
      {"mipro", "program_aware", false},
      {"mipro", "demo_aware", false},
      {"mipro", "tip_aware", false},
      {"mipro", "bad_cases", 0, {{"zero_shot", true}, {"trials", 4}}},
      {"mipro", "also", "*.format"},
      {"simba", "batch", 5},
      {"simba", "candidates", 3},
      {"simba", "steps", 2},
      {"simba", "max_demos", 0},
      {"simba", "pick_temperature", 5.0},
      {"simba", "temperature", 0.3},
      {"gepa", "iterations", 1},
      {"gepa", "parallel", 1},
      {"gepa", "minibatch", 2},
      {"gepa", "gate", 4, {{"gate_risk", 0.0}}},
      {"gepa", "gate_risk", 0.9},
      {"gepa", "perfect_score", 0.0},
      {"gepa", "max_instruction", 200},
      {"gepa", "temperature", 0.5},
  };
  for (const char* owner :
       {"bootstrap_few_shot", "bootstrap_random_search", "bootstrap_tpe", "mipro", "infer_rules"}) {
    cases.push_back({owner, "max_bootstrapped", 1});
    cases.push_back({owner, "max_labeled", 3});
    cases.push_back({owner, "rounds", 2, {{"max_bootstrapped", 12}}});
    cases.push_back({owner, "threshold", 0.0});
    cases.push_back({owner, "balanced", false, {{"max_labeled", 12}}});
  }
  return cases;
}

// Tested with programs of several steps, in gepa_test.cpp, and with an embedder, in
// knn_few_shot_test.cpp.
const std::set<std::string> kElsewhere = {"gepa.all_parts", "gepa.merge", "knn_few_shot.by",
                                          "ensemble.base.…"};

TEST(OptimizerOptions, EachChangesWhatIsDone) {
  std::map<std::string, std::string> usual;
  for (const OptionCase& each : option_cases()) {
    const Value base = Value::object(each.others);
    std::string& before = usual[each.optimizer + base.to_json()];
    if (before.empty()) before = fingerprint(each.optimizer, base, planted_task().student);
    EXPECT_NE(
        fingerprint(each.optimizer, base.with(each.option, each.changed), planted_task().student),
        before)
        << each.optimizer << "." << each.option << " changes nothing";
  }
}

TEST(OptimizerOptions, EachIsInTheTable) {
  std::set<std::string> tested = kElsewhere;
  for (const OptionCase& each : option_cases()) tested.insert(each.optimizer + "." + each.option);
  for (const OptimizerInfo& info : optimizers()) {
    EXPECT_FALSE(info.summary.empty());
    EXPECT_FALSE(info.suits.empty());
    for (const std::string& text : info.options) {
      const std::string option = text.substr(0, text.find(' '));
      EXPECT_TRUE(tested.contains(info.name + "." + option)) << info.name << "." << option;
    }
  }
}

TEST(OptimizerOptions, ThoseOfAnEnsemblesBaseArePassedOn) {
  const auto trials_of = [](const Value& options) {
    const ScriptedLm lm(planted_task().script);
    const auto optimizer = make_optimizer("ensemble", options).value();
    return optimize(planted_task().student, planted_task().task, lm, *optimizer)
        .value()
        .trials.size();
  };
  EXPECT_LT(trials_of(Value::object({{"base.candidates", 2}})), trials_of({}));
  const auto wrong = make_optimizer("ensemble", Value::object({{"base.candidate", 2}}));
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text(), ::testing::HasSubstr("did you mean candidates"));
}

TEST(Optimizers, MembersOfAnEnsembleAreDifferentPrograms) {
  const ScriptedLm lm(planted_task().script);
  const auto origins_of = [&](const Value& options) {
    const auto optimizer = make_optimizer("ensemble", options).value();
    const Optimized done =
        optimize(planted_task().student, planted_task().task, lm, *optimizer).value();
    std::vector<std::string> origins;
    for (const Trial& trial : done.trials) origins.push_back(trial.origin);
    return origins;
  };
  using ::testing::Contains;
  using ::testing::Not;
  // The student, and nearest 1, 2 and 4.
  EXPECT_THAT(origins_of(Value::object({{"base", "knn_few_shot"}, {"base.max_k", 4}})),
              Contains("ensemble of 4"));
  // The student, and the one set of demos.
  EXPECT_THAT(origins_of(Value::object({{"base", "labeled_few_shot"}})),
              Not(Contains("ensemble of 3")));
}

TEST(OptimizerOptions, OutOfRangeIsSaidAtOnce) {
  const std::vector<std::pair<std::string, Value::Object>> wrong = {
      {"copro", {{"temperature", -1}}},     {"copro", {{"temperature", 1000}}},
      {"gepa", {{"gate_risk", 7}}},         {"gepa", {{"max_instruction", 0}}},
      {"simba", {{"candidates", 0}}},       {"ensemble", {{"size", 0}}},
      {"ensemble", {{"reduce", "median"}}}, {"ensemble", {{"base", "ensemble"}}},
      {"ensemble", {{"base", "knn"}}},      {"knn_few_shot", {{"max_k", 0}}},
      {"knn_few_shot", {{"by", "bm"}}}};
  for (const auto& [name, options] : wrong) {
    const auto made = make_optimizer(name, Value::object(options));
    EXPECT_FALSE(made) << name << " " << Value::object(options).to_json();
    if (!made) {
      EXPECT_THAT(made.error().text(), ::testing::HasSubstr(options.front().first));
    }
  }
}

TEST(OptimizerOptions, WhatDoesNotGoWithTheTaskIsSaidBeforeACall) {
  const std::vector<std::pair<std::string, Value>> wrong = {
      {"knn_few_shot", Value::object({{"by", "embedding"}})},
      {"ensemble", Value::object({{"base", "knn_few_shot"}, {"base.by", "embedding"}})},
      {"mipro", Value::object({{"also", "*.nonsense"}})},
      {"bootstrap_tpe", Value::object({{"also", "*.nonsense"}})}};
  for (const auto& [name, options] : wrong) {
    const ScriptedLm lm(planted_task().script);
    const auto optimizer = make_optimizer(name, options).value();
    const auto done = optimize(planted_task().student, planted_task().task, lm, *optimizer);
    ASSERT_FALSE(done) << name;
    EXPECT_EQ(done.error().kind, ErrorKind::bad_request);
    EXPECT_EQ(lm.calls(), 0U) << name;
  }
}

TEST(OptimizerOptions, AreAPartOfTheStudy) {
  const std::unique_ptr<StudyLog> log = make_memory_study_log();
  const ScriptedLm lm(planted_task().script);
  const auto run = [&](const Value& options) {
    SearchOptions search;
    search.log = log.get();
    return optimize(planted_task().student, planted_task().task, lm,
                    *make_optimizer("labeled_few_shot", options).value(), search);
  };
  ASSERT_TRUE(run({}));
  EXPECT_TRUE(run({}));
  const auto other = run(Value::object({{"max_labeled", 3}}));
  ASSERT_FALSE(other);
  EXPECT_THAT(other.error().text(), ::testing::HasSubstr("optimizer"));
}

TEST(Optimizers, SimbaTakesSmallerBatchesWhereTheBudgetIsSmall) {
  const auto planted = planted_task();
  const ScriptedLm lm(planted.script);
  std::vector<std::string> notices;
  SearchOptions options;
  options.budget.lm_calls = 160;
  options.observer = [&](const Event& event) {
    if (const auto* notice = std::get_if<Notice>(&event)) notices.push_back(notice->message);
  };
  const Optimized done =
      optimize(planted.student, planted.task, lm, *make_optimizer("simba").value(), options)
          .value();
  EXPECT_GT(done.trials.size(), 1U);
  EXPECT_THAT(notices, ::testing::Contains(::testing::HasSubstr("batches of")));
}

TEST(Optimizers, AnEnsembleMayWinAfterItsBasesRunOff) {
  // With demos right on seven of ten, which ones hangs on the demos: a vote is right on more.
  Script script;
  script.score = [](const LmRequest& request, const LabelSlot&) {
    const std::string prompt = request.prompt.dump();
    const int number = std::stoi(prompt.substr(prompt.rfind("Number: ") + 8));
    Hasher seen;
    for (const Segment& segment : request.prompt.fixed()) seen.add(segment.hash());
    const bool has_demos = prompt.find("Number: ") != prompt.rfind("Number: ");
    const double luck = Rng(static_cast<std::uint64_t>(number), seen.finish()).uniform();
    const bool says_even = (number % 2 == 0) == (luck < (has_demos ? 0.7 : 0.5));
    return says_even ? std::vector<double>{-0.1, -2.4} : std::vector<double>{-2.4, -0.1};
  };
  const ScriptedLm lm(std::move(script));
  Examples train, val;
  for (int i = 0; i < 240; ++i) {
    const Example example(Value::object({{"number", i}, {"kind", i % 2 == 0 ? "even" : "odd"}}));
    (i % 2 == i / 2 % 2 ? train : val).push_back(example);
  }
  PredictorOptions predictor;
  predictor.format = Format::completion;
  const Program student = Program::predict(
      Signature::parse("number: int -> kind: enum(even, odd)", "Say which.").value(), predictor);
  const auto optimizer =
      make_optimizer("ensemble",
                     Value::object({{"base.max_labeled", 4}, {"base.max_bootstrapped", 4}}))
          .value();
  const Optimized done =
      optimize(student, {train, val, exact_match("kind")}, lm, *optimizer).value();
  const auto met = std::ranges::count_if(
      done.trials, [](const Trial& trial) { return !trial.further_scores.empty(); });
  ASSERT_GT(met, 1);
  EXPECT_THAT(done.best.origin, ::testing::StartsWith("ensemble"));
}

TEST(Optimizers, HalfTheCallsStillFindSomething) {
  for (const char* name : {"bootstrap_random_search", "bootstrap_tpe", "ensemble", "simba"}) {
    const auto planted = planted_task();
    const auto run = [&](const SearchOptions& options) {
      const ScriptedLm lm(planted.script);
      return optimize(planted.student, planted.task, lm, *make_optimizer(name).value(), options)
          .value();
    };
    SearchOptions half;
    half.budget.lm_calls = run({}).usage.lm_calls / 2;
    const Optimized done = run(half);
    EXPECT_GT(done.best.mean, done.baseline.mean) << name;
  }
}

TEST(Optimizers, HonourTheSeed) {
  for (const char* name : {"bootstrap_random_search", "bootstrap_tpe", "mipro", "simba", "gepa"}) {
    std::set<std::string> seen;
    for (const std::uint64_t seed : {0U, 1U}) {
      const ScriptedLm lm(planted_task().script);
      SearchOptions options;
      options.seed = seed;
      const Optimized done = optimize(planted_task().student, planted_task().task, lm,
                                      *make_optimizer(name).value(), options)
                                 .value();
      std::string text;
      for (const Trial& trial : done.trials) text += trial.candidate.hash().hex() + trial.origin;
      for (const LmRequest& request : lm.requests()) text += request.prompt.hash().hex();
      seen.insert(text);
    }
    EXPECT_EQ(seen.size(), 2U) << name;
  }
}

}  // namespace
}  // namespace hone
