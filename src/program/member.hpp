// What programs made of whole programs share: running one, and its parameters under a prefix.
#pragma once

#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/core/value.hpp"
#include "hone/program/call.hpp"
#include "hone/program/program.hpp"

namespace hone {

// Letters, digits, '_' and '-': what may stand between the dots of a path.
bool is_path_name(std::string_view name);

// Runs the member in a call of its own, so that the steps of two members are told apart in the
// caller's trace, where they get `prefix` in front of their paths. A failed run's steps are kept
// too.
Result<Value> run_member(Call& call, const Program& member, const std::string& prefix,
                         const Value& inputs);

std::vector<Predictor> prefixed_predictors(const Program& member, const std::string& prefix);
std::vector<Retrieve> prefixed_retrieve_steps(const Program& member, const std::string& prefix);
std::vector<Param> prefixed_params(const Program& member, const std::string& prefix);
// The candidate's values below the prefix, with paths as the member knows them.
Candidate below_prefix(const Candidate& candidate, const std::string& prefix);

}  // namespace hone
