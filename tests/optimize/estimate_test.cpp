#include "hone/optimize/estimate.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "hone/base/rng.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/testing/planted_task.hpp"

namespace hone {
namespace {

using testing::planted_task;

// Within a fifth; or, loosely, within a factor of three.
void expect_near(std::int64_t expected, std::int64_t real, bool loosely, const std::string& what) {
  const std::string words = what + ": " + std::to_string(expected) + " of " + std::to_string(real);
  if (loosely) {
    EXPECT_LE(expected, 3 * real) << words;
    EXPECT_GE(3 * expected, real) << words;
  } else {
    EXPECT_LE(std::llabs(expected - real), real / 5) << words;
  }
}

double share(const Hash& hash) {
  return Rng(hash.low, hash).uniform();
}

// As on real data: every prompt is a little better or worse, none is perfect, and proposals differ
// from one another.
testing::PlantedTask lukewarm_task() {
  testing::PlantedTask planted = planted_task(24, 40);
  planted.script.score = [](const LmRequest& request, const LabelSlot&) {
    const std::string text = request.prompt.dump();
    const std::size_t at = text.rfind("Number: ");
    const long number = std::strtol(text.c_str() + at + 8, nullptr, 10);
    const Hash prompt = hash_of(text.substr(0, at));
    const double skill = 0.45 + 0.2 * share(prompt);
    const bool is_right = share(Hasher().add(prompt).add(text.substr(at)).finish()) < skill;
    return (number % 2 == 0) == is_right ? std::vector<double>{-0.1, -3.0}
                                         : std::vector<double>{-3.0, -0.1};
  };
  const auto propose = planted.script.value;
  planted.script.value = [propose](const LmRequest& request, const TextSlot& slot) {
    std::string text = propose(request, slot);
    const std::string mark = " Case " + std::to_string(request.sample) + " " +
                             request.prompt.hash().hex().substr(0, 6) + ".";
    text.insert(slot.field == "rules" ? text.size() - 2 : text.size(), mark);
    return text;
  };
  return planted;
}

class EstimateOfEvery : public ::testing::TestWithParam<std::string> {};

TEST_P(EstimateOfEvery, IsRightWithinAFifthWithoutRacing) {
  const auto planted = lukewarm_task();
  const auto optimizer = make_optimizer(GetParam()).value();
  SearchOptions options;
  options.race.enabled = false;
  options.budget.price = {1, 4};
  // How many of gepa's rewrites are worth measuring hangs on the scores more than anything else:
  // it is told what a measurement of the student says, as a real run is.
  const bool is_gepa = GetParam() == "gepa";
  EstimateOptions settings;
  const ScriptedLm probed(planted.script);
  if (is_gepa) {
    const ObservedLm watched(probed);
    settings.success =
        Evaluator(watched).evaluate(planted.student, planted.task.val, planted.task.metric).mean();
    settings.known = watched.observations();
  }
  const std::size_t before = probed.calls();
  const Estimate expected =
      estimate(planted.student, planted.task, probed, *optimizer, options, settings).value();
  EXPECT_LE(probed.calls() - before, 8U) << "a handful of calls";
  EXPECT_EQ(expected.probe_calls, static_cast<std::int64_t>(probed.calls() - before));

  const ScriptedLm lm(planted.script);
  const Optimized done = optimize(planted.student, planted.task, lm, *optimizer, options).value();
  expect_near(expected.lm_calls, done.usage.lm_calls, is_gepa, "calls");
  expect_near(expected.prompt_tokens, done.usage.prompt_tokens, is_gepa, "prompt tokens");
  EXPECT_GT(expected.money, 0);
}

std::vector<std::string> names() {
  std::vector<std::string> out;
  for (const OptimizerInfo& info : optimizers()) out.push_back(info.name);
  return out;
}

INSTANTIATE_TEST_SUITE_P(Optimizers, EstimateOfEvery, ::testing::ValuesIn(names()),
                         [](const auto& each) { return each.param; });

TEST(Estimate, KeepsTheBudget) {
  const auto planted = planted_task();
  const auto optimizer = make_optimizer("bootstrap_random_search").value();
  SearchOptions options;
  options.budget.lm_calls = 100;
  const ScriptedLm lm(planted.script);
  EXPECT_EQ(estimate(planted.student, planted.task, lm, *optimizer, options).value().lm_calls, 100);
}

TEST(Estimate, CountsTheTestExamplesTwice) {
  const auto planted = planted_task();
  const auto optimizer = make_optimizer("labeled_few_shot").value();
  const ScriptedLm lm(planted.script);
  EstimateOptions settings;
  const Estimate without =
      estimate(planted.student, planted.task, lm, *optimizer, {}, settings).value();
  settings.test = planted.task.val;
  const Estimate with =
      estimate(planted.student, planted.task, lm, *optimizer, {}, settings).value();
  EXPECT_EQ(with.lm_calls, without.lm_calls + 60);
}

TEST(Estimate, AsksNothingWhenAllIsKnown) {
  const auto planted = planted_task();
  const auto optimizer = make_optimizer("bootstrap_random_search").value();
  const ScriptedLm inner(planted.script);
  const ObservedLm watched(inner);
  (void)Evaluator(watched).evaluate(planted.student, planted.task.val, planted.task.metric);
  const std::size_t calls = inner.calls();
  EstimateOptions settings;
  settings.known = watched.observations();
  settings.success = 0.2;
  settings.text_probes = 0;
  const Estimate expected =
      estimate(planted.student, planted.task, inner, *optimizer, {}, settings).value();
  EXPECT_EQ(inner.calls(), calls);
  EXPECT_EQ(expected.probe_calls, 0);
  EXPECT_GT(expected.lm_calls, 100);
}

TEST(Estimate, AModelThatAnswersNothingIsItsError) {
  const ScriptedLm lm([](const LmRequest&) -> Result<std::string> {
    return temporary("server", "connection refused");
  });
  const auto planted = planted_task();
  const auto expected =
      estimate(planted.student, planted.task, lm, *make_optimizer("labeled_few_shot").value(), {});
  ASSERT_FALSE(expected);
  EXPECT_NE(expected.error().text().find("connection refused"), std::string::npos);
}

}  // namespace
}  // namespace hone
