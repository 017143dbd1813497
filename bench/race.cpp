// How much racing saves and what it costs, on stored score matrices: those named, else every one in
// bench/matrices, else (--simulated) drawn ones.
//
//   bench_race [MATRIX.jsonl ...] [--simulated] [--resamplings 1000] [--seed 1] [--share 0.4]
//              [--risk 0.05] [--first 30] [--checkpoints 12] [--json]
//
// A matrix has one line a candidate: {"candidate": 3, "scores": [1, 0, null, ...]}, or, where every
// score is 0 or 1, {"candidate": 3, "scores": "10..."}. Each resampling meets the examples in
// another random order. "within one point": the chosen candidate's mean over
// all examples is at most 0.01 below the best one's. Runs count until the winner has met every
// example.
#include "hone/eval/race.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <filesystem>
#include <iostream>
#include <numeric>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/file.hpp"
#include "hone/base/rng.hpp"
#include "hone/base/text.hpp"
#include "hone/core/value.hpp"

namespace {

using hone::RaceRules;
using hone::Result;
using hone::Rng;
using hone::ScoreRow;
using hone::Value;

constexpr double kOnePoint = 0.01 + 1e-9;

struct Matrix {
  std::string name;
  std::vector<ScoreRow> rows;
  std::size_t examples() const { return rows.front().size(); }
};

struct Options {
  std::vector<std::string> files;
  std::size_t resamplings = 1000;
  std::uint64_t seed = 1;
  RaceRules rules;
  bool json = false;
  bool simulated = false;
};

Result<std::vector<std::string>> lines_of(const std::string& path) {
  Result<std::string> text = hone::read_file(path);
  if (!text) return text.error();
  std::vector<std::string> lines = hone::split(*text, '\n');
  std::erase_if(lines, [](const std::string& line) { return hone::trim(line).empty(); });
  return lines;
}

Result<Matrix> read_matrix(const std::string& path) {
  const Result<std::vector<std::string>> lines = lines_of(path);
  if (!lines) return lines.error();
  Matrix matrix{path.substr(path.find_last_of('/') + 1), {}};
  for (std::size_t i = 0; i < lines->size(); ++i) {
    const std::string where = path + ":" + std::to_string(i + 1);
    const Result<Value> line = Value::parse_json((*lines)[i], where);
    if (!line) return line.error();
    const Value scores = line->get("scores");
    ScoreRow row;
    if (scores.is_string()) {
      for (const char digit : scores.as_string()) row.emplace_back(digit == '1' ? 1 : 0);
    } else if (scores.is_list()) {
      for (const Value& score : scores.as_list())
        row.push_back(score.is_number() ? std::optional(score.as_double()) : std::nullopt);
    } else {
      return hone::bad_request(where, "needs a list or a text of digits \"scores\"");
    }
    if (!matrix.rows.empty() && row.size() != matrix.examples()) {
      return hone::bad_request(where, "has another number of scores than the first line");
    }
    matrix.rows.push_back(std::move(row));
  }
  if (matrix.rows.size() < 2) return hone::bad_request(path, "needs at least two candidates");
  return matrix;
}

double normal_quantile(double p) {
  double low = -8;
  double high = 8;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(-middle / std::sqrt(2.0)) < p ? low : high) = middle;
  }
  return low;
}

// Zeros and ones from a probit model: a candidate's strength, an example's difficulty, and what is
// between the two.
Matrix simulate(Rng& rng, double spread, double difficulty, std::string name) {
  const std::size_t candidates = 20 + rng.below(11);
  const std::size_t examples = 300;
  const double base = 0.5 + 0.3 * rng.uniform();
  std::vector<double> difficulties(examples);
  for (double& d : difficulties) d = difficulty * rng.normal();
  Matrix matrix{std::move(name), {}};
  for (std::size_t c = 0; c < candidates; ++c) {
    const double share = std::clamp(base + spread / 4 * rng.normal(), 0.02, 0.98);
    const double strength = normal_quantile(share) * std::sqrt(1 + difficulty * difficulty);
    ScoreRow row;
    for (const double d : difficulties) row.emplace_back(strength + d + rng.normal() > 0 ? 1 : 0);
    matrix.rows.push_back(std::move(row));
  }
  return matrix;
}

std::vector<double> means_of(const Matrix& matrix) {
  std::vector<double> means;
  for (const ScoreRow& row : matrix.rows) {
    double sum = 0;
    std::size_t count = 0;
    for (const std::optional<double>& score : row) {
      sum += score.value_or(0);
      count += score ? 1 : 0;
    }
    means.push_back(count == 0 ? 0 : sum / static_cast<double>(count));
  }
  return means;
}

