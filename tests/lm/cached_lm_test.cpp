#include "hone/lm/cached_lm.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>
#include <sys/resource.h>

#include <algorithm>
#include <atomic>
#include <cmath>
#include <csignal>
#include <limits>
#include <thread>

#include "hone/base/file.hpp"
#include "hone/testing/faulty_lm.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "http_test_server.hpp"
#include "requests.hpp"
#include "temporary_folder.hpp"

namespace hone {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using tests::chat_request;
using tests::label_request;

std::shared_ptr<ScriptedLm> echo() {
  return std::make_shared<ScriptedLm>([](const LmRequest& request) -> Result<std::string> {
    return "to " + request.prompt.rest()[0].text();
  });
}

std::shared_ptr<ScriptedLm> scorer() {
  Script script;
  script.score = [](const LmRequest&, const LabelSlot&) { return std::vector<double>{-1.0, -1.5}; };
  return std::make_shared<ScriptedLm>(std::move(script));
}

std::unique_ptr<CachedLm> open(std::shared_ptr<const Lm> inner, CacheOptions options = {}) {
  return CachedLm::open(std::move(inner), std::move(options)).value();
}

void sql(const std::filesystem::path& path, const std::string& statement) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database, statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
      << sqlite3_errmsg(database);
  sqlite3_close(database);
}

TEST(CachedLm, AnswersAgainWithoutTheModel) {
  const auto inner = echo();
  const auto lm = open(inner);
  const LmReply first = lm->complete_one(chat_request("q")).value();
  const LmReply second = lm->complete_one(chat_request("q")).value();
  EXPECT_EQ(first.text, "to q");
  EXPECT_EQ(second.text, first.text);
  EXPECT_EQ(first.usage.cached_calls, 0);
  EXPECT_EQ(second.usage.lm_calls, 1);
  EXPECT_EQ(second.usage.cached_calls, 1);
  EXPECT_EQ(second.usage.prompt_tokens, first.usage.prompt_tokens);
  EXPECT_EQ(second.usage.computed_tokens, 0);
  EXPECT_EQ(second.usage.generated_tokens, 0);
  EXPECT_EQ(inner->calls(), 1U);
  EXPECT_EQ(lm->stats().memory_hits, 1U);
  EXPECT_EQ(lm->stats().misses, 1U);
}

TEST(CachedLm, OneBesideItHasTheSameRepliesAndAsksItsOwnModel) {
  const auto inner = echo();
  const auto other = echo();
  const auto lm = open(inner);
  const auto beside = lm->beside(other);
  EXPECT_EQ(lm->complete_one(chat_request("a")).value().text, "to a");
  EXPECT_EQ(beside->complete_one(chat_request("a")).value().usage.cached_calls, 1);
  EXPECT_EQ(beside->complete_one(chat_request("b")).value().usage.cached_calls, 0);
  EXPECT_EQ(lm->complete_one(chat_request("b")).value().usage.cached_calls, 1);
  EXPECT_EQ(inner->calls(), 1U);
  EXPECT_EQ(other->calls(), 1U);
  EXPECT_EQ(lm->stats().memory_hits, 2U);
}

TEST(CachedLm, TheMissesOfABatchGoOutAsOneBatchInOrderAndDuplicatesOnce) {
  const auto inner = echo();
  const auto lm = open(inner);
  (void)lm->complete_one(chat_request("b")).value();
  const std::vector<LmRequest> batch = {chat_request("a"), chat_request("b"), chat_request("a"),
                                        chat_request("c")};
  const auto replies = lm->complete(batch, {});
  ASSERT_EQ(replies.size(), 4U);
  EXPECT_EQ(replies[0].value().text, "to a");
  EXPECT_EQ(replies[1].value().text, "to b");
  EXPECT_EQ(replies[2].value().text, "to a");
  EXPECT_EQ(replies[3].value().text, "to c");
  EXPECT_THAT(inner->batch_sizes(), ElementsAre(1, 2));
  EXPECT_EQ(inner->requests()[1].prompt.rest()[0].text(), "a");
  EXPECT_EQ(inner->requests()[2].prompt.rest()[0].text(), "c");
  EXPECT_EQ(replies[2].value().usage.cached_calls, 1);
  EXPECT_EQ(lm->stats().joined, 1U);
}

