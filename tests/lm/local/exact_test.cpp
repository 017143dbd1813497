// The exact mode, held against decoding one request at a time.
#include <map>
#include <set>

#include "lm/local/kernels/rows.hpp"
#include "lm/local/model_fixture.hpp"
#include "lm/local/random_trie.hpp"
#include "lm/temporary_folder.hpp"

namespace hone::local {
namespace {

class ModelExact : public ModelTest {};

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
  for (std::size_t depth = 1; depth <= 5; ++depth) {
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

TEST_F(ModelExact, HoldsForMoreLeavesThanSequences) {
  NaiveDecoder naive(smollm2_path());
  auto impl = open(true, 2048);
  std::vector<Tokens> prompts;
  for (Token token = 0; token < 300; ++token)
    prompts.push_back({5, 6, 900 + token % 7, 1000 + token});
  Trial trial = make_trial(*impl, prompts, 1);
  const auto rows = run_observed(*impl, trial);
  EXPECT_EQ(rows.size(), 300U);
  EXPECT_EQ(different_rows(naive, rows, prompts, 1), 0U);
}

TEST_F(ModelExact, DuplicatesAndPromptsThatBeginOthers) {
  NaiveDecoder naive(smollm2_path());
  auto impl = open(true, 1024);
  std::vector<Tokens> prompts;
  Tokens path;
  for (Token token = 0; token < 12; ++token) {
    path.push_back(3000 + token * 11);
    prompts.push_back(path);
    if (token % 3 == 0) prompts.push_back(path);
  }
  Trial trial = make_trial(*impl, prompts, 3);
  const auto rows = run_observed(*impl, trial);
  EXPECT_EQ(different_rows(naive, rows, prompts, 3), 0U);
}

std::vector<std::string> many_labels(std::size_t count) {
  std::vector<std::string> labels;
  for (std::size_t i = 0; i < count; ++i) {
    labels.push_back("topic " + std::string(1, static_cast<char>('a' + i % 26)) +
                     std::string(1, static_cast<char>('a' + i / 26)) + " alpha beta");
  }
  return labels;
}

// More branches than there are sequences: computed alone, group by group.
TEST_F(ModelExact, HoldsForMoreLabelsThanSequences) {
  NaiveDecoder naive(smollm2_path());
  auto impl = open(true, 4096);
  const auto choice = [](std::size_t count) {
    return LabelSlot{"label", " ", many_labels(count), "\n", {}};
  };
  const auto ask = [](const std::string& text, std::vector<ReplyPart> parts) {
    return make_request(text_prompt("Name the topic.", "\n" + text + ":"), std::move(parts));
  };
  const TextSlot text{"text", "", "", {"never seen"}, 3};
  std::vector<LmRequest> requests = {
      ask("before", {text}),
      ask("one", {choice(170)}),
      ask("two", {choice(300)}),
      ask("three", {choice(155), ForcedText{"\nWhy:"}, text}),
      ask("four", {choice(155), ForcedText{"\nAlso:"}, choice(155), ForcedText{"\nSo:"}, text}),
      ask("zero", {text})};
  // What follows a label goes on from wherever its branch was.
  for (const std::size_t chosen : {20U, 60U, 100U, 140U}) {
    LabelSlot slot = choice(155);
    slot.bias.assign(155, 0);
    slot.bias[chosen] = -1000;
    requests.push_back(ask("bent", {slot, ForcedText{"\nWhy:"}, text}));
  }
  // All of them would take long: some, and those that begin a slot.
  ObservedRows rows;
  std::size_t number = 0;
  const Token colon = impl->tokenizer().encode(":").back();
  impl->scheduler().observe_rows([&](const Tokens& before, std::span<const float> logits) {
    if (number++ % 41 == 0 || before.back() == colon)
      rows[before].assign(logits.begin(), logits.end());
  });
  const auto together = impl->complete(requests, {});
  impl->scheduler().observe_rows({});
  for (const auto& [before, logits] : rows) EXPECT_TRUE(naive.logits(before) == logits);
  EXPECT_GE(rows.size(), 50U);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    ASSERT_TRUE(together[i]) << i << ": " << together[i].error().text();
    impl->forget();
    const auto alone = impl->complete(std::span(requests).subspan(i, 1), {});
    EXPECT_EQ(alone.front().value().text, together[i]->text) << i;
    ASSERT_EQ(alone.front()->labels.size(), together[i]->labels.size());
    for (std::size_t k = 0; k < together[i]->labels.size(); ++k)
      EXPECT_EQ(alone.front()->labels[k].log_probs, together[i]->labels[k].log_probs) << i;
  }
}

TEST_F(ModelExact, IsRefusedForWeightsItDoesNotHoldFor) {
  const tests::TemporaryFolder folder;
  for (const auto& [type, words] :
       {std::pair("Q4_K_M", " matrix "), std::pair("F16", "the f16 matrix ")}) {
    LocalOptions options;
    options.model = folder / (std::string(type) + ".gguf");
    options.context_cells = 256;
    options.exact = true;
    ASSERT_TRUE(quantize_gguf(smollm2_path(), options.model, type));
    const auto opened = LocalLm::open(options);
    ASSERT_FALSE(opened) << type;
    EXPECT_EQ(opened.error().kind, ErrorKind::bad_request);
    EXPECT_NE(opened.error().text().find(type), std::string::npos) << opened.error().text();
    EXPECT_NE(opened.error().message.find(words), std::string::npos) << opened.error().text();
    options.exact = false;
    EXPECT_TRUE(LocalLm::open(options)) << type;
  }
}

TEST_F(ModelExact, OneThreadAndTwoAgree) {
  Rng rng(8);
  auto prompts = random_trie(rng, 10, 3, 12);
  // Long enough for kernels that divide one row's keys among threads.
  Tokens whole;
  for (int i = 0; i < 600; ++i) whole.push_back(static_cast<Token>(100 + rng.below(40000)));
  for (const std::size_t size : {540U, 600U})
    prompts.emplace_back(whole.begin(), whole.begin() + size);
  std::vector<ObservedRows> rows;
  for (const std::size_t threads : {1U, 2U}) {
    auto impl = open(true, 2048, threads);
    Trial trial = make_trial(*impl, prompts, 4);
    rows.push_back(run_observed(*impl, trial));
  }
  EXPECT_GE(rows[0].size(), 20U);
  EXPECT_EQ(rows[0], rows[1]);
}

}  // namespace
}  // namespace hone::local
