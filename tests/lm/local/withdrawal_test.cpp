// Requests that are withdrawn while others go on.
#include <set>
#include <thread>

#include "lm/local/model_fixture.hpp"

namespace hone::local {
namespace {

class ModelWithdrawal : public ModelTest {};

LmRequest counting(int number, std::size_t tokens, std::stop_token stop = {}) {
  auto request =
      make_request(text_prompt("Count on.\n", "From " + std::to_string(number * 37) + ":"),
                   {TextSlot{"text", " ", "", {"never seen"}, tokens}});
  request.stop = std::move(stop);
  return request;
}

TEST_F(ModelWithdrawal, FreesACandidatesCellsAtOnceAndLeavesTheOthersAlone) {
  auto impl = open(true, 1024);
  std::vector<LmRequest> kept;
  for (int i = 0; i < 4; ++i) kept.push_back(counting(i, 12));
  const auto alone = impl->complete(kept, {});
  impl->forget();

  std::stop_source loser;
  std::vector<LmRequest> requests = kept;
  for (int i = 0; i < 4; ++i) requests.push_back(counting(10 + i, 200, loser.get_token()));
  int rows = 0;
  impl->scheduler().observe_rows([&](const Tokens&, std::span<const float>) {
    if (++rows == 24) loser.request_stop();
  });
  const auto replies = impl->complete(requests, {});
  for (std::size_t i = 0; i < 4; ++i) {
    EXPECT_EQ(replies[i].value().text, alone[i].value().text);
    ASSERT_FALSE(replies[4 + i]);
    EXPECT_EQ(replies[4 + i].error().kind, ErrorKind::stopped);
  }
  EXPECT_LT(rows, 4 * 12 + 4 * 24);  // the 800 the others were to have are not computed
  EXPECT_EQ(impl->counters().kept_prefixes, 1U);
  EXPECT_EQ(impl->counters().used_cells, impl->tokenizer().encode_start("Count on.\n").size());
}

TEST_F(ModelWithdrawal, WhatNobodyWaitsForIsNotComputed) {
  auto impl = open();
  std::stop_source loser;
  loser.request_stop();
  const std::vector<LmRequest> requests = {counting(1, 1), counting(2, 1, loser.get_token()),
                                           counting(3, 1)};
  const auto replies = impl->complete(requests, {});
  EXPECT_EQ(replies[1].error().kind, ErrorKind::stopped);
  const std::int64_t computed = impl->counters().computed_tokens;
  impl->forget();
  const std::vector<LmRequest> others = {requests[0], requests[2]};
  for (const auto& reply : impl->complete(others, {})) EXPECT_TRUE(reply);
  EXPECT_EQ(impl->counters().computed_tokens - computed, computed);
}

TEST_F(ModelWithdrawal, WaitingRequestsShareOverTheGapOnesLeave) {
  auto impl = open();
  std::stop_source loser;
  // More than may live at once; in the order of their tokens every other one leaves after the
  // first step, while most still wait.
  std::vector<LmRequest> requests;
  for (int i = 0; i < 200; ++i) {
    requests.push_back(make_request(text_prompt("Numbers.", " " + std::to_string(1000 + i)),
                                    {TextSlot{"text", "", "", {"never seen"}, 2}}));
    if (i % 2 == 1) requests.back().stop = loser.get_token();
  }
  impl->scheduler().observe_rows(
      [&](const Tokens&, std::span<const float>) { loser.request_stop(); });
  const auto replies = impl->complete(requests, {});
  for (std::size_t i = 0; i < replies.size(); i += 2)
    ASSERT_TRUE(replies[i]) << replies[i].error().text();
  // Every token of the trie once, and one more step of those that stay.
  std::set<Tokens> nodes;
  for (int i = 0; i < 200; i += 2) {
    Tokens tokens = impl->tokenizer().encode_start("Numbers.");
    for (const Token token : impl->tokenizer().encode(" " + std::to_string(1000 + i)))
      nodes.insert((tokens.push_back(token), tokens));
  }
  const auto own = static_cast<std::int64_t>(nodes.size() + 100 +
                                             impl->tokenizer().encode_start("Numbers.").size());
  EXPECT_GE(impl->counters().computed_tokens, own);
  EXPECT_LE(impl->counters().computed_tokens, own + 64);  // what the first step began
}

TEST_F(ModelWithdrawal, AMergedRequestGoesOnWhileAnybodyWaits) {
  auto impl = open();
  std::stop_source one;
  std::stop_source other;
  one.request_stop();
  std::vector<LmRequest> requests = {counting(1, 2, one.get_token()),
                                     counting(1, 2, other.get_token())};
  EXPECT_TRUE(impl->complete(requests, {})[1]);
  other.request_stop();
  EXPECT_FALSE(impl->complete(requests, {})[1]);
  requests[0].stop = {};
  EXPECT_TRUE(impl->complete(requests, {})[0]);
}

TEST_F(ModelWithdrawal, FromAnotherThread) {
  auto impl = open();
  std::stop_source loser;
  std::stop_source begun;
  const std::vector<LmRequest> requests = {counting(1, 1900, loser.get_token()), counting(2, 3)};
  impl->scheduler().observe_rows(
      [&](const Tokens&, std::span<const float>) { begun.request_stop(); });
  std::jthread canceller([&] {
    while (!begun.stop_requested()) std::this_thread::yield();
    loser.request_stop();
  });
  const auto replies = impl->complete(requests, {});
  EXPECT_EQ(replies[0].error().kind, ErrorKind::stopped);
  EXPECT_TRUE(replies[1]);
}

}  // namespace
}  // namespace hone::local