struct Outcome {
  std::size_t winner = 0;
  std::size_t runs = 0;
};

void meet(std::vector<ScoreRow>& met, const Matrix& matrix, const std::vector<std::size_t>& order,
          std::size_t candidate, std::size_t until, Outcome& outcome) {
  ScoreRow& row = met[candidate];
  while (row.size() < until) {
    row.push_back(matrix.rows[candidate][order[row.size()]]);
    ++outcome.runs;
  }
}

Outcome race_many(const Matrix& matrix, const std::vector<double>& means,
                  const std::vector<std::size_t>& order, const RaceRules& rules) {
  Outcome outcome;
  std::vector<ScoreRow> met(matrix.rows.size());
  std::vector<std::size_t> alive(matrix.rows.size());
  std::iota(alive.begin(), alive.end(), std::size_t{0});
  for (const std::size_t checkpoint : hone::race_checkpoints(matrix.examples(), rules)) {
    for (const std::size_t candidate : alive)
      meet(met, matrix, order, candidate, checkpoint, outcome);
    alive = hone::race_survivors(met, matrix.examples(), rules);
  }
  outcome.winner = *std::ranges::max_element(alive, {}, [&](std::size_t c) { return means[c]; });
  return outcome;
}

// Candidates come one by one, as a sampler proposes them.
Outcome race_few(const Matrix& matrix, const std::vector<double>& means,
                 const std::vector<std::size_t>& order, const RaceRules& rules) {
  Outcome outcome;
  std::vector<ScoreRow> met(matrix.rows.size());
  meet(met, matrix, order, 0, matrix.examples(), outcome);
  for (std::size_t challenger = 1; challenger < matrix.rows.size(); ++challenger) {
    bool is_dropped = false;
    for (const std::size_t checkpoint : hone::race_checkpoints(matrix.examples(), rules)) {
      meet(met, matrix, order, challenger, checkpoint, outcome);
      is_dropped =
          hone::falls_behind(met[challenger], met[outcome.winner], matrix.examples(), rules);
      if (is_dropped) break;
    }
    if (!is_dropped && means[challenger] > means[outcome.winner]) outcome.winner = challenger;
  }
  return outcome;
}

struct Tally {
  double runs = 0;    // share of the full grid
  double within = 0;  // share of resamplings
};

using Race = Outcome (*)(const Matrix&, const std::vector<double>&, const std::vector<std::size_t>&,
                         const RaceRules&);

Tally tally(const Matrix& matrix, Race race, const Options& options) {
  const std::vector<double> means = means_of(matrix);
  const double best = *std::ranges::max_element(means);
  std::vector<std::size_t> order(matrix.examples());
  std::iota(order.begin(), order.end(), std::size_t{0});
  Rng rng(options.seed, matrix.name);
  std::size_t runs = 0;
  std::size_t within = 0;
  for (std::size_t i = 0; i < options.resamplings; ++i) {
    rng.shuffle(order);
    const Outcome outcome = race(matrix, means, order, options.rules);
    runs += outcome.runs;
    within += means[outcome.winner] >= best - kOnePoint ? 1 : 0;
  }
  const double resamplings = static_cast<double>(options.resamplings);
  const double grid = static_cast<double>(matrix.rows.size() * matrix.examples());
  return {static_cast<double>(runs) / resamplings / grid,
          static_cast<double>(within) / resamplings};
}

Result<std::vector<Matrix>> matrices_of(const Options& options) {
  std::vector<Matrix> matrices;
  for (const std::string& file : options.files) {
    Result<Matrix> matrix = read_matrix(file);
    if (!matrix) return matrix.error();
    matrices.push_back(*std::move(matrix));
  }
  if (!options.simulated) return matrices;
  Rng rng(options.seed, "matrices");
  for (const double difficulty : {1.0, 2.0, 3.0}) {
    for (const double spread : {0.05, 0.10, 0.15}) {
      for (int i = 0; i < 5; ++i) {
        matrices.push_back(simulate(rng, spread, difficulty,
                                    "simulated spread " + hone::number_text(spread) +
                                        " difficulty " + hone::number_text(difficulty) + " #" +
                                        std::to_string(i)));
      }
    }
  }
  return matrices;
}

Value report_of(const Matrix& matrix, const Options& options) {
  const std::vector<double> means = means_of(matrix);
  const auto [low, high] = std::ranges::minmax(means);
  const Tally many = tally(matrix, race_many, options);
  const Tally few = tally(matrix, race_few, options);
  return Value::object({{"matrix", matrix.name},
                        {"candidates", matrix.rows.size()},
                        {"examples", matrix.examples()},
                        {"best", high},
                        {"spread", high - low},
                        {"runs_share", many.runs},
                        {"within_one_point", many.within},
                        {"one_by_one_runs_share", few.runs},
                        {"one_by_one_within_one_point", few.within}});
}

