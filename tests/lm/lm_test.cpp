#include "hone/lm/lm.hpp"

#include <gtest/gtest.h>

#include "requests.hpp"

namespace hone {
namespace {

using tests::chat_request;
using tests::label_request;

const LmInfo kInfo{.identity = "m"};

TEST(LmSettings, EverySettingChangesTheHash) {
  std::vector<LmSettings> all(16);
  all[1].temperature = 0.5;
  all[2].top_p = 0.5;
  all[3].top_k = 5;
  all[4].min_p = 0.5;
  all[5].repetition_penalty = 1.5;
  all[6].frequency_penalty = 0.5;
  all[7].presence_penalty = 0.5;
  all[8].logit_bias = {{"a", 0.5}};
  all[9].logit_bias = {{"b", 0.5}};
  all[10].max_tokens = 0;
  all[11].max_tokens = 5;
  all[12].token_bias = {{5, 0.5}};
  all[13].token_bias = {{6, 0.5}};
  all[14].token_bias = {{5, 1.5}};
  all[15].log_probs = true;
  for (std::size_t i = 0; i < all.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) EXPECT_NE(all[i].hash(), all[j].hash()) << i << " " << j;
  }
  EXPECT_EQ(all[0].hash(), LmSettings{}.hash());
}

TEST(RequestKey, AStopIsNoPartOfIt) {
  const LmRequest a = chat_request("q");
  LmRequest b = a;
  const std::stop_source source;
  b.stop = source.get_token();
  EXPECT_EQ(request_key(kInfo, a), request_key(kInfo, b));
}

TEST(RequestKey, SeedCountsOnlyWhenSampling) {
  LmRequest a = chat_request("q");
  LmRequest b = a;
  b.seed = 7;
  EXPECT_EQ(request_key(kInfo, a), request_key(kInfo, b));
  a.settings.temperature = b.settings.temperature = 1;
  EXPECT_NE(request_key(kInfo, a), request_key(kInfo, b));
}

TEST(RequestKey, ModelPromptPlanAndSampleCount) {
  const LmRequest a = chat_request("q");
  EXPECT_NE(request_key(kInfo, a), request_key(LmInfo{.identity = "other"}, a));
  EXPECT_NE(request_key(kInfo, a), request_key(kInfo, chat_request("p")));
  LmRequest other_plan = a;
  other_plan.reply = tests::text_plan(21);
  EXPECT_NE(request_key(kInfo, a), request_key(kInfo, other_plan));
  LmRequest other_sample = a;
  other_sample.sample = 1;
  EXPECT_NE(request_key(kInfo, a), request_key(kInfo, other_sample));
}

TEST(RequestKey, ScoresOfOneChoiceServeAnySampleButOnlyWhereTheModelScores) {
  const LmInfo scores{.identity = "m", .scores_labels = true};
  const LmRequest a = label_request("t");
  LmRequest b = a;
  b.settings.temperature = 1;
  b.sample = 3;
  b.seed = 7;
  EXPECT_EQ(request_key(scores, a), request_key(scores, b));
  EXPECT_EQ(request_key(scores, a), request_key(kInfo, a));
  EXPECT_NE(request_key(kInfo, a), request_key(kInfo, b));
  LmRequest text = b;
  text.reply = tests::text_plan();
  LmRequest other = text;
  other.sample = 4;
  EXPECT_NE(request_key(scores, text), request_key(scores, other));
}

TEST(RequestKey, TheBiasOfOneChoiceDoesNotCountButThatOfTheFirstOfTwoDoes) {
  EXPECT_EQ(request_key(kInfo, label_request("t")), request_key(kInfo, label_request("t", {1, 0})));
  const auto two_choices = [](std::vector<double> bias) {
    ReplyPlan plan = *tests::label_plan(std::move(bias));
    plan.parts.push_back(TextSlot{.field = "why", .lead = {}, .grammar = {}, .stop = {"\n"}});
    LmRequest request = label_request("t");
    request.reply = std::make_shared<const ReplyPlan>(plan);
    return request;
  };
  EXPECT_NE(request_key(kInfo, two_choices({})), request_key(kInfo, two_choices({1, 0})));
}

}  // namespace
}  // namespace hone
