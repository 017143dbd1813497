// What the engine shares, and that sharing changes nothing.
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "lm/local/model_fixture.hpp"
#include "lm/local/random_trie.hpp"

namespace hone::local {
namespace {

class ModelTrie : public ModelTest {};

std::size_t resident_bytes() {
  std::ifstream file("/proc/self/statm");
  std::size_t pages = 0;
  std::size_t resident = 0;
  file >> pages >> resident;
  return resident * static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
}

std::size_t unique_tokens(const std::vector<Tokens>& prompts) {
  std::set<Tokens> prefixes;
  for (const Tokens& prompt : prompts) {
    for (std::size_t i = 1; i <= prompt.size(); ++i) {
      prefixes.emplace(prompt.begin(), prompt.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
  return prefixes.size();
}

TEST_F(ModelTrie, ComputesEveryTokenOnce) {
  auto impl = open();
  Rng rng(11);
  for (int round = 0; round < 3; ++round) {
    impl->forget();
    const auto prompts = random_trie(rng, 20, 3, 6);
    Trial trial = make_trial(*impl, prompts, 1);
    for (Work& work : trial.works) work.request = &trial.request;
    const std::int64_t before = impl->counters().computed_tokens;
    const auto replies = impl->scheduler().run(trial.works, {});
    for (const auto& reply : replies) ASSERT_TRUE(reply) << reply.error().text();
    EXPECT_EQ(impl->counters().computed_tokens - before,
              static_cast<std::int64_t>(unique_tokens(prompts)));
  }
}

TEST_F(ModelTrie, UsageAddsUpToWhatWasComputed) {
  auto impl = open();
  std::vector<LmRequest> requests;
  for (const char* word : {"good", "bad", "good", "plain"}) {
    requests.push_back(make_request(
        text_prompt("Rate the film.\n", std::string("Film: a ") + word + " one."),
        {ForcedText{"\nRating:"}, LabelSlot{"rating", " ", {"high", "low"}, "\n", {}}}));
  }
  const auto replies = impl->complete(requests, {});
  std::int64_t computed = 0;
  for (const auto& reply : replies) computed += reply.value().usage.computed_tokens;
  const LocalCounters counters = impl->counters();
  EXPECT_EQ(computed, counters.computed_tokens);
  EXPECT_EQ(counters.merged_requests, 1);
  EXPECT_EQ(replies[2]->usage.computed_tokens, 0);
  EXPECT_EQ(replies[2]->text, replies[0]->text);
  EXPECT_EQ(replies[2]->usage.lm_calls, 1);
  EXPECT_EQ(counters.rows, 3);
}

TEST_F(ModelTrie, KeepsTheFixedPartForLaterCalls) {
  auto impl = open();
  const std::string fixed =
      "A long instruction that every call begins with, and a demo or two besides.";
  const auto ask = [&](const std::string& rest) {
    return impl
        ->complete(std::vector<LmRequest>{make_request(
                       text_prompt(fixed, rest), {LabelSlot{"label", " ", {"yes", "no"}, "", {}}})},
                   {})
        .front()
        .value()
        .usage;
  };
  const Usage first = ask("\nFirst?");
  const Usage second = ask("\nSecond?");
  EXPECT_EQ(first.computed_tokens, first.prompt_tokens);
  EXPECT_LT(second.computed_tokens, 6);
  EXPECT_EQ(impl->counters().kept_prefixes, 1U);
  impl->forget();
  EXPECT_EQ(impl->counters().used_cells, 0U);
  EXPECT_GT(ask("\nThird?").computed_tokens, 10);
}

TEST_F(ModelTrie, WhatWasForgottenChangesNoAnswer) {
  auto impl = open();
  const std::string fixed = "Is it good or bad?\n\nFilm: dull and long.\nVerdict: bad";
  std::vector<LmRequest> requests;
  for (int i = 0; i < 24; ++i) {
    requests.push_back(make_request(
        text_prompt(fixed, "\n\nFilm: the " + std::to_string(i) + "th part, brisk and warm."),
        {ForcedText{"\nVerdict:"}, LabelSlot{"verdict", " ", {"good", "bad"}, "", {}}}));
  }
  const auto scores = [&] {
    std::vector<double> numbers;
    for (const auto& reply : impl->complete(requests, {})) {
      for (const double number : reply.value().labels.front().log_probs) numbers.push_back(number);
    }
    return numbers;
  };
  const std::vector<double> fresh = scores();
  // A kept prefix: other batches, and so other rounding.
  ASSERT_EQ(impl->counters().kept_prefixes, 1U);
  impl->complete(std::span(requests).subspan(3, 9), {});
  impl->forget();
  EXPECT_EQ(scores(), fresh);
}

TEST_F(ModelTrie, CandidatesShareWhatTheirPromptsBeginWith) {
  auto impl = open();
  std::vector<LmRequest> requests;
  const std::string common = "The instruction all of the candidates have in common.\n";
  for (const char* demo : {"Demo: a cat.", "Demo: a dog.", "Demo: two birds."}) {
    for (const char* input : {"\nInput: one", "\nInput: two"}) {
      auto fixed = std::make_shared<const Segments>(
          Segments{Segment(Role::text, common), Segment(Role::text, demo)});
      requests.push_back(make_request(Prompt(fixed, {Segment(Role::text, input)}),
                                      {LabelSlot{"label", " ", {"yes", "no"}, "", {}}}));
    }
  }
  std::int64_t computed = 0;
  std::int64_t prompt = 0;
  for (const auto& reply : impl->complete(requests, {})) {
    computed += reply.value().usage.computed_tokens;
    prompt += reply.value().usage.prompt_tokens;
  }
  EXPECT_LT(computed, prompt / 2);
  // A new candidate that begins as the others do finds that much in the cache.
  const auto later = impl->complete(
      std::vector<LmRequest>{make_request(text_prompt(common, "Something else."),
                                          {LabelSlot{"label", " ", {"yes", "no"}, "", {}}})},
      {});
  EXPECT_LT(later.front().value().usage.computed_tokens,
            later.front().value().usage.prompt_tokens / 2);
}

TEST_F(ModelTrie, MoreLeavesThanSequences) {
  auto impl = open();
  std::vector<Tokens> prompts;
  for (Token token = 0; token < 300; ++token) prompts.push_back({5, 6, 1000 + token});
  Trial trial = make_trial(*impl, prompts, 1);
  for (Work& work : trial.works) work.request = &trial.request;
  const auto replies = impl->scheduler().run(trial.works, {});
  ASSERT_EQ(replies.size(), 300U);
  for (const auto& reply : replies) EXPECT_TRUE(reply) << reply.error().text();
  EXPECT_EQ(impl->counters().computed_tokens, 302);
}

TEST_F(ModelTrie, InAFullCacheTheYoungestRepliesWait) {
  // More are let in than there is room for, on the guess that replies are short; these are not.
  constexpr std::size_t kReply = 180;
  auto impl = open(false, 512);
  std::vector<Tokens> prompts;
  for (Token token = 0; token < 3; ++token) prompts.push_back({5, 6, 1000 + token});
  Trial trial = make_trial(*impl, prompts, kReply);
  for (Work& work : trial.works) work.request = &trial.request;
  for (const auto& reply : impl->scheduler().run(trial.works, {}))
    ASSERT_TRUE(reply) << reply.error().text();
  const LocalCounters counters = impl->counters();
  EXPECT_EQ(counters.used_cells, 0U);
  EXPECT_GT(counters.restarts, 0);
  // The two oldest have room to the end: only the youngest was computed twice.
  EXPECT_LT(counters.computed_tokens, static_cast<std::int64_t>(3 * kReply + kReply));
}

TEST_F(ModelTrie, InAFullCacheExactRepliesBeginAgainFewerAtATime) {
  constexpr std::size_t kReply = 180;
  std::vector<Tokens> prompts;
  for (Token token = 0; token < 3; ++token) prompts.push_back({5, 6, 1000 + token});
  std::vector<std::vector<std::string>> texts;
  for (const std::size_t cells : {512U, 768U}) {
    auto impl = open(true, cells);
    Trial trial = make_trial(*impl, prompts, kReply);
    for (Work& work : trial.works) work.request = &trial.request;
    texts.emplace_back();
    for (const auto& reply : impl->scheduler().run(trial.works, {}))
      texts.back().push_back(reply.value().text);
    EXPECT_EQ(impl->counters().restarts > 0, cells == 512);
    EXPECT_EQ(impl->counters().used_cells, 0U);
  }
  EXPECT_EQ(texts[0], texts[1]);
}

// What a request shares with the one before may be less than that one holds, once the prefix it
// began with is dropped.
TEST_F(ModelTrie, ADroppedPrefixLeavesItsNeighbourNothingTooLong) {
  LocalOptions options;
  options.model = smollm2_path();
  options.context_cells = 1024;
  options.tuning = LocalTuning{};
  options.tuning->width = 2;
  const std::vector<ReplyPart> reply = {TextSlot{"t", " ", "", {"never"}, 2}};
  const auto ask = [&](const std::string& fixed, const std::string& rest) {
    return make_request(text_prompt(fixed, rest), reply);
  };
  const std::string first = repeated("0 1", 50);
  const std::string second = repeated(" a", 220);
  const LmRequest grown = ask(second, " a b");
  const LmRequest shorter = ask(repeated(" a", 120), repeated(" b", 650));

  auto impl = LocalLm::Impl::open(options).value();
  ASSERT_LT(impl->tokens_of(ask(first, ""))->path.front(), impl->tokens_of(grown)->path.front());
  const auto kept = impl->complete(std::vector{ask(first, " 5"), ask(second, " a c")}, {});
  ASSERT_TRUE(kept[0] && kept[1]);
  ASSERT_EQ(impl->counters().kept_prefixes, 2U);
  // Both prefixes are in use, then the longer goes first.
  const auto replies =
      impl->complete(std::vector{ask(first, " 6"), ask(first, " 7"), grown, shorter}, {});
  for (const auto& reply_of : replies) ASSERT_TRUE(reply_of) << reply_of.error().text();
  ASSERT_GE(impl->counters().evicted_prefixes, 2);
  EXPECT_GE(replies[3]->usage.computed_tokens, 650);
  EXPECT_EQ(replies[3]->text, answer(*LocalLm::Impl::open(options).value(), shorter).text);
}

TEST_F(ModelTrie, NothingLeaksOverManyRequests) {
  auto impl = open(false, 512);
  for (int round = 0; round < 6; ++round) {
    std::vector<LmRequest> requests;
    for (int i = 0; i < 40; ++i) {
      requests.push_back(make_request(text_prompt("Candidate " + std::to_string(round % 4) + ".",
                                                  " Item " + std::to_string(i * 7 + round)),
                                      {LabelSlot{"label", " ", {"yes", "no"}, "", {}}}));
    }
    const auto replies = impl->complete(requests, {});
    for (const auto& reply : replies) ASSERT_TRUE(reply) << reply.error().text();
    const LocalCounters counters = impl->counters();
    EXPECT_LE(counters.used_cells, 256U);
    EXPECT_LE(counters.kept_prefixes, 4U);
  }
  impl->forget();
  llama_memory_t memory = llama_get_memory(impl->context());
  for (llama_seq_id id = 0; id < 256; ++id) EXPECT_EQ(llama_memory_seq_pos_max(memory, id), -1);
}

TEST_F(ModelTrie, TenThousandRequestsInOneSubmission) {
  auto impl = open(false, 4096);
  std::vector<LmRequest> requests;
  const auto plan = make_request({}, {LabelSlot{"label", " ", {"yes", "no"}, "", {}}}).reply;
  const auto fixed =
      std::make_shared<const Segments>(Segments{Segment(Role::text, "Is this number lucky?\n")});
  for (int i = 0; i < 10000; ++i) {
    LmRequest request;
    request.prompt = Prompt(fixed, {Segment(Role::text, std::to_string(10000 + i))});
    request.reply = plan;
    requests.push_back(std::move(request));
  }
  // Warm after a tenth; the rest may grow by the replies themselves.
  (void)impl->complete(std::span(requests).first(1000), {});
  impl->forget();
  const LocalCounters warm = impl->counters();
  const std::size_t warm_bytes = resident_bytes();
  const auto replies = impl->complete(requests, {});
  ASSERT_EQ(replies.size(), requests.size());
  EXPECT_LT(resident_bytes(), warm_bytes + (std::size_t{24} << 20));
  std::int64_t calls = 0;
  for (const auto& reply : replies) {
    ASSERT_TRUE(reply) << reply.error().text();
    calls += reply->usage.lm_calls;
  }
  EXPECT_EQ(calls, 10000);
  const LocalCounters counters = impl->counters();
  EXPECT_EQ(counters.rows - warm.rows, 10000);
  // A trie of digits below the fixed part.
  EXPECT_LT(counters.computed_tokens - warm.computed_tokens, 11120 + 20);
  EXPECT_LT(counters.used_cells, 20U);
}

TEST_F(ModelTrie, ConcurrentCallsAreServedOneAfterAnother) {
  auto impl = open(false, 2048, 1);
  const auto ask = [&](int i) {
    return impl
        ->complete(std::vector<LmRequest>{make_request(
                       text_prompt("Count.", " Number " + std::to_string(i)),
                       {LabelSlot{"label", " ", {"odd", "even"}, "", {}}})},
                   {})
        .front()
        .value();
  };
  std::vector<LmReply> replies(6);
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 6; ++i) {
      threads.emplace_back([&, i] { replies[static_cast<std::size_t>(i)] = ask(i); });
    }
  }
  for (int i = 0; i < 6; ++i) {
    EXPECT_NEAR(ask(i).labels[0].log_probs[0],
                replies[static_cast<std::size_t>(i)].labels[0].log_probs[0], 0.5);
  }
}

}  // namespace
}  // namespace hone::local