double least_field(const Value::List& reports, std::string_view field) {
  double least = 1;
  for (const Value& report : reports) least = std::min(least, report.get(field).as_double());
  return least;
}

double mean_field(const Value::List& reports, std::string_view field) {
  double sum = 0;
  for (const Value& report : reports) sum += report.get(field).as_double();
  return sum / static_cast<double>(reports.size());
}

template <class T>
bool read_number(std::string_view text, T& number) {
  const std::from_chars_result read =
      std::from_chars(text.data(), text.data() + text.size(), number);
  return read.ec == std::errc() && read.ptr == text.data() + text.size();
}

std::vector<std::string> stored_matrices() {
  std::vector<std::string> files;
  std::error_code missing;
  for (const auto& entry : std::filesystem::directory_iterator("bench/matrices", missing)) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path().string());
  }
  std::ranges::sort(files);
  return files;
}

bool read_options(int count, char** arguments, Options& options) {
  for (int i = 1; i < count; ++i) {
    const std::string_view name = arguments[i];
    if (name == "--json" || name == "--simulated") {
      (name == "--json" ? options.json : options.simulated) = true;
      continue;
    }
    if (!name.starts_with("--")) {
      options.files.emplace_back(name);
      continue;
    }
    if (++i == count) return false;
    const std::string_view value = arguments[i];
    const bool is_read = name == "--resamplings"   ? read_number(value, options.resamplings)
                         : name == "--seed"        ? read_number(value, options.seed)
                         : name == "--share"       ? read_number(value, options.rules.share)
                         : name == "--risk"        ? read_number(value, options.rules.risk)
                         : name == "--first"       ? read_number(value, options.rules.first_block)
                         : name == "--checkpoints" ? read_number(value, options.rules.checkpoints)
                                                   : false;
    if (!is_read) return false;
  }
  if (options.files.empty() && !options.simulated) options.files = stored_matrices();
  options.simulated = options.files.empty();
  return options.resamplings > 0;
}

void print(const Value::List& reports) {
  std::printf("%-46s %5s %6s %7s %9s %10s %12s %10s\n", "matrix", "cand.", "spread", "runs",
              "within 1", "", "one by one:", "within 1");
  for (const Value& report : reports) {
    const auto percent = [&](const char* field) { return 100 * report.get(field).as_double(); };
    std::printf("%-46s %5zu %6.1f %6.1f%% %8.1f%% %10s %11.1f%% %9.1f%%\n",
                report.get("matrix").text().c_str(),
                static_cast<std::size_t>(report.get("candidates").as_int()), percent("spread"),
                percent("runs_share"), percent("within_one_point"), "",
                percent("one_by_one_runs_share"), percent("one_by_one_within_one_point"));
  }
}

}  // namespace

int main(int count, char** arguments) {
  Options options;
  if (!read_options(count, arguments, options)) {
    std::cerr << "usage: bench_race [MATRIX.jsonl ...] [--simulated] [--resamplings N] [--seed N] "
                 "[--share X] [--risk X] [--first N] [--checkpoints N] [--json]\n"
                 "(without files: those in bench/matrices, from the root of the source)\n";
    return 2;
  }
  const Result<std::vector<Matrix>> matrices = matrices_of(options);
  if (!matrices) {
    std::cerr << matrices.error().text() << '\n';
    return 2;
  }
  Value::List reports;
  for (const Matrix& matrix : *matrices) reports.push_back(report_of(matrix, options));
  const double runs = mean_field(reports, "runs_share");
  const double within = mean_field(reports, "within_one_point");
  if (options.json) {
    std::cout << Value::object(
                     {{"race_runs_share", runs},
                      {"race_within_one_point", within},
                      {"race_within_one_point_least", least_field(reports, "within_one_point")},
                      {"one_by_one_runs_share", mean_field(reports, "one_by_one_runs_share")},
                      {"one_by_one_within_one_point",
                       mean_field(reports, "one_by_one_within_one_point")},
                      {"matrices", Value::list(reports)}})
                     .to_json(2)
              << '\n';
    return 0;
  }
  print(reports);
  std::printf(
      "mean of %zu: %.1f%% of the grid's runs, within one point in %.1f%% of resamplings; one by "
      "one %.1f%%, "
      "%.1f%%\n",
      reports.size(), 100 * runs, 100 * within, 100 * mean_field(reports, "one_by_one_runs_share"),
      100 * mean_field(reports, "one_by_one_within_one_point"));
  return 0;
}
