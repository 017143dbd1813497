#include "optimize/ranking.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <string>
#include <vector>

#include "hone/optimize/optimize.hpp"
#include "hone/optimize/search.hpp"
#include "hone/testing/planted_task.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "optimize/demo_sets.hpp"

namespace hone {
namespace {

using Scores = std::vector<std::optional<double>>;

Trial make_trial(std::size_t number, const Scores& scores, std::optional<double> log_prob) {
  Trial trial;
  trial.number = number;
  trial.scores = scores;
  trial.examples = scores.size();
  double scored = 0;
  for (const auto& score : scores) scored += score ? 1 : 0;
  for (const auto& score : scores) trial.mean += score.value_or(0) / scored;
  if (log_prob) trial.likelihood.emplace().fill(*log_prob);
  trial.complete = true;
  return trial;
}

// `right` ones among a hundred, beginning with example `first`.
Scores hundred(std::size_t right, std::size_t first = 0) {
  Scores scores(100, 0.0);
  for (std::size_t i = 0; i < right; ++i) scores[(first + i) % 100] = 1.0;
  return scores;
}

TEST(Ranking, AmongTrialsThatLuckMayOrderTheSurerOneWins) {
  const std::vector<Trial> trials = {make_trial(0, hundred(50), -0.69),
                                     make_trial(1, hundred(80, 10), -0.55),
                                     make_trial(2, hundred(78, 30), -0.45)};
  EXPECT_EQ(best_trial(trials, 0)->number, 2U);
}

TEST(Ranking, AClearlyLowerScoreIsNotMadeUpFor) {
  const std::vector<Trial> trials = {make_trial(0, hundred(50), -0.69),
                                     make_trial(1, hundred(80), -0.55),
                                     make_trial(2, hundred(60), -0.45)};
  EXPECT_EQ(best_trial(trials, 0)->number, 1U);
}

TEST(Ranking, NeverBelowTheBaseline) {
  const std::vector<Trial> trials = {make_trial(0, hundred(79), -0.60),
                                     make_trial(1, hundred(80, 10), -0.55),
                                     make_trial(2, hundred(78, 30), -0.45)};
  EXPECT_EQ(best_trial(trials, 0)->number, 1U);
  EXPECT_EQ(best_trial(trials, std::nullopt)->number, 2U);
}

TEST(Ranking, FailuresDoNotMakeAWinner) {
  // Where both have a score the second is worse; its failures are the examples nobody is right on.
  Scores lucky = hundred(60, 5);
  for (std::size_t i = 70; i < 100; ++i) lucky[i].reset();
  for (std::size_t i = 0; i < 5; ++i) lucky[i].reset();
  std::vector<Trial> trials = {make_trial(0, hundred(70), {}), make_trial(1, lucky, {})};
  ASSERT_GT(trials[1].mean, trials[0].mean);
  EXPECT_EQ(best_trial(trials, 0)->number, 0U);
  EXPECT_EQ(best_trial(trials, std::nullopt)->number, 1U);
  trials[0].likelihood.emplace().fill(-0.7);
  trials[1].likelihood.emplace().fill(-0.3);
  EXPECT_EQ(best_trial(trials, 0)->number, 0U);
}

TEST(Ranking, EasyExamplesDoNotMakeAWinnerEither) {
  // The second is right on 80; the third failed on the forty the second is least right on, and is
  // worse on the sixty both have.
  Scores steady = hundred(57);
  for (std::size_t i = 60; i < 83; ++i) steady[i] = 1.0;
  Scores lucky = hundred(55);
  for (std::size_t i = 60; i < 100; ++i) lucky[i].reset();
  const std::vector<Trial> trials = {make_trial(0, hundred(50), {}), make_trial(1, steady, {}),
                                     make_trial(2, lucky, {})};
  ASSERT_GT(trials[2].mean, trials[1].mean);
  EXPECT_EQ(best_trial(trials, 0)->number, 1U);
  EXPECT_DOUBLE_EQ(comparable_mean(trials[2], trials.data()), 0.5 + 5.0 / 60);
  EXPECT_EQ(comparable_mean(trials[2], nullptr), trials[2].mean);
}

TEST(Ranking, AfterARunOffALaterTrialWinsByAHigherMean) {
  std::vector<Trial> trials = {make_trial(0, hundred(70), -0.6), make_trial(1, hundred(72), -0.5),
                               make_trial(2, hundred(80, 2), -0.5)};
  for (const std::size_t runner : {0U, 1U})
    trials[runner].further_scores.assign(10, runner == 1 ? 1.0 : 0.0);
  for (const std::size_t runner : {0U, 1U}) trials[runner].further_likelihoods.resize(10);
  EXPECT_EQ(best_trial(trials, 0)->number, 2U);
  trials[2] = make_trial(2, hundred(72), -0.1);
  EXPECT_EQ(best_trial(trials, 0)->number, 1U);
  // One that was there before the run-off and not in it stays out.
  trials = {make_trial(0, hundred(70), -0.6), make_trial(1, hundred(90), -0.5),
            make_trial(2, hundred(72), -0.5)};
  for (const std::size_t runner : {0U, 2U}) {
    trials[runner].further_scores.assign(10, 1.0);
    trials[runner].further_likelihoods.resize(10);
  }
  EXPECT_EQ(best_trial(trials, 0)->number, 2U);
}

TEST(Ranking, AFallbackNeedsMoreThanLuck) {
  std::vector<Trial> trials = {make_trial(0, hundred(76), -0.60),
                               make_trial(1, hundred(80, 5), -0.40),
                               make_trial(2, hundred(77, 10), -0.50)};
  trials[0].fallback = trials[1].fallback = true;
  EXPECT_EQ(best_trial(trials, 0)->number, 2U);
  trials[2] = make_trial(2, hundred(60, 5), -0.50);
  EXPECT_EQ(best_trial(trials, 0)->number, 1U);
}

TEST(Ranking, TheTemperatureIsCommonToAll) {
  // At 1.4 and above the second would win; together they do best at 0.5.
  std::vector<Trial> trials = {make_trial(0, hundred(78), {}), make_trial(1, hundred(80, 5), {})};
  trials[0].likelihood = {-0.60, -0.50, -0.40, -0.45, -0.50, -0.55, -0.60};
  trials[1].likelihood = {-0.70, -0.60, -0.50, -0.52, -0.51, -0.50, -0.49};
  EXPECT_EQ(best_trial(trials, std::nullopt)->number, 0U);
}

TEST(Ranking, WithoutLabelScoresTheHighestMeanWinsAndTheEarlierOfEquals) {
  std::vector<Trial> trials = {make_trial(0, hundred(50), {}), make_trial(1, hundred(80), {}),
                               make_trial(2, hundred(80, 10), {})};
  EXPECT_EQ(best_trial(trials, 0)->number, 1U);
  trials[1].complete = false;
  EXPECT_EQ(best_trial(trials, 0)->number, 2U);
  EXPECT_EQ(best_trial({}, std::nullopt), nullptr);
}

TEST(Ranking, ClearlyWorseIsMoreThanTwoStandardErrors) {
  EXPECT_FALSE(is_clearly_worse(hundred(78), hundred(80)));
  EXPECT_TRUE(is_clearly_worse(hundred(70), hundred(80)));
  EXPECT_FALSE(is_clearly_worse(hundred(80), hundred(70)));
  EXPECT_FALSE(is_clearly_worse(Scores(9), hundred(70)));
}

Program weather_program() {
  PredictorOptions options;
  options.format = Format::completion;
  options.calibration = Calibration::batch;
  options.label_bias = {{"sky", {0.0, std::log(2.0)}}};
  return Program::predict(
      Signature::parse("place -> sky: enum(clear, grey)", "Tell the weather.").value(), options);
}

Example weather(const std::string& place, const std::string& sky) {
  return Example(Value::object({{"place", place}, {"sky", sky}}));
}

TEST(Ranking, LogProbOfTheRightLabelIsCalibrated) {
  Script script;
  // Of both labels equally, before the bias: 2/3 clear after it.
  script.score = [](const LmRequest&, const LabelSlot&) {
    return std::vector<double>{std::log(0.5), std::log(0.5)};
  };
  const ScriptedLm lm(std::move(script));
  const Evaluator evaluator(lm);
  const Examples examples = {weather("Oslo", "clear"), weather("Kiel", "grey")};
  const Program program = weather_program();
  const Evaluation plain = evaluator.evaluate(program, examples, exact_match("sky"));
  const auto likelihoods = label_likelihoods(program, plain.rollouts, examples);
  ASSERT_TRUE(likelihoods);
  const auto likelihood = mean_likelihood(*likelihoods);
  ASSERT_TRUE(likelihood);
  EXPECT_NEAR((*likelihood)[4], (std::log(2.0 / 3) + std::log(1.0 / 3)) / 2, 1e-12);

  // At half the temperature the odds of 2 to 1 are 4 to 1.
  EXPECT_NEAR((*likelihood)[2], (std::log(0.8) + std::log(0.2)) / 2, 1e-12);

  // A metric of its own mind says something else than the labels do.
  const Metric contrary =
      Metric::of("contrary", [](const Example& example, const Value& prediction) {
        return prediction.get("sky") == example.get("sky") ? 0.0 : 1.0;
      });
  const Evaluation other = evaluator.evaluate(program, examples, contrary);
  EXPECT_FALSE(label_likelihoods(program, other.rollouts, examples));
}

TEST(DemoSets, FitTheModelsContext) {
  LmInfo model;
  const std::vector<Value> demos(8, Value::object({{"text", std::string(290, 'a')}}));
  EXPECT_EQ(fit_context({{"predict", demos}}, model).at("predict").size(), 8U);
  model.context_tokens = 800;  // half of it is about 1,200 bytes
  EXPECT_EQ(fit_context({{"predict", demos}}, model).at("predict").size(), 3U);
  model.context_tokens = 100;
  EXPECT_TRUE(fit_context({{"predict", demos}}, model).empty()) << "the student keeps its own";
}

TEST(DemoSets, AStepIsShownByItsOwnFieldsAlone) {
  const Predictor predictor = weather_program().predictors().front();
  TraceStep step;
  step.path = predictor.path();
  step.inputs = Value::object({{"place", "Oslo"}, {"noted", "in passing"}});
  EXPECT_FALSE(demo_of_step(predictor, step)) << "it failed";
  step.outputs = Value::object({{"sky", "clear"}});
  const std::optional<Value> demo = demo_of_step(predictor, step);
  ASSERT_TRUE(demo);
  EXPECT_EQ(*demo, Value::object({{"place", "Oslo"}, {"sky", "clear"}}));
  step.path = "another";
  EXPECT_FALSE(demo_of_step(predictor, step));
}

TEST(DemoSets, WhatAMetricAskedIsNoDemo) {
  const Program student = weather_program();
  const Example example(Value::object({{"place", "Oslo"}}));
  TraceStep step;
  step.path = "steps.guess";
  step.inputs = example.fields();
  step.outputs = Value::object({{"sky", "clear"}});
  Rollout rollout;
  rollout.trace.steps = {step};
  EXPECT_EQ(demos_of_run(student, example, rollout).at("predict").size(), 1U);
  rollout.trace.steps.front().path = "metric.judge";
  EXPECT_TRUE(demos_of_run(student, example, rollout).empty());
}

TEST(DemoSets, EveryThirdIsTheFirstHalfOfTheOneBefore) {
  const testing::PlantedTask planted = testing::planted_task(40, 10);
  const ScriptedLm lm(planted.script);
  const auto search = Search::make(planted.student, planted.task, lm, SearchOptions{}).value();
  const BootstrapOptions options{.max_bootstrapped = 0, .max_labeled = 6};
  std::vector<std::size_t> sizes;
  DemoSets sets;
  for (std::size_t number = 0; number < 5; ++number) {
    const DemoSets before = sets;
    sets = numbered_bootstrap(*search, {"predict"}, number, options, before);
    const std::vector<Value>& demos = sets.at("predict");
    sizes.push_back(demos.size());
    if (number != 3) continue;
    const std::vector<Value>& whole = before.at("predict");
    EXPECT_EQ(demos, std::vector<Value>(whole.begin(), whole.begin() + 3));
  }
  EXPECT_EQ(sizes, (std::vector<std::size_t>{6, 6, 6, 3, 6}));
}

TEST(DemoSets, LabelsAlreadyShownWaitForTheOthers) {
  const Predictor predictor = weather_program().predictors().front();
  Examples examples;
  for (int i = 0; i < 6; ++i) {
    examples.push_back(weather("clear place " + std::to_string(i), "clear"));
    examples.push_back(weather("grey place " + std::to_string(i), "grey"));
  }
  const std::vector<Value> shown(2, weather("Rome", "clear").fields());
  Rng rng(1, "demos");
  std::size_t grey = 0;
  for (const Value& demo : draw_labeled(predictor, examples, 4, true, rng, shown))
    grey += demo.get("sky") == Value("grey") ? 1U : 0U;
  EXPECT_EQ(grey, 3U);
}

}  // namespace
}  // namespace hone
