#include "hone/optimize/budget.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <map>
#include <memory>
#include <mutex>
#include <span>
#include <stop_token>
#include <thread>
#include <utility>

#include "hone/lm/cached_lm.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/testing/fake_clock.hpp"
#include "hone/testing/faulty_lm.hpp"
#include "hone/testing/planted_task.hpp"

#include "optimize/planted.hpp"
#include "optimize/search_lm.hpp"

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
  EXPECT_EQ(meter.admit(hash_of("1"), 400, {}).admission, Meter::Admission::under_way);
  meter.settle(second, usage(200, 100));
  EXPECT_EQ(meter.admit(hash_of("1"), 400, {}).admission, Meter::Admission::known);
}

TEST(Meter, AFailureIsPaidAgainByWhoAsksAgain) {
  Budget budget;
  budget.lm_calls = 2;
  const FakeClock clock;
  Meter meter(budget, clock);
  meter.settle(meter.admit(hash_of("0"), 400, {}), std::nullopt);
  const Meter::Ticket again = meter.admit(hash_of("0"), 400, {});
  EXPECT_EQ(again.admission, Meter::Admission::fresh);
  meter.settle(again, std::nullopt);
  EXPECT_EQ(meter.admit(hash_of("0"), 400, {}).admission, Meter::Admission::refused);
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

// What an answer takes, and how often it was asked for.
class CountingLm final : public Lm {
 public:
  explicit CountingLm(std::shared_ptr<const Lm> inner) : inner_(std::move(inner)) {}
  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override {
    std::vector<Result<LmReply>> replies = inner_->complete(requests, std::move(stop));
    const std::lock_guard lock(mutex_);
    for (const Result<LmReply>& reply : replies) {
      ++calls_;
      tokens_ += reply ? reply->usage.prompt_tokens + reply->usage.generated_tokens : 0;
    }
    return replies;
  }
  std::int64_t calls() const { return calls_; }
  std::int64_t tokens() const { return tokens_; }

 private:
  std::shared_ptr<const Lm> inner_;
  mutable std::mutex mutex_;
  mutable std::int64_t calls_ = 0;
  mutable std::int64_t tokens_ = 0;
};

// Fails every request the first few times it comes, as a server does that has no room now.
class ReluctantLm final : public Lm {
 public:
  ReluctantLm(std::shared_ptr<const Lm> inner, int refusals)
      : inner_(std::move(inner)), refusals_(refusals) {}
  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override {
    std::vector<Result<LmReply>> replies;
    for (const LmRequest& request : requests) {
      const std::unique_lock lock(mutex_);
      const bool refuses = asked_[request_key(info(), request)]++ < refusals_;
      replies.push_back(refuses ? Result<LmReply>(temporary("server", "overloaded"))
                                : inner_->complete_one(request, stop));
    }
    return replies;
  }

 private:
  std::shared_ptr<const Lm> inner_;
  int refusals_;
  mutable std::mutex mutex_;
  mutable std::map<Hash, int> asked_;
};

LmRequest planted_request(std::size_t example = 0) {
  const Predictor predictor(planted_task().student.predictors().front());
  const PromptTemplate& prompt = predictor.prompt_template();
  LmRequest request;
  request.prompt = prompt.render(planted_task().task.val[example].fields());
  request.reply = prompt.reply_plan();
  return request;
}

// Whatever fails, and however often it is asked again.
TEST(Budget, HoldsWhenCallsFail) {
  enum class Kind { calls, tokens, money };
  for (const char* optimizer : {"bootstrap_random_search", "mipro", "copro"}) {
    for (const Kind kind : {Kind::calls, Kind::tokens, Kind::money}) {
      for (const bool for_ever : {true, false}) {
        const auto scripted = std::make_shared<ScriptedLm>(planted_task().script);
        std::shared_ptr<const Lm> failing;
        if (for_ever) {
          failing = std::make_shared<FaultyLm>(scripted, FaultPlan{.fraction = 0.5});
        } else {
          failing = std::make_shared<ReluctantLm>(scripted, 1);
        }
        const CountingLm lm(failing);
        SearchOptions options;
        options.threads = 8;
        options.budget.price = {.prompt = 1e6, .generated = 1e6};
        if (kind == Kind::calls) options.budget.lm_calls = 150;
        if (kind == Kind::tokens) options.budget.tokens = 6000;
        if (kind == Kind::money) options.budget.money = 6000;
        const auto search =
            Search::make(planted_task().student, planted_task().task, lm, options).value();
        // A model that fails everything at first has no baseline; the search goes on all the same.
        (void)search->evaluate_baseline();
        (void)make_optimizer(optimizer).value()->run(*search);
        const std::string what = std::string(optimizer) + ", for ever: " + (for_ever ? "1" : "0");
        if (kind == Kind::calls) {
          EXPECT_LE(lm.calls(), 150) << what;
        } else {
          EXPECT_LE(lm.tokens(), 6000 + 6000 / 20) << what;
        }
        EXPECT_EQ(lm.tokens(),
                  search->meter().usage().prompt_tokens + search->meter().usage().generated_tokens)
            << what;
      }
    }
  }
}

// What was answered once is free; so it must not be forgotten and asked for again.
TEST(SearchLm, KeepsEveryReplyOfASearchWithoutALog) {
  const auto scripted = std::make_shared<ScriptedLm>(
      Script{.reply = {}, .score = {}, .value = [](const LmRequest&, const TextSlot&) {
               return std::string(std::size_t{1} << 20, 'x');
             }});
  const CountingLm counted(scripted);
  const FakeClock clock;
  Meter meter({}, clock);
  const auto lm = SearchLm::make(counted, meter, {}, std::nullopt).value();
  const auto plan = std::make_shared<ReplyPlan>();
  plan->parts = {TextSlot{"t", " ", "", {"\n"}, 4}};
  for (int round = 0; round < 2; ++round) {
    for (int i = 0; i < 24; ++i) {
      LmRequest request;
      request.prompt =
          Prompt(std::make_shared<const Segments>(), {Segment(Role::text, std::to_string(i))});
      request.reply = plan;
      ASSERT_TRUE(lm->get().complete_one(request));
    }
  }
  EXPECT_EQ(counted.calls(), 24);
}

// What one of them was asked is free for the other: it must not be asked for it uncounted.
TEST(SearchLm, TwoObjectsOfOneModelShareTheirReplies) {
  const ScriptedLm first(planted_task().script);
  const ScriptedLm second(planted_task().script);
  SearchOptions options;
  options.teacher_lm = &second;
  options.budget.lm_calls = 34;
  const auto search =
      Search::make(planted_task().student, planted_task().task, first, options).value();
  RunOptions as_teacher;
  as_teacher.teacher_model = true;
  (void)search->run(search->student(), search->train());
  for (const Rollout& rollout : search->run(search->student(), search->train(), as_teacher))
    EXPECT_TRUE(rollout.score);
  EXPECT_EQ(first.calls(), 24U);
  EXPECT_EQ(second.calls(), 0U);
  (void)search->run(search->student(), search->val(), as_teacher);
  EXPECT_EQ(second.calls(), 10U) << "what nobody was asked yet goes to the object that is meant";
  EXPECT_EQ(search->meter().usage().lm_calls, 34);
}

TEST(MeteredLm, TwinsInABatchArePaidOnceAndShareTheirFailure) {
  const auto scripted = std::make_shared<ScriptedLm>(planted_task().script);
  const auto failing = std::make_shared<FaultyLm>(scripted, FaultPlan{.fraction = 1});
  const CountingLm counted(failing);
  const auto cached =
      CachedLm::open({std::shared_ptr<const Lm>(), &counted}, CacheOptions{}).value();
  Budget budget;
  budget.lm_calls = 1;
  const FakeClock clock;
  Meter meter(budget, clock);
  const MeteredLm lm(*cached, meter);
  const LmRequest request = planted_request();
  const std::vector<LmRequest> twins(3, request);
  for (const Result<LmReply>& reply : lm.complete(twins, {})) {
    ASSERT_FALSE(reply);
    EXPECT_EQ(reply.error().kind, ErrorKind::temporary) << reply.error().text();
  }
  EXPECT_EQ(counted.calls(), 1);
  EXPECT_EQ(lm.complete_one(request).error().kind, ErrorKind::stopped);
  EXPECT_EQ(counted.calls(), 1);
}

// Several calls at once for the same thing, while it fails: no two of them at the model together.
TEST(MeteredLm, WhoJoinsARequestThatFailsPaysForTheNextTry) {
  const auto scripted = std::make_shared<ScriptedLm>(planted_task().script);
  const CountingLm counted(std::make_shared<ReluctantLm>(scripted, 3));
  const auto cached =
      CachedLm::open({std::shared_ptr<const Lm>(), &counted}, CacheOptions{}).value();
  Budget budget;
  budget.lm_calls = 5;
  const FakeClock clock;
  Meter meter(budget, clock);
  const MeteredLm lm(*cached, meter);
  const LmRequest request = planted_request();
  std::atomic<int> answered{0};
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i)
      threads.emplace_back([&] { answered += lm.complete_one(request).ok() ? 1 : 0; });
  }
  EXPECT_EQ(counted.calls(), 4) << "three that failed, and one for all others";
  EXPECT_EQ(answered, 5);
}

