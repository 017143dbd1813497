#include "hone/report.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "hone/base/text.hpp"
#include "hone/console.hpp"

namespace hone::cli {
namespace {

constexpr std::size_t kShownChanges = 5;
// Lines of a prompt at its beginning, and at its end, where the example and the reply are.
constexpr std::size_t kShownLines = 14;
constexpr std::size_t kShownLine = 300;  // bytes
constexpr std::size_t kShownValue = 100;

std::string interval_text(const SplitScore& score) {
  return percent(score.interval.first) + " to " + percent(score.interval.second);
}

std::string score_line(const std::string& name, const SplitScore& score) {
  std::string text = "  " + name + percent(score.mean) + "   (95 %: " + interval_text(score) + ")";
  if (score.failures > 0)
    text += ", " + grouped(static_cast<long long>(score.failures)) + " failed";
  return text + "\n";
}

// A prompt as people read it: a role is named where it changes, blank lines come one at a time, and
// of many demos some are left out.
std::string prompt_text(std::string_view dump) {
  std::vector<std::string> lines;
  std::string role;
  for (const std::string& line : split(trim(dump), '\n')) {
    if (line.starts_with("--- ")) {
      if (line == role) continue;
      role = line;
    }
    if (line.empty() && (lines.empty() || lines.back().empty())) continue;
    lines.push_back(shorten(line, kShownLine));
  }
  std::string text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (i == kShownLines && lines.size() > 2 * kShownLines + 1) {
      const std::size_t next = lines.size() - kShownLines;
      text += "  … " + std::to_string(next - i) + " lines …\n";
      i = next;
    }
    text += lines[i].empty() ? "\n" : "  " + lines[i] + "\n";
  }
  return text;
}

std::string one_line(const Value& value) {
  std::string text = value.is_null() ? "(failed)" : value.text();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return shorten(text, kShownValue);
}

// A prediction without its field names where it has one field.
std::string answer_text(const Value& prediction) {
  if (prediction.is_object() && prediction.size() == 1)
    return one_line(prediction.as_object().front().second);
  return one_line(prediction);
}

std::string changes_text(const std::string& title, const std::vector<Change>& changes,
                         std::size_t count) {
  if (count == 0) return {};
  std::string text = "\n" + title + " " + std::to_string(count);
  text += count > changes.size() ? ", for example:\n" : ":\n";
  for (const Change& change : changes) {
    text += "  " + answer_text(change.before) + " -> " + answer_text(change.after) + "   ";
    std::vector<std::string> parts;
    for (const auto& [name, value] : change.example.as_object())
      parts.push_back(name + ": " + one_line(value));
    text += join(parts, " | ") + "\n";
  }
  return text;
}

std::string usage_line(const Usage& usage) {
  return grouped(usage.lm_calls) + " LM calls (" + grouped(usage.cached_calls) +
         " cached); tokens: " + grouped(usage.prompt_tokens) + " in prompts, " +
         grouped(usage.computed_tokens) + " computed, " + grouped(usage.generated_tokens) +
         " generated\n";
}

std::string money_text(double money) {
  const double cents = money < 1 ? 1e4 : 1e2;
  return number_text(std::round(money * cents) / cents);
}

}  // namespace

SplitScore split_score(const Evaluation& evaluation) {
  return {.mean = evaluation.mean(),
          .interval = evaluation.interval(),
          .examples = evaluation.rollouts.size(),
          .met = evaluation.met(),
          .scored = evaluation.scored(),
          .failures = evaluation.failures(),
          .parse_failures = evaluation.parse_failures()};
}

void compare(const Examples& examples, const Evaluation& before, const Evaluation& after,
             Report& report) {
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const Rollout& old_run = before.rollouts[i];
    const Rollout& new_run = after.rollouts[i];
    // A run without a score says nothing about the program.
    if (!old_run.score || !new_run.score || *old_run.score == *new_run.score) continue;
    const bool is_fixed = *new_run.score > *old_run.score;
    std::vector<Change>& changes = is_fixed ? report.fixed : report.broken;
    ++(is_fixed ? report.fixed_count : report.broken_count);
    if (changes.size() < kShownChanges) {
      changes.push_back({examples[i].fields(), old_run.prediction, new_run.prediction});
    }
  }
}

