#include "hone/lm/endpoint_pool.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

#include "hone/testing/fake_clock.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "faulty_clock.hpp"
#include "requests.hpp"

namespace hone {
namespace {

using std::chrono::seconds;
using ::testing::HasSubstr;
using tests::batch_of;
using tests::chat_request;

std::shared_ptr<ScriptedLm> named(const std::string& name) {
  return std::make_shared<ScriptedLm>(
      Script{.reply = [name](const LmRequest&) -> Result<std::string> { return name; },
             .score = {},
             .value = {}},
      name);
}

struct Flaky {
  std::shared_ptr<std::atomic<bool>> is_up = std::make_shared<std::atomic<bool>>(false);
  std::shared_ptr<ScriptedLm> lm =
      std::make_shared<ScriptedLm>([up = is_up](const LmRequest&) -> Result<std::string> {
        if (*up) return "up again";
        return temporary("flaky", "connection refused");
      });
};

TEST(EndpointPool, SpreadsABatchEvenlyAndKeepsItsOrder) {
  const auto a = named("a");
  const auto b = named("b");
  const EndpointPool pool({a, b});
  const auto replies = pool.complete(batch_of(6), {});
  for (std::size_t i = 0; i < replies.size(); ++i)
    EXPECT_EQ(replies[i].value().text, i % 2 == 0 ? "a" : "b");
  EXPECT_EQ(a->calls(), 3U);
  EXPECT_EQ(b->calls(), 3U);
}

TEST(EndpointPool, AnEndpointThatFailsIsLeftAloneForAWhile) {
  const auto clock = std::make_shared<FakeClock>();
  const Flaky flaky;
  const auto good = named("good");
  const EndpointPool pool({flaky.lm, good}, {.cool_down = seconds(30), .clock = clock});
  EXPECT_EQ(pool.complete_one(chat_request("q")).value().text, "good");
  EXPECT_EQ(pool.complete_one(chat_request("q")).value().text, "good");
  EXPECT_EQ(flaky.lm->calls(), 1U);
  *flaky.is_up = true;
  clock->advance(seconds(31));
  EXPECT_EQ(pool.complete_one(chat_request("q")).value().text, "up again");
}

TEST(EndpointPool, AllDownIsATemporaryErrorThatSaysWhy) {
  const auto clock = std::make_shared<FakeClock>();
  const Flaky first;
  const Flaky second;
  const EndpointPool pool({first.lm, second.lm}, {.cool_down = seconds(30), .clock = clock});
  const Error error = pool.complete_one(chat_request("q")).error();
  EXPECT_EQ(error.kind, ErrorKind::temporary);
  EXPECT_THAT(error.text(), HasSubstr("connection refused"));
  const Error later = pool.complete_one(chat_request("q")).error();
  EXPECT_EQ(later.kind, ErrorKind::temporary);
  EXPECT_THAT(later.text(), HasSubstr("all 2 endpoints"));
  EXPECT_EQ(first.lm->calls() + second.lm->calls(), 2U);
}

TEST(EndpointPool, AWrongRequestIsNotTriedElsewhere) {
  const auto picky = std::make_shared<ScriptedLm>(
      [](const LmRequest&) -> Result<std::string> { return bad_request("", "too long"); });
  const auto other = named("other");
  EXPECT_EQ(EndpointPool({picky, other}).complete_one(chat_request("q")).error().kind,
            ErrorKind::bad_request);
  EXPECT_EQ(other->calls(), 0U);
}

TEST(EndpointPool, ACallThatThrowsLeavesNoLoadBehind) {
  const auto clock = std::make_shared<tests::FaultyClock>();
  const auto a = named("a");
  const auto b = named("b");
  const EndpointPool pool({a, b}, {.clock = clock});
  // The first request is picked for already when the second one's turn fails.
  clock->fail_at(2);
  EXPECT_THROW((void)pool.complete(batch_of(2), {}), std::bad_alloc);
  EXPECT_EQ(pool.complete_one(chat_request("q")).value().text, "a");
}

TEST(EndpointPool, ItsIdentityDoesNotDependOnTheOrder) {
  EXPECT_EQ(EndpointPool({named("a"), named("b")}).info().identity,
            EndpointPool({named("b"), named("a")}).info().identity);
  EXPECT_EQ(EndpointPool({named("a"), named("a")}).info().identity, "a");
}

}  // namespace
}  // namespace hone