bool waits_for(const std::stop_token& stop) {
  std::mutex mutex;
  std::condition_variable_any stopped;
  std::unique_lock lock(mutex);
  stopped.wait_for(lock, stop, std::chrono::seconds(20), [] { return false; });
  return stop.stop_requested();
}

// Computes a batch like a local engine: one request after the other, until it is stopped. Here the
// time is over after the first.
class SlowLm final : public Lm {
 public:
  SlowLm(const Lm& inner, FakeClock& clock) : inner_(&inner), clock_(&clock) {}
  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override {
    std::vector<Result<LmReply>> replies;
    replies.push_back(inner_->complete_one(requests.front()));
    clock_->advance(std::chrono::seconds(10));
    while (replies.size() < requests.size()) {
      replies.push_back(waits_for(stop) ? Result<LmReply>(stopped("engine", "stopped"))
                                        : inner_->complete_one(requests[replies.size()]));
    }
    return replies;
  }

 private:
  const Lm* inner_;
  FakeClock* clock_;
};

TEST(MeteredLm, WithdrawsWhatIsUnderWayWhenTheSecondsAreOver) {
  const ScriptedLm scripted(planted_task().script);
  FakeClock clock;
  const SlowLm slow(scripted, clock);
  Budget budget;
  budget.seconds = 10;
  Meter meter(budget, clock);
  const MeteredLm lm(slow, meter);
  const std::vector<LmRequest> requests = {planted_request(0), planted_request(1),
                                           planted_request(2)};
  const std::vector<Result<LmReply>> replies = lm.complete(requests, {});
  EXPECT_TRUE(replies[0]) << "came in time";
  for (const std::size_t i : {1U, 2U}) {
    ASSERT_FALSE(replies[i]);
    EXPECT_EQ(replies[i].error().kind, ErrorKind::stopped);
    EXPECT_NE(replies[i].error().text().find("10 seconds"), std::string::npos)
        << replies[i].error().text();
  }
  EXPECT_EQ(meter.usage().lm_calls, 1);
  EXPECT_TRUE(meter.spent());
}

