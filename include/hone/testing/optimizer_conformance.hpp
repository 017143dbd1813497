// What every optimizer must keep, checked on a task with a planted optimum; for one's own too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/optimize/optimizer.hpp"
#include "hone/testing/planted_task.hpp"

namespace hone::testing {

struct OptimizerConformance {
  double reaches = 1.0;   // the mean validation score it must find on the planted task
  bool proposes = false;  // it asks a model for texts
  std::vector<std::int64_t> budgets = {0, 1, 29, 30, 31, 64, 150};  // LM calls
};

// Runs the optimizer on planted_task() and returns what it broke, in words; empty when all holds:
// it reaches the planted score; is never below the baseline; never makes more calls than each
// budget; equal seeds give equal winners and trials with 1 and 8 threads; a metric that always
// fails, from the start or after the baseline, ends it with that error or the baseline; a model
// that fails 30 % of calls leaves a result; stopped, it goes on from its log to the same winner; a
// stop ends it; and it asks for texts just when it says so. Takes a few seconds.
std::vector<std::string> check_optimizer(const Optimizer& optimizer,
                                         const OptimizerConformance& expected = {});

}  // namespace hone::testing
