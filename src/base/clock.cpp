#include "hone/base/clock.hpp"

#include <condition_variable>
#include <mutex>

namespace hone {

Clock::TimePoint SystemClock::now() const {
  return std::chrono::steady_clock::now();
}

bool SystemClock::sleep_for(Duration duration, const std::stop_token& stop) const {
  return wait_until(now() + duration, stop);
}

bool SystemClock::wait_until(TimePoint time, const std::stop_token& stop) const {
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock lock(mutex);
  wake.wait_until(lock, stop, time, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace hone
