#include "hone/core/trace.hpp"

namespace hone {

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
