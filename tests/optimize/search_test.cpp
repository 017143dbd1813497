#include <gtest/gtest.h>

#include <filesystem>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/file.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/store/study.hpp"
#include "hone/testing/planted_task.hpp"

#include "optimize/planted.hpp"

namespace hone {
namespace {

using testing::demo_hungry_lm;
using testing::parity_program;
using testing::parity_task;

std::unique_ptr<Search> make_search(const Lm& lm, SearchOptions options = {}) {
  return Search::make(parity_program(), parity_task(), lm, std::move(options)).value();
}

Candidate with_demo_count(const Search& search, std::size_t count) {
  Value::List demos;
  for (std::size_t i = 0; i < count; ++i) demos.push_back(search.train()[i].fields());
  return Candidate().with("predict.demos", Value(std::move(demos)));
}

TEST(Search, MeasuresEveryCandidateOnEveryExample) {
  const ScriptedLm lm = demo_hungry_lm();
  const auto search = make_search(lm);
  const Trial trial = search->evaluate(with_demo_count(*search, 10), "ten demos").value();
  EXPECT_TRUE(trial.complete);
  EXPECT_EQ(trial.examples, 30U);
  EXPECT_DOUBLE_EQ(trial.mean, 1.0);
  EXPECT_EQ(search->best()->number, trial.number);
}

TEST(Search, AsksTheModelOncePerDistinctRequest) {
  const ScriptedLm lm = demo_hungry_lm();
  const auto search = make_search(lm);
  ASSERT_TRUE(search->evaluate(with_demo_count(*search, 3), "a"));
  const std::size_t calls = lm.calls();
  EXPECT_EQ(calls, 30U) << "every calibration is scored on the same replies";
  ASSERT_TRUE(search->evaluate(with_demo_count(*search, 3), "the same again"));
  EXPECT_EQ(lm.calls(), calls);
  EXPECT_EQ(search->trials().size(), 1U);
}

TEST(Search, AStopDuringCalibrationLeavesTheScoresThereWere) {
  const ScriptedLm lm = demo_hungry_lm();
  std::stop_source stop;
  std::size_t scored = 0;
  Task task = parity_task();
  task.metric = Metric::of("stops", [&](const Example& example, const Value& prediction) {
    // The second scoring, of the calibrated labels, is cut after two thirds.
    if (++scored == task.val.size() + 20) stop.request_stop();
    return example.get("parity") == prediction.get("parity") ? 1.0 : 0.0;
  });
  SearchOptions options;
  options.threads = 1;
  options.stop = stop.get_token();
  const auto search = Search::make(parity_program(), task, lm, options).value();
  const Trial trial = search->evaluate(with_demo_count(*search, 10), "ten demos").value();
  EXPECT_GE(scored, task.val.size() + 20) << "labels are calibrated";
  EXPECT_EQ(trial.examples, task.val.size());
  EXPECT_TRUE(trial.complete);
}

// Of a file that holds something else.
class StrangeLog final : public StudyLog {
 public:
  explicit StrangeLog(std::filesystem::path path) : path_(std::move(path)) {}
  Result<bool> append(std::string_view, std::string_view, const Value&) override { return true; }
  Result<std::vector<StudyRecord>> records(std::string_view) const override {
    return std::vector<StudyRecord>();
  }
  std::optional<std::filesystem::path> file() const override { return path_; }
  bool is_read_only() const override { return false; }

