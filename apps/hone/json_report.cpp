#include <sys/resource.h>

#include <cmath>
#include <string>

#include "hone/report.hpp"

namespace hone::cli {
namespace {

// To 1/parts. The division comes last: its result is the double whose shortest text has no more
// digits.
double rounded(double number, double parts) {
  return std::round(number * parts) / parts;
}

Value percentage(double score) {
  return rounded(score * 100, 10);
}

Value score_of(const std::optional<SplitScore>& score) {
  return score ? percentage(score->mean) : Value();
}

Value interval_of(const std::optional<SplitScore>& score) {
  if (!score) return {};
  return Value::list({percentage(score->interval.first), percentage(score->interval.second)});
}

Value examples_of(const std::optional<SplitScore>& score) {
  return score ? Value(score->examples) : Value();
}

Value::Object usage_fields(const Usage& usage) {
  return {{"lm_calls", usage.lm_calls},
          {"cached_calls", usage.cached_calls},
          {"prompt_tokens", usage.prompt_tokens},
          {"computed_tokens", usage.computed_tokens},
          {"generated_tokens", usage.generated_tokens}};
}

void append(Value::Object& fields, Value::Object more) {
  for (auto& field : more) fields.push_back(std::move(field));
}

}  // namespace

double peak_rss_mb() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return rounded(static_cast<double>(usage.ru_maxrss) / 1024.0, 10);
}

std::string report_json(const Report& report) {
  Value::Object fields = {{"test_before", score_of(report.test_before)},
                          {"test_after", score_of(report.test_after)},
                          {"test_before_interval", interval_of(report.test_before)},
                          {"test_after_interval", interval_of(report.test_after)},
                          {"test_examples", examples_of(report.test_before)},
                          {"val_before", percentage(report.val_before.mean)},
                          {"val_after", percentage(report.val_after.mean)},
                          {"val_after_interval", interval_of(report.val_after)},
                          {"val_examples", report.val_after.met},
                          {"val_further", report.val_further},
                          {"seconds", rounded(report.seconds, 1000)},
                          {"total_seconds", rounded(report.total_seconds, 1000)}};
  append(fields, usage_fields(report.usage));
  append(fields, {{"money", rounded(report.money, 1e6)},
                  {"parse_failures", report.parse_failures},
                  {"failures", report.failures},
                  {"rss_mb", peak_rss_mb()},
                  {"trials", report.trials},
                  {"best_origin", report.best_origin},
                  {"goals", report.goals.text()},
                  {"front", front_json(report.front)},
                  {"fixed", report.fixed_count},
                  {"broken", report.broken_count},
                  {"metric", report.metric},
                  {"model", report.model},
                  {"optimizer", report.optimizer},
                  {"stop_reason", report.stop_reason.empty() ? Value() : Value(report.stop_reason)},
                  {"out", report.out.string()}});
  return Value::object(std::move(fields)).to_json();
}

std::string estimate_json(const Estimate& estimate, bool race) {
  return Value::object({{"expected_calls", estimate.lm_calls},
                        {"expected_prompt_tokens", estimate.prompt_tokens},
                        {"expected_generated_tokens", estimate.generated_tokens},
                        {"expected_seconds", rounded(estimate.seconds, 100)},
                        {"expected_money", rounded(estimate.money, 1e6)},
                        {"expected_trials", estimate.trials},
                        {"probe_calls", estimate.probe_calls},
                        {"race", race}})
      .to_json();
}

std::string evaluation_json(const std::string& metric, const std::string& model,
                            const Evaluation& evaluation, double seconds) {
  const SplitScore score = split_score(evaluation);
  Value::Object fields = {{"score", percentage(score.mean)},
                          {"interval", interval_of(score)},
                          {"examples", score.examples},
                          {"scored", score.scored},
                          {"seconds", rounded(seconds, 1000)}};
  append(fields, usage_fields(evaluation.usage()));
  append(fields, {{"parse_failures", score.parse_failures},
                  {"failures", score.failures},
                  {"rss_mb", peak_rss_mb()},
                  {"metric", metric},
                  {"model", model}});
  return Value::object(std::move(fields)).to_json();
}

}  // namespace hone::cli
