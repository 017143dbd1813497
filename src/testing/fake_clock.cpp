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
  moved_.notify_all();
  return true;
}

bool FakeClock::wait_until(TimePoint time, const std::stop_token& stop) const {
  std::unique_lock lock(mutex_);
  return moved_.wait(lock, stop, [&] { return now_ >= time; });
}

void FakeClock::advance(Duration duration) {
  const std::lock_guard lock(mutex_);
  now_ += duration;
  moved_.notify_all();
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