 private:
  std::filesystem::path path_;
};

TEST(Search, TroubleWithRepliesInAStudyLogIsToldOfTheStudyLog) {
  const std::filesystem::path path = std::filesystem::path(::testing::TempDir()) / "strange.db";
  write_file(path, std::string(5000, 'x')).value();
  StrangeLog log(path);
  const ScriptedLm lm = demo_hungry_lm();
  SearchOptions options;
  options.log = &log;
  const auto search = Search::make(parity_program(), parity_task(), lm, options);
  std::filesystem::remove(path);
  ASSERT_FALSE(search);
  EXPECT_NE(search.error().text().find("no study log"), std::string::npos) << search.error().text();
}

TEST(Search, NeverGoesOverTheCallBudget) {
  for (const std::int64_t calls : {0, 1, 29, 30, 31, 75}) {
    const ScriptedLm lm = demo_hungry_lm();
    SearchOptions options;
    options.budget.lm_calls = calls;
    const auto search = make_search(lm, options);
    std::vector<Proposal> proposals;
    for (std::size_t n = 1; n < 6; ++n) proposals.push_back({with_demo_count(*search, n), "demos"});
    ASSERT_TRUE(search->evaluate(proposals));
    EXPECT_LE(lm.calls(), static_cast<std::size_t>(calls));
    if (search->best()) {
      EXPECT_TRUE(search->best()->complete);
      EXPECT_GE(calls, 30);
    }
  }
}

std::vector<Proposal> six_to_ten_demos(const Search& search) {
  std::vector<Proposal> proposals;
  for (const std::size_t count : {8, 9, 10, 7, 6})
    proposals.push_back({with_demo_count(search, count), std::to_string(count)});
  return proposals;
}

TEST(Search, ABudgetTooSmallForAllEndsWithOneThatIsComplete) {
  const ScriptedLm lm = demo_hungry_lm();
  for (const bool races : {true, false}) {
    for (std::int64_t calls = 60; calls <= 150; calls += 10) {
      SearchOptions options;
      options.budget.lm_calls = calls;
      options.race.enabled = races;
      options.race.rules.first_block = 5;
      const auto search = make_search(lm, options);
      ASSERT_TRUE(search->evaluate_baseline());
      ASSERT_TRUE(search->evaluate(six_to_ten_demos(*search)));
      EXPECT_GE(search->best()->mean, calls < 120 ? 0.75 : 0.85)
          << calls << " calls, racing " << races;
      EXPECT_NE(search->best()->origin, "baseline") << calls;
    }
  }
}

// What the search of the test above takes with so many demos: prompts of eight are three times as
// long as those of the program as it came.
std::int64_t tokens_of(const std::vector<std::size_t>& counts) {
  const ScriptedLm lm = demo_hungry_lm();
  SearchOptions options;
  options.race.enabled = false;
  const auto search = make_search(lm, options);
  (void)search->evaluate_baseline().value();
  for (const std::size_t count : counts)
    (void)search->evaluate(with_demo_count(*search, count), "demos").value();
  const Usage usage = search->meter().usage();
  return usage.prompt_tokens + usage.generated_tokens;
}

TEST(Search, TokensAndMoneyTooLittleForAllEndWithOneThatIsComplete) {
  const std::int64_t least = tokens_of({8});
  for (const bool races : {true, false}) {
    for (const bool in_money : {true, false}) {
      for (std::int64_t tokens = least + least / 10; tokens < 3 * least; tokens += least / 10) {
        const ScriptedLm lm = demo_hungry_lm();
        SearchOptions options;
        options.race.enabled = races;
        options.race.rules.first_block = 5;
        if (in_money) {
          options.budget.price = {.prompt = 1e6, .generated = 1e6};
          options.budget.money = static_cast<double>(tokens);
        } else {
          options.budget.tokens = tokens;
        }
        const auto search = make_search(lm, options);
        ASSERT_TRUE(search->evaluate_baseline());
        ASSERT_TRUE(search->evaluate(six_to_ten_demos(*search)));
        EXPECT_NE(search->best()->origin, "baseline")
            << tokens << " tokens, racing " << races << ", money " << in_money;
        EXPECT_GE(search->best()->mean, 0.75);
      }
    }
  }
}

TEST(Search, ACandidateThatTheBudgetCannotFinishLeavesItToThoseItCan) {
  SearchOptions options;
  options.budget.tokens = tokens_of({5}) + tokens_of({5}) / 10;
  const ScriptedLm lm = demo_hungry_lm();
  const auto search = make_search(lm, options);
  ASSERT_TRUE(search->evaluate_baseline());
  std::vector<Proposal> proposals;
  for (const std::size_t count : {20, 5})
    proposals.push_back({with_demo_count(*search, count), std::to_string(count)});
  ASSERT_TRUE(search->evaluate(proposals));
  EXPECT_EQ(search->best()->origin, "5");
}

TEST(Search, ACandidateOutsideTheSpaceIsRefused) {
  const ScriptedLm lm = demo_hungry_lm();
  SearchOptions options;
  const std::vector<std::string> globs{"*.demos"};
  options.space = Space::of(parity_program()).keep(globs).value();
  const auto search = make_search(lm, options);
  const auto refused =
      search->evaluate(Candidate().with("predict.instructions", "Answer."), "outside");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_request);
  const auto unknown =
      search->evaluate(Candidate().with("predict.demo", Value(Value::List{})), "typo");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("predict.demos"), std::string::npos)
      << unknown.error().text();
}