TEST(CachedLm, IdenticalRequestsOfConcurrentThreadsAreSentOnce) {
  tests::Gate gate;
  std::atomic<int> arrived{0};
  const auto inner = std::make_shared<ScriptedLm>([&](const LmRequest&) -> Result<std::string> {
    gate.wait();
    return "x";
  });
  const auto lm = open(inner);
  std::vector<std::jthread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      ++arrived;
      EXPECT_EQ(lm->complete_one(chat_request("q")).value().text, "x");
    });
  }
  while (arrived < 8) std::this_thread::yield();
  gate.open();
  threads.clear();
  EXPECT_EQ(inner->calls(), 1U);
  EXPECT_EQ(lm->stats().joined + lm->stats().memory_hits, 7U);
}

TEST(CachedLm, AConcurrentCallerThatIsStoppedDoesNotStopTheOthers) {
  tests::Gate begun;
  tests::Gate gate;
  std::atomic<int> calls{0};
  std::stop_source stop_first;
  const auto inner = std::make_shared<ScriptedLm>([&](const LmRequest&) -> Result<std::string> {
    if (calls++ > 0) return "x";
    begun.open();
    gate.wait();
    return stopped("", "by its caller");
  });
  const auto lm = open(inner);
  std::jthread first(
      [&] { EXPECT_FALSE(lm->complete_one(chat_request("q"), stop_first.get_token()).ok()); });
  begun.wait();
  std::jthread second([&] { EXPECT_EQ(lm->complete_one(chat_request("q")).value().text, "x"); });
  gate.open();
}

TEST(CachedLm, AWaitingFollowerCanBeStopped) {
  tests::Gate begun;
  tests::Gate gate;
  const auto inner = std::make_shared<ScriptedLm>([&](const LmRequest&) -> Result<std::string> {
    begun.open();
    gate.wait();
    return "x";
  });
  const auto lm = open(inner);
  std::jthread leader([&] { EXPECT_TRUE(lm->complete_one(chat_request("q")).ok()); });
  begun.wait();
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(lm->complete_one(chat_request("q"), stop.get_token()).error().kind, ErrorKind::stopped);
  gate.open();
}

TEST(CachedLm, AWaitingFollowerCanBeWithdrawn) {
  tests::Gate begun;
  tests::Gate gate;
  const auto inner = std::make_shared<ScriptedLm>([&](const LmRequest&) -> Result<std::string> {
    begun.open();
    gate.wait();
    return "x";
  });
  const auto lm = open(inner);
  std::jthread leader([&] { EXPECT_TRUE(lm->complete_one(chat_request("q")).ok()); });
  begun.wait();
  std::stop_source source;
  LmRequest request = chat_request("q");
  request.stop = source.get_token();
  std::jthread withdrawing([&] { source.request_stop(); });
  EXPECT_EQ(lm->complete_one(request).error().kind, ErrorKind::stopped);
  gate.open();
}

TEST(CachedLm, FailuresAreNotKept) {
  std::atomic<int> calls{0};
  const auto inner = std::make_shared<ScriptedLm>([&](const LmRequest&) -> Result<std::string> {
    if (calls++ == 0) return temporary("", "busy");
    return "x";
  });
  const auto lm = open(inner);
  EXPECT_FALSE(lm->complete_one(chat_request("q")).ok());
  EXPECT_EQ(lm->complete_one(chat_request("q")).value().text, "x");
}

TEST(CachedLm, OneFailureOfABatchLeavesTheOthersAlone) {
  const auto faulty = std::make_shared<FaultyLm>(echo(), FaultPlan{.fraction = 0.5, .seed = 3});
  const auto lm = open(faulty);
  std::vector<LmRequest> batch;
  for (int i = 0; i < 40; ++i) batch.push_back(chat_request(std::to_string(i)));
  const auto replies = lm->complete(batch, {});
  for (std::size_t i = 0; i < batch.size(); ++i)
    EXPECT_EQ(replies[i].ok(), !faulty->fails(batch[i])) << i;
}

class ThrowingLm final : public Lm {
 public:
  const LmInfo& info() const override { return info_; }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest>,
                                        std::stop_token) const override {
    throw std::bad_alloc();
  }

 private:
  LmInfo info_;
};

TEST(CachedLm, AnExceptionOfTheModelLeavesNoFlightBehind) {
  const auto lm = open(std::make_shared<ThrowingLm>());
  EXPECT_THROW((void)lm->complete_one(chat_request("q")), std::bad_alloc);
  EXPECT_THROW((void)lm->complete_one(chat_request("q")), std::bad_alloc);
}

TEST(CachedLm, AKeptChoiceServesAnyBias) {
  const auto inner = scorer();
  const auto lm = open(inner);
  EXPECT_EQ(lm->complete_one(label_request("t")).value().text, "\nLabel: positive");
  const LmReply biased = lm->complete_one(label_request("t", {1.0, 0.0})).value();
  EXPECT_EQ(biased.text, "\nLabel: negative");
  EXPECT_EQ(biased.labels[0].chosen, 1U);
  EXPECT_THAT(biased.labels[0].log_probs, ElementsAre(-1.0, -1.5));
  EXPECT_EQ(inner->calls(), 1U);
}

