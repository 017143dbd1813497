// Several programs that answer as one.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/program/program.hpp"

namespace hone {

// What the members answered, in their order; failed ones are left out. `weights` belong to the
// answers.
using Reducer =
    std::function<Value(const std::vector<Value>& answers, const std::vector<double>& weights)>;

struct EnsembleOptions {
  std::vector<double> weights = {};  // one a member, at least 0; empty = all 1
  // "vote": each output takes the answer of the largest weight, the earliest of equals (texts are
  // compared without case and outer white space); numbers too.
  // "mean": numbers take the weighted mean (whole numbers rounded), everything else votes.
  std::string reduce = "vote";
  // A user's own, instead of the above. Such a program is not saved as a whole. Must be safe to
  // call from many threads.
  Reducer reducer = nullptr;
};

// Runs every member on the inputs and reduces their answers (Ensemble of DSPy). A member that fails
// does not vote, but a stop, a spent budget or a model out of reach ends the run: that says nothing
// of what the member would vote. When all fail the first failure is thrown. Members have the same
// fields; paths of their predictors get "m1.", "m2." … in front, in parameters and traces alike.
// Costs the sum of its members. bad_request: no members, other fields, weights that do not fit or
// are all 0, an unknown reduction.
Result<Program> ensemble(std::vector<Program> members, EnsembleOptions options = {});

}  // namespace hone
