// The front door: a program, examples, a metric and an optimizer in; a better program out.
#pragma once

#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/optimize/optimizer.hpp"
#include "hone/optimize/search.hpp"

namespace hone {

struct Optimized {
  Program program;  // the student with the best trial's candidate
  Trial baseline;   // the student as it came
  Trial best;       // by the goals never worse than the baseline on the validation examples
  std::vector<Trial> trials;
  Usage usage;  // of the whole search
  double money = 0;
  double seconds = 0;
  // Complete trials that nothing else beats on the quantities the goals name; indices of `trials`.
  std::vector<std::size_t> front;
  std::string stop_reason;  // why it ended before the optimizer was through; empty when it did not
};

// Measures the student first, then runs the optimizer. A spent budget or a stop is no error: the
// best so far is returned. Errors: a bad task, an optimizer that could try nothing, a model that
// answers nothing at all.
Result<Optimized> optimize(const Program& student, Task task, const Lm& lm,
                           const Optimizer& optimizer, SearchOptions options = {});

// Whether optimize() with the same arguments could begin or go on with `options.log`, before a
// model is asked or anything is written: bad_request where it belongs to another study or is
// damaged. Fine without a log.
Result<void> check_log(const Program& student, const Task& task, const Lm& lm,
                       const Optimizer& optimizer, const SearchOptions& options);

}  // namespace hone
