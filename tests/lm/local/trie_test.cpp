// What the engine shares, and that sharing changes nothing.
#include <algorithm>
#include <map>
#include <set>
#include <thread>

#include "hone/base/rng.hpp"

#include "lm/local/model_fixture.hpp"
#include "lm/local/rows.hpp"

namespace hone::local {
namespace {

class ModelTrie : public ModelTest {};
class ModelExact : public ModelTest {};

// Random token strings that share beginnings: nodes of a trie `depth` deep, leaves below them, some
// doubled, some prompts that begin others.
std::vector<Tokens> random_trie(Rng& rng, std::size_t leaves, std::size_t depth,
                                std::size_t longest_run) {
  std::vector<Tokens> nodes = {Tokens{}};
  std::vector<Tokens> prompts;
  while (prompts.size() < leaves) {
    Tokens tokens = nodes[rng.below(nodes.size())];
    const std::size_t run = 1 + rng.below(longest_run);
    for (std::size_t i = 0; i < run; ++i)
      tokens.push_back(static_cast<Token>(100 + rng.below(40000)));
    if (nodes.size() < depth * 2 && tokens.size() < depth * longest_run) nodes.push_back(tokens);
    if (rng.below(3) == 0 && !nodes.back().empty()) prompts.push_back(nodes.back());
    prompts.push_back(tokens);
    if (rng.below(5) == 0) prompts.push_back(tokens);
  }
  prompts.resize(leaves);
  return prompts;
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

struct Trial {
  LmRequest request;
  std::vector<Work> works;
};

// Works with the given tokens that each generate up to `generated` tokens greedily.
Trial make_trial(LocalLm::Impl& impl, const std::vector<Tokens>& prompts, std::size_t generated) {
  Trial trial;
  trial.request = make_request({}, {TextSlot{"out", "", "", {"\n\n\n\n"}, generated}});
  auto program = compile_plan(trial.request.reply, impl.tokenizer());
  const auto shared = std::make_shared<const SlotProgram>(*std::move(program));
  for (const Tokens& prompt : prompts) {
    Work work;
    work.program = shared;
    work.tokens = prompt;
    work.prompt_tokens = prompt.size();
    trial.works.push_back(std::move(work));
  }
  return trial;
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

TEST_F(ModelTrie, AFullCacheHalvesTheWaveAndGoesOn) {
  // Three lanes are let in on the guess that replies are short; these are not.
  auto impl = open(false, 256);
  std::vector<Tokens> prompts;
  for (Token token = 0; token < 4; ++token) prompts.push_back({5, 6, 1000 + token});
  Trial trial = make_trial(*impl, prompts, 100);
  for (Work& work : trial.works) work.request = &trial.request;
  for (const auto& reply : impl->scheduler().run(trial.works, {}))
    ASSERT_TRUE(reply) << reply.error().text();
  EXPECT_EQ(impl->counters().used_cells, 0U);
  EXPECT_GT(impl->counters().restarts, 0);
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
  const auto replies = impl->complete(requests, {});
  ASSERT_EQ(replies.size(), requests.size());
  std::int64_t calls = 0;
  for (const auto& reply : replies) {
    ASSERT_TRUE(reply) << reply.error().text();
    calls += reply->usage.lm_calls;
  }
  EXPECT_EQ(calls, 10000);
  const LocalCounters counters = impl->counters();
  EXPECT_EQ(counters.rows, 10000);
  // A trie of digits below the fixed part.
  EXPECT_LT(counters.computed_tokens, 11120 + 20);
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

// ---- Exact mode ----

using ObservedRows = std::map<Tokens, std::vector<float>>;

ObservedRows run_observed(LocalLm::Impl& impl, Trial& trial) {
  ObservedRows rows;
  impl.scheduler().observe_rows([&](const Tokens& before, std::span<const float> logits) {
    rows[before].assign(logits.begin(), logits.end());
  });
  for (Work& work : trial.works) work.request = &trial.request;
  const auto replies = impl.scheduler().run(trial.works, {});
  for (const auto& reply : replies) EXPECT_TRUE(reply) << reply.error().text();
  impl.scheduler().observe_rows({});
  return rows;
}

// Decodes every prompt by itself, greedily, and counts the rows that differ in any bit.
std::size_t different_rows(NaiveDecoder& naive, const ObservedRows& rows,
                           const std::vector<Tokens>& prompts, std::size_t generated) {
  std::size_t different = 0;
  for (const Tokens& prompt : std::set<Tokens>(prompts.begin(), prompts.end())) {
    Tokens tokens = prompt;
    std::vector<float> logits = naive.logits(tokens);
    for (std::size_t i = 0; i < generated; ++i) {
      const auto observed = rows.find(tokens);
      if (observed == rows.end()) {
        EXPECT_GT(i, 0U) << "a prompt's row was never computed";
        break;
      }
      different += observed->second == logits ? 0 : 1;
      const auto next = static_cast<Token>(argmax(logits));
      tokens.push_back(next);
      if (i + 1 < generated && !llama_vocab_is_eog(naive.vocab(), next))
        logits = naive.next_logits({next});
    }
  }
  return different;
}

TEST_F(ModelExact, RandomTriesEqualNaiveDecodingBitForBit) {
  NaiveDecoder naive(smollm2_path());
  auto impl = open(true, 1024);
  Rng rng(5);
  for (std::size_t depth = 1; depth <= 5; depth += 2) {
    const auto prompts = random_trie(rng, 14, depth, 9);
    Trial trial = make_trial(*impl, prompts, 3);
    const auto rows = run_observed(*impl, trial);
    EXPECT_EQ(different_rows(naive, rows, prompts, 3), 0U) << "depth " << depth;
  }
}

TEST_F(ModelExact, HoldsWhenPrefixesAreEvicted) {
  NaiveDecoder naive(smollm2_path());
  auto impl = open(true, 256);
  Rng rng(6);
  for (int round = 0; round < 3; ++round) {
    const auto prompts = random_trie(rng, 12, 3, 30);
    Trial trial = make_trial(*impl, prompts, 2);
    for (Work& work : trial.works) work.keep = work.tokens.size() - 1;
    const auto rows = run_observed(*impl, trial);
    EXPECT_EQ(different_rows(naive, rows, prompts, 2), 0U) << "round " << round;
  }
  EXPECT_GT(impl->counters().evicted_prefixes, 0);
}

TEST_F(ModelExact, ResultsDoNotDependOnWhatElseIsComputed) {
  auto impl = open(true, 1024);
  std::vector<LmRequest> requests;
  for (int i = 0; i < 8; ++i) {
    requests.push_back(
        make_request(text_prompt("Say how it went.", "\nDay " + std::to_string(i * i) + ":"),
                     {TextSlot{"text", " ", "", {"\n"}, 6}, ForcedText{"\nMood:"},
                      LabelSlot{"mood", " ", {"very good", "very bad", "very"}, "\n", {}}}));
  }
  const auto together = impl->complete(requests, {});
  for (std::size_t i = 0; i < requests.size(); ++i) {
    impl->forget();
    const auto alone = impl->complete(std::span(requests).subspan(i, 1), {});
    EXPECT_EQ(alone.front().value().text, together[i].value().text);
    EXPECT_EQ(alone.front()->labels[0].log_probs, together[i]->labels[0].log_probs);
  }
}

}  // namespace
}  // namespace hone::local
