#include "hone/eval/race.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <utility>

#include "hone/base/rng.hpp"

#include "eval/statistics.hpp"

namespace hone {
namespace {

// Below this many the leader has nobody to be compared with, and one unlucky block decides.
constexpr std::size_t kFewest = 2;

double mean_of(const ScoreRow& row) {
  double sum = 0;
  std::size_t count = 0;
  for (const std::optional<double>& score : row) {
    if (!score) continue;
    sum += *score;
    ++count;
  }
  return count == 0 ? -std::numeric_limits<double>::infinity() : sum / static_cast<double>(count);
}

// What `candidates` take from the `met` examples to the end when from the next checkpoint on their
// number falls as 1/examples, though not below `fewest`.
double runs_to_end(std::size_t candidates, std::size_t fewest, std::size_t met,
                   std::span<const std::size_t> checkpoints) {
  const std::size_t first = met == 0 ? checkpoints.front() : met;
  double runs = 0;
  std::size_t at = met;
  for (const std::size_t checkpoint : checkpoints) {
    if (checkpoint <= met) continue;
    const std::size_t alive = std::max(fewest, candidates * first / std::max(at, first));
    runs += static_cast<double>(alive * (checkpoint - at));
    at = checkpoint;
  }
  return runs;
}

// How many of `alive` candidates, but not fewer than `fewest`, the runs that are left can take to
// the end.
std::size_t affordable(std::size_t alive, std::size_t fewest, double runs_left, std::size_t met,
                       std::span<const std::size_t> checkpoints) {
  while (alive > fewest && runs_to_end(alive, fewest, met, checkpoints) > runs_left) --alive;
  return alive;
}

// The highest mean first, the earlier of equals.
void sort_by_mean(std::vector<std::size_t>& places, std::span<const ScoreRow> rows) {
  std::vector<double> means;
  for (const ScoreRow& row : rows) means.push_back(mean_of(row));
  std::ranges::sort(places, [&](std::size_t a, std::size_t b) {
    return means[a] != means[b] ? means[a] > means[b] : a < b;
  });
}

double budget_of(std::size_t candidates, std::size_t examples, const RaceRules& rules) {
  return rules.share * static_cast<double>(candidates) * static_cast<double>(examples);
}

double risk_at_one(std::size_t examples, const RaceRules& rules) {
  const std::size_t decisions = race_checkpoints(examples, rules).size() - 1;
  return decisions == 0 ? 0 : rules.risk / static_cast<double>(decisions);
}

}  // namespace

std::vector<std::size_t> race_checkpoints(std::size_t examples, const RaceRules& rules) {
  std::vector<std::size_t> checkpoints;
  const std::size_t first = std::max<std::size_t>(2, rules.first_block);
  if (first < examples) {
    const std::size_t steps = std::max<std::size_t>(1, rules.checkpoints);
    const std::size_t step = std::max<std::size_t>(1, (examples - first + steps - 1) / steps);
    for (std::size_t at = first; at < examples; at += step) checkpoints.push_back(at);
  }
  checkpoints.push_back(examples);
  return checkpoints;
}

double chance_ahead(const ScoreRow& challenger, const ScoreRow& incumbent, std::size_t examples) {
  const std::size_t both = std::min(challenger.size(), incumbent.size());
  double sum = 0;
  double squares = 0;
  double largest = 0;
  std::size_t pairs = 0;
  for (std::size_t i = 0; i < both; ++i) {
    if (!challenger[i] || !incumbent[i]) continue;
    const double difference = *challenger[i] - *incumbent[i];
    sum += difference;
    squares += difference * difference;
    largest = std::max(largest, std::abs(difference));
    ++pairs;
  }
  if (pairs < 2) return 1;
  if (largest <= 0) return 0.5;
  const double n = static_cast<double>(pairs);
  const double shrunk_mean = sum / (n + 2);
  const double variance = (squares + 2 * largest * largest) / (n + 2) - shrunk_mean * shrunk_mean;
  const double unknown = 1 / n - 1 / static_cast<double>(std::max(examples, pairs));
  if (unknown <= 0) return sum > 0 ? 1 : (sum < 0 ? 0 : 0.5);
  return student_cdf(sum / n / std::sqrt(variance * unknown), n - 1);
}

bool falls_behind(const ScoreRow& challenger, const ScoreRow& incumbent, std::size_t examples,
                  const RaceRules& rules) {
  return chance_ahead(challenger, incumbent, examples) < risk_at_one(examples, rules);
}

std::vector<std::size_t> race_survivors(std::span<const ScoreRow> rows, std::size_t examples,
                                        const RaceRules& rules) {
  std::size_t met = 0;
  std::size_t spent = 0;
  for (const ScoreRow& row : rows) {
    met = std::max(met, row.size());
    spent += row.size();
  }
  std::vector<std::size_t> alive;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].size() == met) alive.push_back(i);
  }
  if (alive.size() < 2 || met == 0 || met >= examples) return alive;

  sort_by_mean(alive, rows);
  if (rules.share < 1) {
    const double left = budget_of(rows.size(), examples, rules) - static_cast<double>(spent);
    alive.resize(affordable(alive.size(), kFewest, left, met, race_checkpoints(examples, rules)));
  }
  const std::size_t leader = alive.front();
  const double risk = risk_at_one(examples, rules);
  std::erase_if(alive, [&](std::size_t i) {
    return i != leader && chance_ahead(rows[i], rows[leader], examples) < risk;
  });
  std::ranges::sort(alive);
  return alive;
}

