// What a run of a program is going to take, before it is made.
#pragma once

#include "hone/core/example.hpp"
#include "hone/core/trace.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/eval/goal.hpp"
#include "hone/lm/lm.hpp"
#include "hone/optimize/budget.hpp"
#include "hone/optimize/search.hpp"
#include "hone/program/program.hpp"

namespace hone {

// Rehearses the run with models that answer at once, so that all its prompts are seen as the models
// would see them, demos looked up for this example included. What the meter knows is free, but for
// sampled texts, whose seeds are not rehearsed. A run that fails in the rehearsal costs what it
// asked until then. The metric is not part of it.
Spend run_cost(const RolloutTask& task, const Lm& lm, const SearchOptions& options,
               const Meter& meter);

// What a step took when its model was first asked.
Spend spend_of(const TraceStep& step, const Prices& prices);
// What the steps took that are not the program's, but its metric's.
Spend metric_spend(const Rollout& run, const Program& program, const Prices& prices);

}  // namespace hone