TEST(Budget, OfSecondsEndsAMetricThatHangs) {
  const ScriptedLm lm(planted_task().script);
  Task task = planted_task().task;
  std::atomic<bool> was_stopped{true};
  task.metric = Metric("hangs", [&](const Outcome& outcome) -> Result<Score> {
    if (!waits_for(outcome.call.options().stop)) was_stopped = false;
    return stopped("metric", "stopped");
  });
  SearchOptions options;
  options.budget.seconds = 0.01;
  const auto search = Search::make(planted_task().student, task, lm, options).value();
  (void)search->evaluate_baseline();
  EXPECT_TRUE(was_stopped);
  EXPECT_NE(search->stop_reason().find("seconds"), std::string::npos) << search->stop_reason();
}

// Answers in turns that hang on the scheduler, as a server does.
class UnevenLm final : public Lm {
 public:
  explicit UnevenLm(const Lm& inner) : inner_(&inner) {}
  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override {
    const std::uint64_t turns = request_key(info(), requests.front()).low % 4;
    for (std::uint64_t i = 0; i < turns; ++i) std::this_thread::yield();
    return inner_->complete(requests, std::move(stop));
  }

 private:
  const Lm* inner_;
};

TEST(Budget, EndsAtTheSameRunWithAnyNumberOfThreads) {
  for (const char* optimizer : {"labeled_few_shot", "bootstrap_few_shot", "copro", "mipro"}) {
    for (const int size : {3, 5, 10}) {
      for (const char* kind : {"calls", "tokens", "money"}) {
        std::string first;
        for (const std::size_t threads : {1U, 8U}) {
          const ScriptedLm scripted(planted_task().script);
          const UnevenLm lm(scripted);
          SearchOptions options;
          options.threads = threads;
          options.budget.price = {.prompt = 1e6, .generated = 3e6};
          if (kind == std::string("calls")) options.budget.lm_calls = 15 * size;
          if (kind == std::string("tokens")) options.budget.tokens = 700 * size;
          if (kind == std::string("money")) options.budget.money = 700 * size;
          const Optimized done = optimize(planted_task().student, planted_task().task, lm,
                                          *make_optimizer(optimizer).value(), options)
                                     .value();
          std::string all = done.best.candidate.to_json().to_json() + done.stop_reason;
          for (const Trial& trial : done.trials) {
            all += "\n" + trial.origin;
            for (const std::optional<double>& score : trial.scores)
              all += score ? " " + std::to_string(*score) : " -";
          }
          all += "\n" + std::to_string(done.usage.lm_calls) + " " +
                 std::to_string(done.usage.prompt_tokens);
          if (first.empty()) first = all;
          EXPECT_EQ(all, first) << optimizer << ", " << size << " in " << kind;
        }
      }
    }
  }
}

