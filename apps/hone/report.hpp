// What an optimization came to: data first, then as text for people or as JSON for machines.
#pragma once

#include <cstddef>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hone/core/trace.hpp"
#include "hone/core/value.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/front_report.hpp"
#include "hone/optimize/estimate.hpp"

namespace hone::cli {

struct SplitScore {
  double mean = 0;
  std::pair<double, double> interval;  // 95 %
  std::size_t examples = 0;
  std::size_t met = 0;  // without those a spent budget or a stop kept from running
  std::size_t scored = 0;
  std::size_t failures = 0;
  std::size_t parse_failures = 0;
};

SplitScore split_score(const Evaluation& evaluation);

// An example whose score changed.
struct Change {
  Value example;
  Value before;  // predictions
  Value after;
};

struct Report {
  std::string metric;
  std::string model;
  std::string optimizer;
  std::optional<SplitScore> test_before;
  std::optional<SplitScore> test_after;
  SplitScore val_before;
  SplitScore val_after;
  std::size_t val_further = 0;  // of their examples: training ones that no demo shows
  double seconds = 0;           // of the search
  double total_seconds = 0;     // with measuring the test split, without loading the model
  Usage usage;                  // of everything
  double money = 0;
  std::size_t failures = 0;
  std::size_t parse_failures = 0;
  std::size_t trials = 0;
  std::string best_origin;
  Goals goals;
  std::vector<FrontRow> front;
  std::string prompt;  // that won, on one example
  std::vector<Change> fixed;
  std::vector<Change> broken;
  std::size_t fixed_count = 0;
  std::size_t broken_count = 0;
  std::filesystem::path out;
  std::string stop_reason;  // empty when the search went through
  std::string next;         // command to run
};

// Which scores went up and which down, a few of each with their predictions. Same examples, same
// order.
void compare(const Examples& examples, const Evaluation& before, const Evaluation& after,
             Report& report);

std::string report_text(const Report& report);
// See docs/command-line.md; one line.
std::string report_json(const Report& report);
std::string evaluation_json(const std::string& metric, const std::string& model,
                            const Evaluation& evaluation, double seconds);
std::string evaluation_text(const std::string& metric, const Evaluation& evaluation,
                            double seconds);

// What an optimization would take; `race`: losers stop early, so that it is likely less.
std::string estimate_line(const Estimate& estimate);
std::string estimate_text(const Estimate& estimate, bool race);
std::string estimate_json(const Estimate& estimate, bool race);

// The most memory this process has had, in MiB.
double peak_rss_mb();

}  // namespace hone::cli
