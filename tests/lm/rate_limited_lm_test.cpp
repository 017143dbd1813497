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

TEST(RateLimitedLm, AWithdrawnRequestTakesNoTurn) {
  const auto clock = std::make_shared<FakeClock>();
  std::stop_source before;
  std::stop_source meanwhile;
  const auto inner =
      std::make_shared<ScriptedLm>([&](const LmRequest& request) -> Result<std::string> {
        meanwhile.request_stop();
        return request.prompt.rest()[0].text();
      });
  const RateLimitedLm lm(inner, {.requests_per_minute = 60, .burst = 2, .clock = clock});
  std::vector<LmRequest> batch = batch_of(6);
  batch[0].stop = batch[2].stop = before.get_token();
  batch[4].stop = meanwhile.get_token();
  before.request_stop();
  const auto replies = lm.complete(batch, {});
  ASSERT_EQ(replies.size(), 6U);
  for (const std::size_t i : {0U, 2U, 4U}) EXPECT_EQ(replies[i].error().kind, ErrorKind::stopped);
  for (const std::size_t i : {1U, 3U, 5U}) EXPECT_EQ(replies[i].value().text, std::to_string(i));
  EXPECT_THAT(inner->batch_sizes(), ElementsAre(2, 1));
  EXPECT_LT(clock->slept(), std::chrono::milliseconds(1001));
}

TEST(RateLimitedLm, AWithdrawalEndsTheWait) {
  const auto inner = yes();
  const RateLimitedLm lm(inner, {.requests_per_minute = 0.001, .clock = {}});
  std::stop_source withdrawal;
  std::jthread withdrawing([&] {
    while (inner->calls() == 0) std::this_thread::yield();
    withdrawal.request_stop();
  });
  std::vector<LmRequest> batch = batch_of(2);
  batch[1].stop = withdrawal.get_token();
  const auto replies = lm.complete(batch, {});
  ASSERT_EQ(replies.size(), 2U);
  EXPECT_TRUE(replies[0].ok());
  EXPECT_EQ(replies[1].error().kind, ErrorKind::stopped);
  EXPECT_EQ(inner->calls(), 1U);
}

TEST(RateLimitedLm, AWithdrawalEndsTheWaitForOthersInFlight) {
  tests::Gate begun;
  tests::Gate gate;
  const auto inner = std::make_shared<ScriptedLm>([&](const LmRequest&) -> Result<std::string> {
    begun.open();
    gate.wait();
    return "yes";
  });
  const RateLimitedLm lm(inner, {.max_concurrent = 1, .clock = {}});
  std::jthread other([&] { EXPECT_TRUE(lm.complete_one(chat_request("p")).ok()); });
  begun.wait();
  std::stop_source withdrawal;
  LmRequest request = chat_request("q");
  request.stop = withdrawal.get_token();
  std::jthread withdrawing([&] { withdrawal.request_stop(); });
  EXPECT_EQ(lm.complete_one(request).error().kind, ErrorKind::stopped);
  EXPECT_EQ(inner->calls(), 1U);
  gate.open();
}

}  // namespace
}  // namespace hone
