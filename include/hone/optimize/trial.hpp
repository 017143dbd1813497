// One candidate and how it did.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/param.hpp"
#include "hone/core/trace.hpp"
#include "hone/eval/goal.hpp"
#include "hone/program/program.hpp"

namespace hone {

// Frozen once it is in a search's list.
struct Trial {
  std::size_t number = 0;
  std::string
      origin;  // where the candidate comes from, in words: "bootstrap 3", "proposal 2 + demos 1"
  Candidate candidate;             // calibration included
  std::optional<Program> program;  // what the candidate is put on, when it is not the student
  std::vector<std::optional<double>>
      scores;                // by validation example, in their order; none = not met or failed
  double mean = 0;           // of the scores there are
  std::size_t examples = 0;  // met
  std::size_t failures = 0;
  std::size_t parse_failures = 0;  // replies that could not be read, mended ones included
  bool complete =
      false;          // met every validation example, each with a score: only such a trial can win
  Usage usage;        // what its runs asked for, cached or not
  Measures measures;  // means over its runs that have a score
  // What the search's goals make of it: by example, in the order of the examples, what a race
  // compares; and of the whole, higher is better. The scores and their mean without goals.
  std::vector<std::optional<double>> merits;
  double merit = 0;
  double excess = 0;  // over the goals' limits; 0 when it is within them all
};

}  // namespace hone
