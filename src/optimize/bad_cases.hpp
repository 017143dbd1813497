// Where a candidate goes wrong, for the next proposal to look at.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "hone/optimize/search.hpp"

#include "optimize/domains.hpp"

namespace hone {

// Paths of the student's predictors whose instructions the search may change; an error names what
// is missing when there is none.
Result<std::vector<std::string>> tunable_instruction_paths(
    const Search& search, Structure structure = Structure::present);

// Runs the candidate on `looked_at` train examples, drawn for the purpose, and tells up to `count`
// of the worst as numbered cases; empty when none is below full score.
std::string find_bad_cases(Search& search, const Candidate& candidate, std::size_t looked_at,
                           std::size_t count, std::string_view purpose);

// The instruction a predictor has under a candidate.
std::string instruction_of(const Search& search, const Candidate& candidate,
                           const std::string& path);

}  // namespace hone