TEST(Search, CalibrationIsTriedOnTheSameScoresAndKeptWhenItHelps) {
  // The model leans towards "even" by more than the evidence weighs: only the mean over a batch
  // shows it.
  Script script;
  script.score = [](const LmRequest& request, const LabelSlot&) {
    const std::string text = request.prompt.dump();
    const long number = std::stol(text.substr(text.rfind("Number: ") + 8));
    const double evidence = number % 2 == 0 ? 0.5 : -0.5;
    return std::vector<double>{-1.0 + evidence, -5.0 - evidence};
  };
  const ScriptedLm lm{std::move(script)};
  const auto search = make_search(lm);
  const Trial baseline = search->evaluate_baseline().value();
  EXPECT_DOUBLE_EQ(baseline.mean, 0.5);
  const Trial trial = search->evaluate(Candidate(), "as it is").value();
  EXPECT_DOUBLE_EQ(trial.mean, 1.0);
  ASSERT_NE(trial.candidate.find("predict.calibration"), nullptr);
  EXPECT_EQ(trial.candidate.find("predict.calibration")->text(), "batch");
  EXPECT_NE(trial.candidate.find("predict.label_bias"), nullptr);
}

TEST(Search, AStopEndsItWithWhatThereIs) {
  const ScriptedLm lm = demo_hungry_lm();
  std::stop_source source;
  SearchOptions options;
  options.stop = source.get_token();
  const auto search = make_search(lm, options);
  ASSERT_TRUE(search->evaluate(with_demo_count(*search, 2), "before"));
  source.request_stop();
  EXPECT_TRUE(search->done());
  const auto after = search->evaluate(with_demo_count(*search, 4), "after");
  ASSERT_FALSE(after);
  EXPECT_EQ(after.error().kind, ErrorKind::stopped);
  EXPECT_EQ(search->trials().size(), 1U);
}

TEST(Search, LogsEveryTrialOnceAndRefusesAnotherStudy) {
  const ScriptedLm lm = demo_hungry_lm();
  const auto log = make_memory_study_log();
  SearchOptions options;
  options.log = log.get();
  for (int run = 0; run < 2; ++run) {
    const auto search = make_search(lm, options);
    ASSERT_TRUE(search->evaluate(with_demo_count(*search, 3), "three"));
  }
  const auto trials = log->records("trial").value();
  ASSERT_EQ(trials.size(), 1U);
  EXPECT_EQ(trials[0].body.get("scores").size(), 30U);
  EXPECT_NE(trials[0].body.get("prompt").text().find("Number: 1000"), std::string::npos);
  options.seed = 5;
  const auto other = Search::make(parity_program(), parity_task(), lm, options);
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("seed"), std::string::npos) << other.error().text();
}

// A log that refuses its first entries, as a full disk does until somebody makes room.
class FlakyLog final : public StudyLog {
 public:
  explicit FlakyLog(int refusals) : refusals_(refusals) {}
  Result<bool> append(std::string_view kind, std::string_view key, const Value& body) override {
    if (kind != "study" && refusals_-- > 0) return bad_request("disk", "is full");
    return inner_->append(kind, key, body);
  }
  Result<std::vector<StudyRecord>> records(std::string_view kind) const override {
    return inner_->records(kind);
  }
  std::optional<std::filesystem::path> file() const override { return std::nullopt; }
  bool is_read_only() const override { return false; }

 private:
  int refusals_;
  std::unique_ptr<StudyLog> inner_ = make_memory_study_log();
};

TEST(Search, TroubleWithTheLogIsToldOnceAndMadeUpFor) {
  const ScriptedLm lm = demo_hungry_lm();
  FlakyLog log(3);
  std::vector<std::string> notices;
  SearchOptions options;
  options.log = &log;
  options.observer = [&](const Event& event) {
    if (const auto* notice = std::get_if<Notice>(&event)) notices.push_back(notice->message);
  };
  const auto search = make_search(lm, options);
  for (std::size_t n = 1; n < 6; ++n)
    ASSERT_TRUE(search->evaluate(with_demo_count(*search, n), "d"));
  ASSERT_EQ(notices.size(), 1U);
  EXPECT_NE(notices[0].find("is full"), std::string::npos) << notices[0];
  EXPECT_EQ(read_study(log).value().trials.size(), 5U);
}