std::string report_text(const Report& report) {
  std::string text = "\n";
  if (report.test_before) {
    text += "Score on " + grouped(static_cast<long long>(report.test_before->examples)) +
            " untouched test examples (" + report.metric + ")\n";
    text += score_line("before  ", *report.test_before);
    if (report.test_after) text += score_line("after   ", *report.test_after);
    if (!report.test_after) text += "  after   not measured, as the run was stopped\n";
  } else {
    text += "Score on the validation examples, which the search chose by (" + report.metric + ")\n";
  }
  const SplitScore& val = report.val_after;
  const auto count = [](std::size_t number) { return grouped(static_cast<long long>(number)); };
  // A budget may end among them.
  text += "  on " + (val.met < val.examples ? count(val.met) + " of " : "") + count(val.examples) +
          " validation examples" +
          (report.val_further == 0 ? ""
                                   : " (" + std::to_string(report.val_further) +
                                         " of them training examples no demo shows)") +
          ": " + percent(report.val_before.mean) + " before, " + percent(report.val_after.mean) +
          " after (95 %: " + interval_text(report.val_after) + ")\n\n";
  if (!report.goals.is_score()) text += front_text(report.goals, report.front) + "\n";
  text += "Took " + duration_text(report.seconds) + " to optimize (" + report.optimizer + ", " +
          std::to_string(report.trials) + " trials), " + duration_text(report.total_seconds) +
          " in all\n";
  text += usage_line(report.usage);
  if (report.money > 0) text += "Money: " + money_text(report.money) + "\n";
  if (!report.stop_reason.empty()) text += "Stopped early: " + report.stop_reason + "\n";
  if (report.failures > 0) {
    text += count(report.failures) + " runs failed";
    if (report.parse_failures > 0) {
      text +=
          "; on the test examples " + count(report.parse_failures) + " replies could not be read";
    }
    text += "\n";
  }
  if (!report.prompt.empty()) {
    text += "\nThe prompt that won (" + report.best_origin + "), on one example:\n";
    text += prompt_text(report.prompt);
  }
  text += changes_text("Fixed", report.fixed, report.fixed_count);
  text += changes_text("Broke", report.broken, report.broken_count);
  text += "\nSaved as " + report.out.string() + "\n";
  if (!report.next.empty()) text += "Next:   " + report.next + "\n";
  return text;
}

std::string estimate_line(const Estimate& estimate) {
  std::string text = grouped(estimate.lm_calls) + " LM calls, " + grouped(estimate.prompt_tokens) +
                     " prompt tokens, " + grouped(estimate.generated_tokens) +
                     " generated, about " + duration_text(estimate.seconds);
  if (estimate.money > 0) text += ", money " + money_text(estimate.money);
  return text;
}

std::string estimate_text(const Estimate& estimate, bool race) {
  return "Expected: " + estimate_line(estimate) + "\n          " + std::to_string(estimate.trials) +
         " trials; with the test examples before and after\n" +
         (race ? "          racing stops losers early, by chance: with --race off it takes more, "
                 "and "
                 "the estimate is closer\n"
               : "") +
         "Nothing was started; finding this out took " + std::to_string(estimate.probe_calls) +
         " calls.\n";
}

std::string evaluation_text(const std::string& metric, const Evaluation& evaluation,
                            double seconds) {
  const SplitScore score = split_score(evaluation);
  std::string text = "Score on " + grouped(static_cast<long long>(score.examples)) + " examples (" +
                     metric + ")\n";
  text += score_line("", score);
  text += "\nTook " + duration_text(seconds) + "\n" + usage_line(evaluation.usage());
  for (const Rollout& rollout : evaluation.rollouts) {
    if (!rollout.error) continue;
    text += "First failure: " + rollout.error->text() + "\n";
    break;
  }
  return text;
}

}  // namespace hone::cli
