#include "hone/testing/fake_clock.hpp"

#include <numeric>

namespace hone {

Clock::TimePoint FakeClock::now() const {
  const std::lock_guard lock(mutex_);
  return now_;
}

bool FakeClock::sleep_for(Duration duration, const std::stop_token& stop) const {
  if (stop.stop_requested()) return false;
  const std::lock_guard lock(mutex_);
  now_ += duration;
  sleeps_.push_back(duration);
  return true;
}

void FakeClock::advance(Duration duration) {
  const std::lock_guard lock(mutex_);
  now_ += duration;
}

std::vector<Clock::Duration> FakeClock::sleeps() const {
  const std::lock_guard lock(mutex_);
  return sleeps_;
}

Clock::Duration FakeClock::slept() const {
  const std::lock_guard lock(mutex_);
  return std::accumulate(sleeps_.begin(), sleeps_.end(), Duration::zero());
}

}  // namespace hone
