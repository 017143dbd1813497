// Time as an injected part of the world; testing/fake_clock.hpp is its twin.
#pragma once

#include <chrono>
#include <stop_token>

namespace hone {

// Thread safe.
class Clock {
 public:
  using Duration = std::chrono::steady_clock::duration;
  using TimePoint = std::chrono::steady_clock::time_point;

  virtual ~Clock() = default;
  virtual TimePoint now() const = 0;
  // Returns early, with false, when a stop is asked for.
  virtual bool sleep_for(Duration duration, const std::stop_token& stop) const = 0;
  // Watches the time instead of taking it: returns when it has come, by whatever moves the clock,
  // or, with false, when a stop is asked for first.
  virtual bool wait_until(TimePoint time, const std::stop_token& stop) const = 0;
};

class SystemClock final : public Clock {
 public:
  TimePoint now() const override;
  bool sleep_for(Duration duration, const std::stop_token& stop) const override;
  bool wait_until(TimePoint time, const std::stop_token& stop) const override;
};

}  // namespace hone
