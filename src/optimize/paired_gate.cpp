#include "optimize/paired_gate.hpp"

#include <algorithm>
#include <cmath>

namespace hone {
namespace {

// P(at least `wins` heads of `count` fair coins).
double luck(std::size_t wins, std::size_t count) {
  double term = std::pow(0.5, static_cast<double>(count));
  double tail = 0;
  for (std::size_t k = 0; k <= count; ++k) {
    if (k >= wins) tail += term;
    term *= static_cast<double>(count - k) / static_cast<double>(k + 1);
  }
  return tail;
}

struct Standing {
  double gain = 0;
  std::size_t wins = 0;
  std::size_t losses = 0;
  std::size_t met = 0;
  bool decided = false;
  bool passed = false;
};

}  // namespace

std::vector<bool> pass_gate(Search& search, const std::vector<GateCase>& cases,
                            const GateOptions& options) {
  const std::size_t block = std::max<std::size_t>(1, options.block);
  std::vector<Standing> standings(cases.size());
  for (std::size_t start = 0; start < options.most && !search.done(); start += block) {
    std::vector<RolloutTask> tasks;
    std::vector<std::size_t> owners;
    for (std::size_t c = 0; c < cases.size(); ++c) {
      if (standings[c].decided) continue;
      const std::size_t end = std::min({start + block, options.most, cases[c].examples.size()});
      for (std::size_t i = start; i < end; ++i) {
        tasks.push_back({&cases[c].parent, &cases[c].examples[i], 0, std::nullopt});
        tasks.push_back({&cases[c].child, &cases[c].examples[i], 0, std::nullopt});
        owners.push_back(c);
      }
    }
    if (tasks.empty()) break;
    const std::vector<Rollout> rollouts = search.run(tasks);
    for (std::size_t i = 0; i < owners.size(); ++i) {
      const std::optional<double>& parent = rollouts[2 * i].score;
      const std::optional<double>& child = rollouts[2 * i + 1].score;
      Standing& standing = standings[owners[i]];
      ++standing.met;
      if (!parent || !child) continue;
      standing.gain += *child - *parent;
      standing.wins += *child > *parent ? 1 : 0;
      standing.losses += *child < *parent ? 1 : 0;
    }
    for (Standing& standing : standings) {
      if (standing.decided) continue;
      const std::size_t differing = standing.wins + standing.losses;
      const bool wins = luck(standing.wins, differing) <= options.risk && standing.gain > 0;
      const bool loses = luck(standing.losses, differing) <= options.risk && standing.gain < 0;
      standing.decided = wins || loses;
      standing.passed = wins;
    }
  }
  std::vector<bool> verdicts;
  for (const Standing& standing : standings)
    verdicts.push_back(standing.decided ? standing.passed : standing.gain > 0);
  return verdicts;
}

}  // namespace hone