TEST(CachedLm, SamplesOfAChoiceAreDrawnFromScoresComputedOnce) {
  const auto inner = scorer();
  const auto lm = open(inner);
  std::vector<LmRequest> requests(40, label_request("t"));
  for (std::size_t i = 0; i < requests.size(); ++i) {
    requests[i].settings.temperature = 1;
    requests[i].sample = i;
  }
  std::size_t positive = 0;
  for (const Result<LmReply>& reply : lm->complete(requests, {}))
    positive += static_cast<std::size_t>(reply.value().labels.front().chosen == 0);
  EXPECT_GT(positive, 10U);
  EXPECT_LT(positive, 39U);
  EXPECT_EQ(inner->calls(), 1U);
}

TEST(CachedLm, DuplicatesOfABatchMayDifferInBias) {
  const auto lm = open(scorer());
  const std::vector<LmRequest> batch = {label_request("t", {1.0, 0.0}), label_request("t")};
  const auto replies = lm->complete(batch, {});
  EXPECT_EQ(replies[0].value().text, "\nLabel: negative");
  EXPECT_EQ(replies[1].value().text, "\nLabel: positive");
}

// Scores labels, and refuses biases that are no finite numbers and replies of no token.
class RefusingLm final : public Lm {
 public:
  const LmInfo& info() const override { return info_; }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token) const override {
    std::vector<Result<LmReply>> replies;
    for (const LmRequest& request : requests) {
      const auto& slot = std::get<LabelSlot>(request.reply->parts.back());
      const bool is_refused =
          request.settings.max_tokens == std::size_t{0} ||
          !std::ranges::all_of(slot.bias, [](double bias) { return std::isfinite(bias); });
      if (is_refused) {
        replies.emplace_back(bad_request("", "no such request"));
        continue;
      }
      LmReply reply;
      reply.labels.push_back({.field = slot.field, .log_probs = {-1.0, -1.5}, .chosen = 0});
      replies.emplace_back(std::move(reply));
    }
    return replies;
  }

 private:
  LmInfo info_{.identity = "refusing", .scores_labels = true};
};

TEST(CachedLm, ARefusalIsOnlyOfThoseWhoAskedAlike) {
  const auto lm = open(std::make_shared<RefusingLm>());
  const double infinity = std::numeric_limits<double>::infinity();
  std::vector<LmRequest> batch = {label_request("t", {-infinity, 0}), label_request("t"),
                                  label_request("t", {-infinity, 0}),
                                  label_request("t", {1.0, 0.0})};
  const auto replies = lm->complete(batch, {});
  EXPECT_EQ(replies[0].error().kind, ErrorKind::bad_request);
  EXPECT_EQ(replies[1].value().text, "\nLabel: positive");
  EXPECT_EQ(replies[2].error().kind, ErrorKind::bad_request);
  EXPECT_EQ(replies[3].value().text, "\nLabel: negative");
  EXPECT_EQ(lm->stats().misses, 2U);
  EXPECT_EQ(lm->stats().joined, 2U);

  batch = {label_request("u"), label_request("u")};
  batch[0].settings.max_tokens = 0;
  const auto others = lm->complete(batch, {});
  EXPECT_EQ(others[0].error().kind, ErrorKind::bad_request);
  EXPECT_EQ(others[1].value().text, "\nLabel: positive");
}

TEST(CachedLm, TheLeastRecentlyUsedReplyGoesFirst) {
  const auto inner = echo();
  const auto lm = open(inner, {.max_bytes = 1200, .file = {}});
  (void)lm->complete_one(chat_request("a")).value();
  (void)lm->complete_one(chat_request("b")).value();
  for (int i = 0; i < 20; ++i) {
    (void)lm->complete_one(chat_request("a")).value();
    (void)lm->complete_one(chat_request(std::to_string(i))).value();
  }
  EXPECT_EQ(inner->calls(), 22U);
  (void)lm->complete_one(chat_request("b")).value();
  EXPECT_EQ(inner->calls(), 23U);
}

