// Whether a child program is better than its parent, decided on train examples they both meet.
#pragma once

#include <cstddef>
#include <vector>

#include "hone/core/example.hpp"
#include "hone/optimize/search.hpp"
#include "hone/program/program.hpp"

namespace hone {

struct GateOptions {
  std::size_t block = 4;  // examples between two looks
  std::size_t most = 16;  // examples in all
  double risk = 0.1;      // of an early decision being luck
};

struct GateCase {
  Program parent;
  Program child;
  Examples examples;  // in the order they are met
};

// One verdict a case; all cases go through the same looks, their runs together. A child passes
// early when it wins more examples than luck explains (exact sign test), fails early when it loses
// more, and otherwise passes at the end when the sum of its scores is strictly higher. A single
// look at three examples, as GEPA takes, lets luck decide both ways. Runs without a score on either
// side say nothing. The parent's runs are usually cached.
std::vector<bool> pass_gate(Search& search, const std::vector<GateCase>& cases,
                            const GateOptions& options);

}  // namespace hone
