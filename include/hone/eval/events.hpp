// What the library reports while it works; fronts draw it.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <variant>

#include "hone/core/param.hpp"
#include "hone/core/trace.hpp"

namespace hone {

struct PhaseStarted {
  std::string name;  // "baseline", "bootstrap", "trials", "test"
};
struct RolloutsProgress {
  std::size_t done = 0;
  std::size_t total = 0;  // of the present batch of rollouts
  Usage usage;            // of the whole run so far
};
struct TrialFinished {
  std::size_t number = 0;
  std::string origin;  // what the optimizer says about where it comes from
  double mean = 0;
  std::size_t examples = 0;
  bool complete = false;  // met every validation example (not stopped early)
  bool is_best = false;
  double best_mean = 0;
};
struct Notice {
  std::string message;
};

using Event = std::variant<PhaseStarted, RolloutsProgress, TrialFinished, Notice>;

// Called from one thread at a time, which may be any of the evaluator's; must be quick and not
// throw.
using Observer = std::function<void(const Event&)>;

}  // namespace hone
