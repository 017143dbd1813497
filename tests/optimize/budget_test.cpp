#include "hone/optimize/budget.hpp"

#include <gtest/gtest.h>

#include "hone/optimize/optimize.hpp"
#include "hone/testing/fake_clock.hpp"
#include "hone/testing/planted_task.hpp"

#include "optimize/planted.hpp"

namespace hone {
namespace {

using testing::planted_task;

Usage usage(std::int64_t prompt, std::int64_t generated) {
  Usage out;
  out.lm_calls = 1;
  out.prompt_tokens = prompt;
  out.generated_tokens = generated;
  return out;
}

TEST(Meter, PricesEachModelByItsOwn) {
  Budget budget;
  budget.price = {1, 2};
  budget.prices["dear"] = {10, 40};
  const FakeClock clock;
  Meter meter(budget, clock);
  for (const char* model : {"dear", "cheap"}) {
    const Meter::Ticket ticket = meter.admit(hash_of(model), 400, budget.price_of(model));
    meter.settle(ticket, usage(1'000'000, 500'000));
  }
  EXPECT_DOUBLE_EQ(meter.money(), (10 + 20) + (1 + 1));
}

TEST(Meter, LetsThroughOnlyWhatIsExpectedToFit) {
  Budget budget;
  budget.tokens = 1000;
  const FakeClock clock;
  Meter meter(budget, clock);
  // Calls of 400 bytes that take 300 tokens each: learned from the first.
  meter.settle(meter.admit(hash_of("0"), 400, {}), usage(200, 100));
  const Meter::Ticket second = meter.admit(hash_of("1"), 400, {});
  const Meter::Ticket third = meter.admit(hash_of("2"), 400, {});
  EXPECT_EQ(second.admission, Meter::Admission::fresh);
  EXPECT_EQ(third.admission, Meter::Admission::fresh);
  EXPECT_EQ(meter.admit(hash_of("3"), 400, {}).admission, Meter::Admission::refused)
      << "those under way will take the rest";
  EXPECT_TRUE(meter.spent());
  EXPECT_NE(meter.reason().find("1000 tokens"), std::string::npos) << meter.reason();
  EXPECT_EQ(meter.admit(hash_of("1"), 400, {}).admission, Meter::Admission::known);
}

TEST(Meter, CountsWhatACachedReplyTookAtFirst) {
  Budget budget;
  budget.price = {0, 1'000'000};
  const FakeClock clock;
  Meter meter(budget, clock);
  Usage cached = usage(10, 0);
  cached.cached_calls = 1;
  cached.cached_generated_tokens = 7;
  meter.settle(meter.admit(hash_of("0"), 40, budget.price), cached);
  EXPECT_DOUBLE_EQ(meter.money(), 7);
}

TEST(Meter, SecondsEndIt) {
  Budget budget;
  budget.seconds = 5;
  FakeClock clock;
  const Meter meter(budget, clock);
  EXPECT_FALSE(meter.spent());
  clock.advance(std::chrono::seconds(6));
  EXPECT_TRUE(meter.spent());
  EXPECT_NE(meter.reason().find("5 seconds"), std::string::npos);
}

TEST(Meter, TellsHowManyCallsAreLeft) {
  FakeClock clock;
  Meter none({}, clock);
  EXPECT_EQ(none.calls_left(), std::nullopt);
  Budget budget;
  budget.lm_calls = 10;
  budget.tokens = 100;
  budget.seconds = 60;
  Meter meter(budget, clock);
  EXPECT_EQ(meter.calls_left(), 10);
  meter.settle(meter.admit(hash_of("a"), 1, {}), usage(15, 5));
  EXPECT_EQ(meter.calls_left(), 4) << "of twenty tokens";
  clock.advance(std::chrono::seconds(30));
  EXPECT_EQ(meter.calls_left(), 1) << "in as many seconds as the first";
  clock.advance(std::chrono::seconds(40));
  EXPECT_EQ(meter.calls_left(), 0);
}

TEST(Budget, OfTokensAndMoneyIsNotExceeded) {
  for (const std::int64_t tokens : {500, 5000}) {
    const ScriptedLm lm(planted_task().script);
    SearchOptions options;
    options.threads = 1;
    options.budget.tokens = tokens;
    const Optimized done = optimize(planted_task().student, planted_task().task, lm,
                                    *make_optimizer("mipro").value(), options)
                               .value();
    EXPECT_LE(done.usage.prompt_tokens + done.usage.generated_tokens, tokens + tokens / 20);
    EXPECT_NE(done.stop_reason.find("tokens"), std::string::npos) << done.stop_reason;
  }
}

TEST(Budget, TeacherAndProposerHaveTheirOwnPrices) {
  const ScriptedLm lm(planted_task().script, "task");
  const ScriptedLm proposer(planted_task().script, "proposer");
  SearchOptions options;
  options.proposer_lm = &proposer;
  options.budget.prices["proposer"] = {1000, 1000};
  const Optimized done = optimize(planted_task().student, planted_task().task, lm,
                                  *make_optimizer("copro").value(), options)
                             .value();
  std::int64_t tokens = 0;
  for (const LmRequest& request : proposer.requests())
    tokens += proposer.complete_one(request)->usage.prompt_tokens +
              proposer.complete_one(request)->usage.generated_tokens;
  EXPECT_NEAR(done.money, static_cast<double>(tokens) / 1000, 1e-9);
}

}  // namespace
}  // namespace hone
