#include "hone/testing/optimizer_conformance.hpp"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <numeric>
#include <optional>
#include <stop_token>

#include "hone/base/text.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/store/study_log.hpp"
#include "hone/testing/faulty_lm.hpp"

namespace hone::testing {
namespace {

bool asks_for_text(const LmRequest& request) {
  return std::any_of(request.reply->parts.begin(), request.reply->parts.end(),
                     [](const ReplyPart& part) { return std::holds_alternative<TextSlot>(part); });
}

class Check {
 public:
  Check(const Optimizer& optimizer, const OptimizerConformance& expected)
      : optimizer_(&optimizer), expected_(&expected) {}

  std::vector<std::string> run() {
    finds_the_optimum();
    is_the_same_for_any_threads();
    keeps_every_budget();
    goes_on_where_it_was();
    survives_a_failing_metric();
    survives_a_failing_model();
    ends_on_a_stop();
    return std::move(broken_);
  }

 private:
  void broke(std::string what) {
    broken_.push_back(std::string(optimizer_->name()) + ": " + std::move(what));
  }

  Result<Optimized> optimize_planted(const Lm& lm, SearchOptions options) {
    const PlantedTask planted = planted_task();
    return optimize(planted.student, planted.task, lm, *optimizer_, std::move(options));
  }

  void not_below_baseline(const Optimized& done, const std::string& when) {
    // On the examples both have a score of, as failures must not decide.
    const PairedScores pairs = paired_scores(done.baseline, done.best);
    const double before = std::accumulate(pairs.first.begin(), pairs.first.end(), 0.0);
    const double after = std::accumulate(pairs.second.begin(), pairs.second.end(), 0.0);
    if (done.best.complete && after < before - 1e-9) broke("is below the baseline " + when);
  }

  void finds_the_optimum() {
    const ScriptedLm lm(planted_task().script);
    const Result<Optimized> done = optimize_planted(lm, {});
    if (!done) {
      broke("failed: " + done.error().text());
      return;
    }
    if (done->best.mean < expected_->reaches) {
      broke("reached " + number_text(done->best.mean) + " of " + number_text(expected_->reaches));
    }
    not_below_baseline(*done, "on the planted task");
    const std::vector<LmRequest> requests = lm.requests();
    const bool asked = std::any_of(requests.begin(), requests.end(), asks_for_text);
    if (asked != expected_->proposes)
      broke(asked ? "asks for proposals, but does not say so" : "never asks for a proposal");
  }

  void is_the_same_for_any_threads() {
    std::string first;
    for (const std::size_t threads : {1U, 8U}) {
      const ScriptedLm lm(planted_task().script);
      SearchOptions options;
      options.seed = 11;
      options.threads = threads;
      const Result<Optimized> done = optimize_planted(lm, std::move(options));
      if (!done) return;  // told by finds_the_optimum
      std::string text = done->best.candidate.to_json().to_json();
      for (const Trial& trial : done->trials)
        text += "\n" + trial.origin + " " + trial.candidate.hash().hex() + " " +
                number_text(trial.mean);
      if (threads == 1) first = text;
      if (text != first) broke("gives other trials with 8 threads than with 1");
    }
  }

  void keeps_every_budget() {
    for (const std::int64_t calls : expected_->budgets) {
      const ScriptedLm lm(planted_task().script);
      SearchOptions options;
      options.budget.lm_calls = calls;
      const Result<Optimized> done = optimize_planted(lm, std::move(options));
      const std::string budget = "with a budget of " + std::to_string(calls) + " calls";
      if (lm.calls() > static_cast<std::size_t>(calls))
        broke("made " + std::to_string(lm.calls()) + " calls " + budget);
      if (done) not_below_baseline(*done, budget);
      if (!done && done.error().kind != ErrorKind::stopped)
        broke("failed " + budget + ": " + done.error().text());
    }
  }