TEST(CachedLm, AFileOutlivesTheProcess) {
  const tests::TemporaryFolder folder;
  const CacheOptions options{.file = folder / "cache.db"};
  const auto fresh = open(scorer(), options)->complete_one(label_request("t")).value();
  const auto inner = scorer();
  const auto lm = open(inner, options);
  const LmReply kept = lm->complete_one(label_request("t")).value();
  EXPECT_EQ(kept.text, fresh.text);
  EXPECT_EQ(kept.labels[0].log_probs, fresh.labels[0].log_probs);
  EXPECT_EQ(kept.usage.cached_calls, 1);
  EXPECT_EQ(kept.usage.prompt_tokens, fresh.usage.prompt_tokens);
  EXPECT_EQ(lm->complete_one(label_request("t", {1.0, 0.0})).value().text, "\nLabel: negative");
  EXPECT_EQ(inner->calls(), 0U);
  EXPECT_EQ(lm->stats().file_hits, 1U);
}

TEST(CachedLm, WhereAnotherCacheSavesFirstTheLabelIsStillTheRequestsOwn) {
  const tests::TemporaryFolder folder;
  const CacheOptions options{.file = folder / "cache.db"};
  const auto first = open(scorer(), options);
  Script script;
  script.score = [&](const LmRequest&, const LabelSlot&) {
    // While this model computes, the other cache answers the same choice without a bias.
    EXPECT_EQ(first->complete_one(label_request("t")).value().text, "\nLabel: positive");
    return std::vector<double>{-1.0, -1.5};
  };
  const auto second = open(std::make_shared<ScriptedLm>(std::move(script)), options);
  const LmReply biased = second->complete_one(label_request("t", {1.0, 0.0})).value();
  EXPECT_EQ(biased.text, "\nLabel: negative");
  EXPECT_EQ(biased.labels[0].chosen, 1U);
  EXPECT_EQ(second->stats().misses, 1U);
}

// Says "x" with scores, or with a token that is half a character.
class ScoringLm final : public Lm {
 public:
  explicit ScoringLm(std::string first) : first_(std::move(first)) {}
  const LmInfo& info() const override { return info_; }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token) const override {
    LmReply reply;
    reply.text = "x";
    if (requests.front().settings.log_probs) reply.tokens = {{first_, -0.5}, {"b", -1.25}};
    return {requests.size(), reply};
  }

 private:
  std::string first_;
  LmInfo info_{.identity = "scoring"};
};

TEST(CachedLm, TheFileKeepsLogProbabilitiesForThoseWhoAsk) {
  const tests::TemporaryFolder folder;
  const CacheOptions options{.file = folder / "cache.db"};
  LmRequest request = chat_request("q");
  request.settings.log_probs = true;
  const auto inner = std::make_shared<ScoringLm>("a");
  const LmReply fresh = open(inner, options)->complete_one(request).value();
  EXPECT_EQ(fresh.tokens.size(), 2U);
  const auto lm = open(inner, options);
  EXPECT_EQ(lm->complete_one(request).value().tokens, fresh.tokens);
  EXPECT_EQ(lm->stats().file_hits, 1U);
  EXPECT_TRUE(lm->complete_one(chat_request("q")).value().tokens.empty());
  EXPECT_EQ(lm->stats().misses, 1U);

  // JSON could not give these bytes back.
  const auto halves = open(std::make_shared<ScoringLm>("\xF0\x9F"), {.file = folder / "other.db"});
  EXPECT_EQ(halves->complete_one(request).value().tokens[0].text, "\xF0\x9F");
  const auto again = open(std::make_shared<ScoringLm>("\xF0\x9F"), {.file = folder / "other.db"});
  EXPECT_EQ(again->complete_one(request).value().tokens[0].text, "\xF0\x9F");
  EXPECT_EQ(again->stats().misses, 1U);
}

TEST(CachedLm, TheFileKeepsALabelThatIsRuledOut) {
  const tests::TemporaryFolder folder;
  const CacheOptions options{.file = folder / "cache.db"};
  Script script;
  script.score = [](const LmRequest&, const LabelSlot&) {
    return std::vector<double>{-std::numeric_limits<double>::infinity(), -2.25};
  };
  (void)open(std::make_shared<ScriptedLm>(script), options)
      ->complete_one(label_request("t"))
      .value();
  const auto kept = open(scorer(), options)->complete_one(label_request("t")).value();
  EXPECT_THAT(kept.labels[0].log_probs,
              ElementsAre(-std::numeric_limits<double>::infinity(), -2.25));
}

TEST(CachedLm, ARowThatMakesNoSenseIsAskedAgain) {
  const tests::TemporaryFolder folder;
  const CacheOptions options{.file = folder / "cache.db"};
  (void)open(echo(), options)->complete_one(chat_request("q")).value();
  sql(folder / "cache.db", "UPDATE reply SET json = '{\"text\": 7}'");
  const auto lm = open(echo(), options);
  EXPECT_EQ(lm->complete_one(chat_request("q")).value().text, "to q");
  EXPECT_EQ(lm->stats().file_failures, 1U);
  EXPECT_EQ(open(echo(), options)->complete_one(chat_request("q")).value().usage.cached_calls, 1);
}

