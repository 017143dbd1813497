// A clock that only moves when told to, or when somebody sleeps on it.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>
#include <vector>

#include "hone/base/clock.hpp"

namespace hone {

// Sleeping returns at once and moves the time on by the whole duration, so that code which waits
// runs at full speed in tests and the waits can be looked at afterwards. Who waits for a time waits
// until others have moved the clock there. Thread safe.
class FakeClock final : public Clock {
 public:
  TimePoint now() const override;
  bool sleep_for(Duration duration, const std::stop_token& stop) const override;
  bool wait_until(TimePoint time, const std::stop_token& stop) const override;

  void advance(Duration duration);
  std::vector<Duration> sleeps() const;  // every finished sleep, in order
  Duration slept() const;                // their sum

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable_any moved_;
  mutable TimePoint now_{std::chrono::hours{1}};
  mutable std::vector<Duration> sleeps_;
};

}  // namespace hone
