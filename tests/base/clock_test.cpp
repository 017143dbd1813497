#include "hone/base/clock.hpp"

#include <gtest/gtest.h>

namespace hone {
namespace {

TEST(SystemClock, AStopEndsASleepAtOnce) {
  std::stop_source source;
  source.request_stop();
  EXPECT_FALSE(SystemClock().sleep_for(std::chrono::hours(1), source.get_token()));
}

TEST(SystemClock, SleepsThrough) {
  const SystemClock clock;
  const Clock::TimePoint start = clock.now();
  EXPECT_TRUE(clock.sleep_for(std::chrono::microseconds(10), {}));
  EXPECT_GE(clock.now() - start, std::chrono::microseconds(10));
}

}  // namespace
}  // namespace hone