  void survives_a_failing_metric() {
    const ScriptedLm lm(planted_task().script);
    PlantedTask planted = planted_task();
    planted.task.metric = Metric("broken", [](const Outcome&) -> Result<Score> {
      return internal_error("metric", "is broken");
    });
    const Result<Optimized> done = optimize(planted.student, planted.task, lm, *optimizer_);
    if (!done && done.error().text().find("is broken") == std::string::npos)
      broke("hides the error of a metric that always fails: " + done.error().text());
    // The same after a baseline that could be measured.
    const PlantedTask whole = planted_task();
    std::size_t left = whole.task.val.size();
    planted.task.metric = Metric("broken", [&](const Outcome& outcome) -> Result<Score> {
      if (left == 0) return internal_error("metric", "is broken");
      --left;
      return whole.task.metric(outcome);
    });
    SearchOptions one_thread;
    one_thread.threads = 1;
    const Result<Optimized> later =
        optimize(planted.student, planted.task, lm, *optimizer_, std::move(one_thread));
    if (later && later->best.number != later->baseline.number)
      broke("names a better trial although nothing after the baseline was scored");
    if (!later && later.error().text().find("is broken") == std::string::npos)
      broke("hides the error of a metric that fails after the baseline: " + later.error().text());
  }

  // Stopped after every number of trials, the same search on the same log ends as one that was not.
  void goes_on_where_it_was() {
    const ScriptedLm lm(planted_task().script);
    const Result<Optimized> whole = optimize_planted(lm, {});
    if (!whole) return;  // told by finds_the_optimum
    for (std::size_t trials = 1; trials < whole->trials.size(); trials += 1 + trials / 2) {
      const std::unique_ptr<StudyLog> log = make_memory_study_log();
      std::stop_source source;
      std::size_t seen = 0;
      SearchOptions options;
      options.log = log.get();
      options.stop = source.get_token();
      options.observer = [&](const Event& event) {
        if (std::holds_alternative<TrialFinished>(event) && ++seen == trials) source.request_stop();
      };
      if (!optimize_planted(lm, std::move(options))) continue;
      SearchOptions again;
      again.log = log.get();
      const Result<Optimized> done = optimize_planted(lm, std::move(again));
      const std::string when = " when it was stopped after " + std::to_string(trials) + " trials";
      if (!done) {
        broke("cannot go on" + when + ": " + done.error().text());
      } else if (done->best.candidate.hash() != whole->best.candidate.hash() ||
                 done->best.origin != whole->best.origin) {
        broke("ends with another winner" + when);
      }
    }
  }

  void survives_a_failing_model() {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      const auto inner = std::make_shared<const ScriptedLm>(planted_task().script);
      const FaultyLm lm(inner, FaultPlan{0.3, seed, {ErrorKind::temporary, ErrorKind::bad_reply}});
      SearchOptions options;
      options.seed = seed;
      const Result<Optimized> done = optimize_planted(lm, std::move(options));
      if (!done) {
        broke("does not survive a model that fails 30 % of calls: " + done.error().text());
      } else {
        not_below_baseline(*done, "when 30 % of calls fail");
      }
    }
  }

  void ends_on_a_stop() {
    const ScriptedLm lm(planted_task().script);
    std::stop_source source;
    SearchOptions options;
    options.stop = source.get_token();
    options.observer = [&source](const Event& event) {
      if (std::holds_alternative<TrialFinished>(event)) source.request_stop();
    };
    const Result<Optimized> done = optimize_planted(lm, std::move(options));
    if (!done) {
      broke("takes a stop for an error: " + done.error().text());
    } else if (done->trials.size() != 1) {
      broke("goes on after a stop");
    }
  }

  const Optimizer* optimizer_;
  const OptimizerConformance* expected_;
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> check_optimizer(const Optimizer& optimizer,
                                         const OptimizerConformance& expected) {
  return Check(optimizer, expected).run();
}

}  // namespace hone::testing
