#include "hone/lm/label_choice.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "requests.hpp"

namespace hone {
namespace {

using tests::label_request;

LabelSlot slot_of(std::size_t labels, std::vector<double> bias = {}) {
  LabelSlot slot{
      .field = "label", .lead = " ", .labels = {}, .close = "\n", .bias = std::move(bias)};
  for (std::size_t i = 0; i < labels; ++i) slot.labels.push_back("l" + std::to_string(i));
  return slot;
}

LmRequest sampled(std::uint64_t sample, LmSettings settings) {
  LmRequest request = label_request("t");
  request.settings = std::move(settings);
  request.sample = sample;
  return request;
}

std::array<double, 3> shares(const LabelSlot& slot, const LmSettings& settings) {
  constexpr int kDraws = 4000;
  const std::vector<double> log_probs = {std::log(0.2), std::log(0.5), std::log(0.3)};
  std::array<double, 3> out{};
  for (int i = 0; i < kDraws; ++i) {
    const LmRequest request = sampled(static_cast<std::uint64_t>(i), settings);
    out.at(choose_label(log_probs, slot, request)) += 1.0 / kDraws;
  }
  return out;
}

TEST(ChooseLabel, GreedyTakesTheHighestLessItsBias) {
  const LmRequest greedy = label_request("t");
  EXPECT_EQ(choose_label(std::vector<double>{-1, -2}, slot_of(2), greedy), 0U);
  EXPECT_EQ(choose_label(std::vector<double>{-1, -2}, slot_of(2, {-0.5, -3}), greedy), 1U);
  EXPECT_EQ(choose_label(std::vector<double>{-1, -1}, slot_of(2), greedy), 0U);
}

TEST(ChooseLabel, DrawsInProportionToTheProbabilities) {
  const auto bare = shares(slot_of(3), {.temperature = 1});
  EXPECT_NEAR(bare[0], 0.2, 0.03);
  EXPECT_NEAR(bare[1], 0.5, 0.03);
  EXPECT_NEAR(bare[2], 0.3, 0.03);
  // At half the temperature probabilities are squared.
  const auto sharp = shares(slot_of(3), {.temperature = 0.5});
  EXPECT_NEAR(sharp[1], 0.25 / 0.38, 0.03);
  // The bias makes the first one twice as probable.
  const auto biased = shares(slot_of(3, {-std::log(2.0), 0, 0}), {.temperature = 1});
  EXPECT_NEAR(biased[0], 0.4 / 1.2, 0.03);
}

TEST(ChooseLabel, TruncationsLeaveOutTheImprobable) {
  EXPECT_EQ(shares(slot_of(3), {.temperature = 1, .top_k = 1})[1], shares(slot_of(3), {})[1]);
  const auto two = shares(slot_of(3), {.temperature = 1, .top_p = 0.6});
  EXPECT_EQ(two[0], 0);
  EXPECT_NEAR(two[1], 0.5 / 0.8, 0.03);
  const auto likely = shares(slot_of(3), {.temperature = 1, .min_p = 0.5});
  EXPECT_EQ(likely[0], 0);
  EXPECT_NEAR(likely[2], 0.3 / 0.8, 0.03);
}

TEST(ChooseLabel, TheSameRequestDrawsTheSame) {
  const std::vector<double> even = {-1, -1, -1};
  const LmSettings settings{.temperature = 1};
  for (std::uint64_t i = 0; i < 20; ++i) {
    EXPECT_EQ(choose_label(even, slot_of(3), sampled(i, settings)),
              choose_label(even, slot_of(3), sampled(i, settings)));
  }
}

TEST(ChooseLabel, SeedPromptAndFieldDrawApart) {
  const std::vector<double> even = {-1, -1};
  const LmSettings settings{.temperature = 1};
  LabelSlot other_field = slot_of(2);
  other_field.field = "other";
  int by_seed = 0;
  int by_prompt = 0;
  int by_field = 0;
  for (std::uint64_t i = 0; i < 100; ++i) {
    const LmRequest request = sampled(i, settings);
    LmRequest other_seed = request;
    other_seed.seed = 1;
    LmRequest other_prompt = request;
    other_prompt.prompt = label_request("u").prompt;
    const std::size_t label = choose_label(even, slot_of(2), request);
    by_seed += static_cast<int>(label != choose_label(even, slot_of(2), other_seed));
    by_prompt += static_cast<int>(label != choose_label(even, slot_of(2), other_prompt));
    by_field += static_cast<int>(label != choose_label(even, other_field, request));
  }
  for (const int differing : {by_seed, by_prompt, by_field}) {
    EXPECT_GT(differing, 25);
    EXPECT_LT(differing, 75);
  }
}

TEST(ChooseLabel, LabelsThatCannotBeScoredAreNoTrap) {
  constexpr double kNever = -std::numeric_limits<double>::infinity();
  const LmRequest request = sampled(3, {.temperature = 1});
  EXPECT_EQ(choose_label(std::vector<double>{kNever, kNever}, slot_of(2), request), 0U);
  EXPECT_EQ(choose_label(std::vector<double>{kNever, -1}, slot_of(2), request), 1U);
}

}  // namespace
}  // namespace hone
