#include "hone/lm/rate_limited_lm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "hone/testing/fake_clock.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "http_test_server.hpp"
#include "requests.hpp"

namespace hone {
namespace {

using std::chrono::seconds;
using ::testing::ElementsAre;
using tests::batch_of;
using tests::chat_request;

std::shared_ptr<ScriptedLm> yes() {
  return std::make_shared<ScriptedLm>(
      [](const LmRequest&) -> Result<std::string> { return "yes"; });
}

TEST(RateLimitedLm, WaitsForItsTurnAfterTheBurst) {
  const auto clock = std::make_shared<FakeClock>();
  const auto inner = yes();
  const RateLimitedLm lm(inner, {.requests_per_minute = 30, .burst = 3, .clock = clock});
  const auto replies = lm.complete(batch_of(5), {});
  for (const auto& reply : replies) EXPECT_TRUE(reply.ok());
  EXPECT_THAT(inner->batch_sizes(), ElementsAre(3, 1, 1));
  EXPECT_GE(clock->slept(), seconds(4));
  EXPECT_LT(clock->slept(), std::chrono::milliseconds(4001));
}

TEST(RateLimitedLm, AQuietTimeFillsTheBucketOnlyToTheBurst) {
  const auto clock = std::make_shared<FakeClock>();
  const auto inner = yes();
  const RateLimitedLm lm(inner, {.requests_per_minute = 60, .burst = 2, .clock = clock});
  clock->advance(seconds(100));
  (void)lm.complete(batch_of(3), {});
  EXPECT_THAT(inner->batch_sizes(), ElementsAre(2, 1));
}

TEST(RateLimitedLm, WithoutLimitsABatchStaysWhole) {
  const auto inner = yes();
  (void)RateLimitedLm(inner, {}).complete(batch_of(5), {});
  EXPECT_THAT(inner->batch_sizes(), ElementsAre(5));
}

TEST(RateLimitedLm, ConcurrentCallersShareTheLimitOfRequestsInFlight) {
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  const auto inner = std::make_shared<ScriptedLm>([&](const LmRequest&) -> Result<std::string> {
    const int running = ++now;
    int seen = most;
    while (seen < running && !most.compare_exchange_weak(seen, running)) {
    }
    std::this_thread::yield();
    --now;
    return "yes";
  });
  const RateLimitedLm lm(inner, {.max_concurrent = 2, .clock = {}});
  std::vector<std::jthread> threads;
  for (int t = 0; t < 8; ++t) {
    threads.emplace_back([&] {
      for (int i = 0; i < 20; ++i) EXPECT_TRUE(lm.complete_one(chat_request("q")).ok());
    });
  }
  threads.clear();
  EXPECT_LE(most, 2);
  EXPECT_EQ(inner->calls(), 160U);
}

TEST(RateLimitedLm, AStopEndsTheWait) {
  const auto inner = yes();
  const RateLimitedLm lm(inner, {.requests_per_minute = 0.001, .clock = {}});
  std::stop_source stop;
  std::jthread stopper([&] {
    while (inner->calls() == 0) std::this_thread::yield();
    stop.request_stop();
  });
  const auto replies = lm.complete(batch_of(3), stop.get_token());
  ASSERT_EQ(replies.size(), 3U);
  EXPECT_EQ(replies[2].error().kind, ErrorKind::stopped);
}

}  // namespace
}  // namespace hone
