// What a search's goals came to: the trials nothing else beats, as a table or as JSON.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "hone/core/value.hpp"
#include "hone/eval/goal.hpp"
#include "hone/optimize/optimize.hpp"

namespace hone::cli {

struct FrontRow {
  std::size_t trial = 0;
  std::string origin;
  Measures measures;
  double merit = 0;
  bool is_within = true;
  bool is_winner = false;
};

// By falling score. The winner and the baseline are always there, on the front or not, since people
// look for them.
std::vector<FrontRow> front_rows(const Optimized& optimized);

std::string front_text(const Goals& goals, const std::vector<FrontRow>& rows);
// A list of {"trial", "origin", a number a quantity, "goal", "within", "winner"}.
Value front_json(const std::vector<FrontRow>& rows);

}  // namespace hone::cli
