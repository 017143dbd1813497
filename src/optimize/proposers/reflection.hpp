// A better instruction by looking back at runs (GEPA: Agrawal et al. 2025).
#pragma once

#include <cstddef>
#include <string>

#include "hone/core/example.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/optimize/search.hpp"

#include "optimize/proposers/proposer.hpp"

namespace hone {

// The question that asks for a new instruction of one predictor, given its present one and runs
// with their feedback. `limit`: bytes of the new instruction.
Question reflection_question(const std::string& current, const std::string& records,
                             std::size_t limit);

// What one run tells about a predictor: what it was given, what it said (a reply that could not be
// read first of all), what was expected and the metric's feedback; empty when the run did not call
// it.
std::string reflection_record(const Example& example, const Rollout& rollout,
                              const Signature& program, const std::string& path);

// The question SIMBA asks: a better and a worse run of the same example, and what to advise the
// predictor so that it does like the better one. `worse` may be empty.
Question advice_question(const std::string& program, const std::string& predictor,
                         const std::string& better, const std::string& worse);

}  // namespace hone
