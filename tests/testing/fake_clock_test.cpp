#include "hone/testing/fake_clock.hpp"

#include <gtest/gtest.h>

#include <chrono>
#include <stop_token>
#include <thread>

namespace hone {
namespace {

TEST(FakeClock, WhoWaitsForATimeIsWokenByWhoMovesTheClock) {
  FakeClock clock;
  const Clock::TimePoint later = clock.now() + std::chrono::hours(1);
  bool came = false;
  {
    const std::jthread waiter([&] { came = clock.wait_until(later, {}); });
    clock.advance(std::chrono::hours(1));
  }
  EXPECT_TRUE(came);
  EXPECT_EQ(clock.now(), later) << "waiting moves nothing";
}

TEST(FakeClock, AStopEndsAWait) {
  const FakeClock clock;
  std::stop_source source;
  source.request_stop();
  EXPECT_FALSE(clock.wait_until(clock.now() + std::chrono::hours(1), source.get_token()));
}

}  // namespace
}  // namespace hone