// Says how many calls were under way at once: each waits a while for company.
class CrowdLm final : public Lm {
 public:
  explicit CrowdLm(const Lm& inner) : inner_(&inner) {}
  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override {
    std::unique_lock lock(mutex_);
    ++inside_;
    most_ = std::max(most_, inside_);
    came_.notify_all();
    came_.wait_for(lock, std::chrono::milliseconds(100), [&] { return inside_ > 2; });
    std::vector<Result<LmReply>> replies = inner_->complete(requests, std::move(stop));
    --inside_;
    return replies;
  }
  // Since it was last asked.
  int most() const {
    const std::lock_guard lock(mutex_);
    return std::exchange(most_, 0);
  }

 private:
  const Lm* inner_;
  mutable std::mutex mutex_;
  mutable std::condition_variable came_;
  mutable int inside_ = 0;
  mutable int most_ = 0;
};

// Of four calls that are left, two are sure to fit.
TEST(Budget, IsNearedInPartsWhateverTheCacheKnows) {
  const ScriptedLm scripted(Script{
      .reply = {}, .score = {}, .value = [](const LmRequest&, const TextSlot&) { return "so"; }});
  const CrowdLm lm(scripted);
  const Program student =
      Program::predict(Signature::parse("number: int -> answer", "Say what it is.").value());
  Task task = planted_task().task;
  task.metric = Metric::of("any", [](const Example&, const Value&) { return 1.0; });
  const std::span<const Example> examples(task.train);
  SearchOptions options;
  options.threads = 8;
  options.budget.lm_calls = 5;
  const auto search = Search::make(student, task, lm, options).value();
  (void)search->run(student, examples.first(1));
  (void)lm.most();
  (void)search->run(student, examples.first(8));
  EXPECT_LE(lm.most(), 2) << "that the first is known says nothing of the others";

  options.budget.lm_calls = 8;
  const auto again = Search::make(student, task, lm, options).value();
  (void)again->run(student, examples.first(4));
  (void)lm.most();
  RunOptions another;
  another.sample = 1;
  (void)again->run(student, examples.first(4), another);
  EXPECT_LE(lm.most(), 2) << "another sample is not known";
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