TEST(Search, AStudyHoldsEverythingThatHappened) {
  const ScriptedLm lm(testing::planted_task().script);
  const auto log = make_memory_study_log();
  SearchOptions options;
  options.log = log.get();
  const auto planted = testing::planted_task(24, 60);
  const auto optimizer = make_optimizer("mipro").value();
  const Optimized done = optimize(planted.student, planted.task, lm, *optimizer, options).value();
  const Study study = read_study(*log).value();
  ASSERT_EQ(study.trials.size(), done.trials.size());
  for (std::size_t i = 0; i < done.trials.size(); ++i) {
    EXPECT_EQ(study.trials[i].candidate, done.trials[i].candidate);
    EXPECT_EQ(study.trials[i].scores, done.trials[i].scores);
    EXPECT_EQ(study.trials[i].complete, done.trials[i].complete);
  }
  EXPECT_GT(study.proposals, 8U) << "also those that were asked for with the same words";
  EXPECT_GT(study.minibatches, 0U);
  EXPECT_EQ(study.examples.size(), 60U);
  EXPECT_EQ(study.events.front().text, "baseline");
  ASSERT_TRUE(study.end);
  EXPECT_EQ(study.end->spent.lm_calls, done.usage.lm_calls);
  EXPECT_EQ(study.best()->number, done.best.number);
}

TEST(Search, ALargerBudgetGoesOnWithTheSameStudy) {
  const auto log = make_memory_study_log();
  SearchOptions options;
  options.log = log.get();
  options.budget.lm_calls = 100;
  const auto planted = testing::planted_task();
  const auto optimizer = make_optimizer("bootstrap_random_search").value();
  for (int run = 0; run < 2; ++run) {
    const ScriptedLm lm(planted.script);
    const Optimized done = optimize(planted.student, planted.task, lm, *optimizer, options).value();
    EXPECT_EQ(done.stop_reason.empty(), run == 1);
    const Study study = read_study(*log).value();
    ASSERT_EQ(study.trials.size(), done.trials.size());
    for (std::size_t i = 0; i < done.trials.size(); ++i)
      EXPECT_EQ(study.trials[i].examples, done.trials[i].examples) << i;
    options.budget.lm_calls.reset();
  }
}

TEST(Optimize, BaselineErrorsThatAreNotTheProgramsEndIt) {
  const ScriptedLm lm([](const LmRequest&) -> Result<std::string> {
    return temporary("server", "connection refused");
  });
  const auto optimizer = make_optimizer("labeled_few_shot").value();
  const auto done = optimize(parity_program(), parity_task(), lm, *optimizer);
  ASSERT_FALSE(done);
  EXPECT_NE(done.error().text().find("connection refused"), std::string::npos);
}

TEST(Optimize, RandomSearchFindsMoreDemosAndIsTheSameForAnyThreads) {
  const auto optimizer = make_optimizer("bootstrap_random_search",
                                        Value::object({{"candidates", 4}, {"max_labeled", 10}}))
                             .value();
  std::string first;
  for (const std::size_t threads : {1U, 8U}) {
    const ScriptedLm lm = demo_hungry_lm();
    SearchOptions options;
    options.threads = threads;
    options.seed = 7;
    const Optimized done =
        optimize(parity_program(), parity_task(), lm, *optimizer, options).value();
    EXPECT_DOUBLE_EQ(done.best.mean, 1.0);
    EXPECT_LE(done.baseline.mean, done.best.mean);
    const std::string text = done.best.candidate.to_json().to_json();
    if (first.empty()) first = text;
    EXPECT_EQ(text, first);
  }
}

TEST(Optimizers, UnknownNamesAndOptionsSuggestNearOnes) {
  const auto unknown = make_optimizer("bootstrap_fewshot");
  ASSERT_FALSE(unknown);
  EXPECT_NE(unknown.error().message.find("bootstrap_few_shot"), std::string::npos);
  const auto option =
      make_optimizer("labeled_few_shot", Value::object({{"max_label", 3}, {"balanced", 1}}));
  ASSERT_FALSE(option);
  EXPECT_NE(option.error().message.find("max_labeled"), std::string::npos);
  EXPECT_NE(option.error().message.find("balanced"), std::string::npos);
}

}  // namespace
}  // namespace hone