TEST(CachedLm, ADamagedFileIsAClearErrorAndLeftAlone) {
  const tests::TemporaryFolder folder;
  const std::string bytes(5000, 'x');
  write_file(folder / "cache.db", bytes).value();
  const auto lm = CachedLm::open(echo(), {.file = folder / "cache.db"});
  ASSERT_FALSE(lm.ok());
  EXPECT_EQ(lm.error().kind, ErrorKind::bad_request);
  EXPECT_THAT(lm.error().text(), AllOf(HasSubstr("cache.db"), HasSubstr("name another file")));
  EXPECT_EQ(read_file(folder / "cache.db").value(), bytes);
}

TEST(CachedLm, FaultsOfTheFileCallItWhatItIsToTheCaller) {
  const tests::TemporaryFolder folder;
  write_file(folder / "study.db", std::string(5000, 'x')).value();
  const auto lm = CachedLm::open(echo(), {.file = folder / "study.db", .file_kind = "study log"});
  ASSERT_FALSE(lm.ok());
  EXPECT_THAT(lm.error().text(), AllOf(HasSubstr("no study log"), Not(HasSubstr("cache"))));
}

TEST(CachedLm, AFileOfANewerVersionIsAClearError) {
  const tests::TemporaryFolder folder;
  (void)open(echo(), {.file = folder / "cache.db"});
  sql(folder / "cache.db", "PRAGMA user_version = 99");
  const auto lm = CachedLm::open(echo(), {.file = folder / "cache.db"});
  ASSERT_FALSE(lm.ok());
  EXPECT_THAT(lm.error().text(), AllOf(HasSubstr("newer hone"), HasSubstr("99")));
}

TEST(CachedLm, SomebodyElsesDatabaseIsNotTouched) {
  const tests::TemporaryFolder folder;
  sql(folder / "other.db", "CREATE TABLE mine (x)");
  const auto lm = CachedLm::open(echo(), {.file = folder / "other.db"});
  ASSERT_FALSE(lm.ok());
  EXPECT_THAT(lm.error().text(), HasSubstr("no cache of hone's"));
}

TEST(CachedLm, AFolderThatIsNotThereIsAClearError) {
  const auto lm = CachedLm::open(echo(), {.file = "/nowhere/at/all/cache.db"});
  ASSERT_FALSE(lm.ok());
  EXPECT_EQ(lm.error().kind, ErrorKind::bad_request);
  EXPECT_THAT(lm.error().text(), HasSubstr("/nowhere/at/all/cache.db"));
}

// Stands in for a full disk: writes past the limit fail with EFBIG instead of ENOSPC.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    old_handler_ = std::signal(SIGXFSZ, SIG_IGN);
    ::getrlimit(RLIMIT_FSIZE, &old_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = old_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &old_);
    std::signal(SIGXFSZ, old_handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit old_{};
  void (*old_handler_)(int) = nullptr;
};

TEST(CachedLm, AFullDiskFailsNoRequest) {
  const tests::TemporaryFolder folder;
  const CacheOptions options{.max_bytes = 0, .file = folder / "cache.db"};
  const auto inner = echo();
  const auto lm = open(inner, options);
  const std::string large(100'000, 'x');
  (void)lm->complete_one(chat_request("before")).value();
  {
    const FileSizeLimit limit(64 << 10);
    EXPECT_EQ(lm->complete_one(chat_request(large)).value().text, "to " + large);
    EXPECT_EQ(lm->stats().file_failures, 1U);
    EXPECT_EQ(lm->complete_one(chat_request("before")).value().usage.cached_calls, 1);
  }
  (void)lm->complete_one(chat_request(large)).value();
  EXPECT_EQ(lm->complete_one(chat_request(large)).value().usage.cached_calls, 1);
}

TEST(CachedLm, TwoCachesShareAFileConcurrently) {
  const tests::TemporaryFolder folder;
  const CacheOptions options{.file = folder / "cache.db"};
  const auto a = open(echo(), options);
  const auto b = open(echo(), options);
  std::vector<std::jthread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 25; ++i) {
        const std::string question = std::to_string(t * 10 + i);
        EXPECT_EQ((t % 2 == 0 ? a : b)->complete_one(chat_request(question)).value().text,
                  "to " + question);
      }
    });
  }
  threads.clear();
  EXPECT_EQ(a->stats().file_failures + b->stats().file_failures, 0U);
}

}  // namespace
}  // namespace hone
