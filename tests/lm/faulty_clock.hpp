// A fake clock that fails when a test says so.
#pragma once

#include <new>
#include <stop_token>

#include "hone/testing/fake_clock.hpp"

namespace hone::tests {

// Throws at one call of now(), as an allocation there might. For one thread.
class FaultyClock final : public Clock {
 public:
  void fail_at(int call) { calls_left_ = call; }  // 1: the next

  TimePoint now() const override {
    if (calls_left_ > 0 && --calls_left_ == 0) throw std::bad_alloc();
    return clock_.now();
  }
  bool sleep_for(Duration duration, const std::stop_token& stop) const override {
    return clock_.sleep_for(duration, stop);
  }
  bool wait_until(TimePoint time, const std::stop_token& stop) const override {
    return clock_.wait_until(time, stop);
  }

 private:
  FakeClock clock_;
  mutable int calls_left_ = 0;
};

}  // namespace hone::tests