std::size_t race_reach(std::size_t candidates, std::size_t met,
                       std::span<const std::size_t> checkpoints, double runs) {
  return affordable(candidates, 1, runs, met, checkpoints);
}

std::vector<std::size_t> race_foremost(std::span<const ScoreRow> rows, std::size_t count) {
  std::vector<std::size_t> places(rows.size());
  std::iota(places.begin(), places.end(), std::size_t{0});
  sort_by_mean(places, rows);
  places.resize(std::min(count, places.size()));
  std::ranges::sort(places);
  return places;
}

std::vector<Rung> halving_schedule(std::size_t candidates, std::size_t examples,
                                   const RaceRules& rules) {
  std::vector<Rung> schedule;
  std::size_t alive = candidates;
  std::size_t met = 0;
  std::size_t spent = 0;
  const std::vector<std::size_t> checkpoints = race_checkpoints(examples, rules);
  for (const std::size_t checkpoint : checkpoints) {
    schedule.push_back({checkpoint, alive});
    spent += alive * (checkpoint - met);
    met = checkpoint;
    if (met < examples && rules.share < 1) {
      const double left = budget_of(candidates, examples, rules) - static_cast<double>(spent);
      alive = affordable(alive, kFewest, left, met, checkpoints);
    }
  }
  return schedule;
}

std::size_t runs_of(std::span<const Rung> schedule) {
  std::size_t runs = 0;
  std::size_t met = 0;
  for (const Rung& rung : schedule) {
    runs += rung.candidates * (rung.examples - met);
    met = rung.examples;
  }
  return runs;
}

std::vector<std::size_t> balanced_order(std::span<const std::string> strata, std::uint64_t seed) {
  std::map<std::string_view, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < strata.size(); ++i) members[strata[i]].push_back(i);
  std::vector<std::pair<double, std::size_t>> places;
  places.reserve(strata.size());
  for (auto& [name, items] : members) {
    Rng rng(seed, name);
    rng.shuffle(items);
    const double phase = rng.uniform();
    for (std::size_t i = 0; i < items.size(); ++i) {
      const double at = (static_cast<double>(i) + phase) / static_cast<double>(items.size());
      places.emplace_back(at, items[i]);
    }
  }
  std::ranges::sort(places);
  std::vector<std::size_t> order;
  order.reserve(places.size());
  for (const auto& [at, index] : places) order.push_back(index);
  return order;
}

}  // namespace hone
