#include "hone/core/trace.hpp"

#include <algorithm>

namespace hone {

bool TraceStep::has_bad_reply() const {
  return std::ranges::any_of(faults,
                             [](const Error& fault) { return fault.kind == ErrorKind::bad_reply; });
}

Usage& Usage::operator+=(const Usage& other) {
  lm_calls += other.lm_calls;
  cached_calls += other.cached_calls;
  prompt_tokens += other.prompt_tokens;
  computed_tokens += other.computed_tokens;
  generated_tokens += other.generated_tokens;
  cached_generated_tokens += other.cached_generated_tokens;
  seconds += other.seconds;
  cached_seconds += other.cached_seconds;
  return *this;
}

Usage Trace::usage() const {
  Usage total;
  for (const TraceStep& step : steps) total += step.usage;
  return total;
}

}  // namespace hone
