#include "hone/testing/optimizer_conformance.hpp"

#include <algorithm>
#include <memory>
#include <stop_token>

#include "hone/base/text.hpp"
#include "hone/optimize/optimize.hpp"
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
    if (done.best.complete && done.best.mean < done.baseline.mean)
      broke("is below the baseline " + when);
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
    Result<std::unique_ptr<Search>> search =
        Search::make(planted.student, planted.task, lm, SearchOptions{});
    if (search && optimizer_->run(**search) && (*search)->best())
      broke("names a best trial although nothing was scored");
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
