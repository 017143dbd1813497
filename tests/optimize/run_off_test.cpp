#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "hone/optimize/search.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "optimize/ranking.hpp"

namespace hone {
namespace {

constexpr int kExamples = 10;

Example weather(const std::string& place) {
  return Example(Value::object({{"place", place}, {"sky", "clear"}}));
}

Examples places(const std::string& name) {
  Examples examples;
  for (int i = 0; i < kExamples; ++i) examples.push_back(weather(name + std::to_string(i)));
  return examples;
}

Program plain_weather_program() {
  PredictorOptions options;
  options.format = Format::completion;
  return Program::predict(
      Signature::parse("place -> sky: enum(clear, grey)", "Tell the weather.").value(), options);
}

// Without demos the model is right on eight of the validation examples and on no other; with demos
// on seven of them, and on all others.
ScriptedLm lucky_without_demos() {
  Script script;
  script.score = [](const LmRequest& request, const LabelSlot&) {
    const std::string prompt = request.prompt.dump();
    const auto shows = [&](const char* place) { return prompt.find(place) != std::string::npos; };
    const bool has_demos = shows("learn0") && shows("learn5");
    const std::size_t check = prompt.rfind("check");
    const int number = check == std::string::npos ? 0 : prompt[check + 5] - '0';
    bool is_right = has_demos;
    if (check != std::string::npos) is_right = has_demos ? number >= 3 : number < 8;
    const double right = std::log(0.8), wrong = std::log(0.2);
    return is_right ? std::vector<double>{right, wrong} : std::vector<double>{wrong, right};
  };
  return ScriptedLm(std::move(script));
}

Candidate two_demos() {
  return Candidate()
      .with("predict.demos",
            Value(Value::List{weather("learn0").fields(), weather("learn5").fields()}))
      .with("predict.calibration", "none");
}

TEST(RunOff, SeesThroughTheBaselinesLuckOnValidationExamples) {
  const ScriptedLm lm = lucky_without_demos();
  const auto search =
      Search::make(plain_weather_program(), {places("learn"), places("check"), exact_match("sky")},
                   lm, SearchOptions{})
          .value();
  ASSERT_DOUBLE_EQ(search->evaluate_baseline().value().mean, 0.8);
  ASSERT_DOUBLE_EQ(search->evaluate(two_demos(), "demos").value().mean, 0.7);
  EXPECT_EQ(search->best()->origin, "baseline");

  const std::size_t calls = lm.requests().size();
  search->run_off();
  EXPECT_EQ(lm.requests().size() - calls, 2 * kExamples - 2U);
  const Trial& best = *search->best();
  EXPECT_EQ(best.origin, "demos");
  for (std::size_t i = 0; i < kExamples; ++i)
    EXPECT_EQ(best.further_scores[i].has_value(), i != 0 && i != 5) << i;
  const PairedScores pairs = paired_scores(search->trials().front(), best);
  EXPECT_EQ(pairs.first.size(), 2 * kExamples - 2U);
}

TEST(RunOff, TheStudentsOwnDemosCountAsShownToo) {
  const ScriptedLm lm = lucky_without_demos();
  const Program student =
      plain_weather_program()
          .with(Candidate().with("predict.demos", Value(Value::List{weather("learn3").fields()})))
          .value();
  const auto search = Search::make(student, {places("learn"), places("check"), exact_match("sky")},
                                   lm, SearchOptions{})
                          .value();
  ASSERT_TRUE(search->evaluate_baseline());
  ASSERT_TRUE(search->evaluate(two_demos(), "demos"));
  search->run_off();
  const Trial& baseline = search->trials().front();
  ASSERT_EQ(baseline.further_scores.size(), static_cast<std::size_t>(kExamples));
  for (std::size_t i = 0; i < kExamples; ++i)
    EXPECT_EQ(baseline.further_scores[i].has_value(), i != 3) << i;
}

TEST(RunOff, AFallbacksLuckEndsNoRace) {
  // Without demos the model is right on every validation example, with two demos on half of them.
  Script script;
  script.score = [](const LmRequest& request, const LabelSlot&) {
    const std::string prompt = request.prompt.dump();
    const bool is_even = prompt[prompt.rfind("check") + 7] % 2 == 0;
    const bool is_right = prompt.find("learn") == std::string::npos || is_even;
    return is_right ? std::vector<double>{-0.2, -1.7} : std::vector<double>{-1.7, -0.2};
  };
  const ScriptedLm lm(std::move(script));
  Examples val;
  for (int i = 0; i < 100; ++i) val.push_back(weather("check" + std::to_string(100 + i)));
  const auto trials_with = [&](bool fallback) {
    const auto search =
        Search::make(plain_weather_program(), {places("learn"), val, exact_match("sky")}, lm, {})
            .value();
    const std::vector<Proposal> proposals = {
        {Candidate().with("predict.calibration", "none"), "no demos", std::nullopt, fallback},
        {two_demos(), "demos"}};
    return search->evaluate(proposals).value();
  };
  EXPECT_FALSE(trials_with(false)[1].complete);
  EXPECT_TRUE(trials_with(true)[1].complete);
}

TEST(RunOff, IsLeftOutWhereTheModelDoesNotScoreLabels) {
  Script script;
  script.reply = [](const LmRequest&) -> Result<std::string> { return std::string("Sky: clear"); };
  const ScriptedLm lm(std::move(script));
  const auto search =
      Search::make(plain_weather_program(), {places("learn"), places("check"), exact_match("sky")},
                   lm, SearchOptions{})
          .value();
  ASSERT_TRUE(search->evaluate_baseline());
  ASSERT_TRUE(search->evaluate(two_demos(), "demos"));
  const std::size_t calls = lm.requests().size();
  search->run_off();
  EXPECT_EQ(lm.requests().size(), calls);
  EXPECT_TRUE(search->trials().front().further_scores.empty());
}

TEST(RunOff, TakesTheForemostThatTheBudgetReachesFor) {
  const ScriptedLm lm = lucky_without_demos();
  const auto one_demo = [](const std::string& place) {
    return Candidate()
        .with("predict.demos", Value(Value::List{weather(place).fields()}))
        .with("predict.calibration", "none");
  };
  const auto in_run_off = [&](std::int64_t calls) {
    SearchOptions options;
    options.budget.lm_calls = calls;
    const auto search =
        Search::make(plain_weather_program(),
                     {places("learn"), places("check"), exact_match("sky")}, lm, options)
            .value();
    EXPECT_TRUE(search->evaluate_baseline());
    EXPECT_TRUE(search->evaluate(one_demo("learn1"), "as good"));
    EXPECT_TRUE(search->evaluate(two_demos(), "demos"));
    search->run_off();
    std::vector<std::string> origins;
    for (const Trial& trial : search->trials()) {
      if (!trial.further_scores.empty()) origins.push_back(trial.origin);
    }
    return origins;
  };
  using Origins = std::vector<std::string>;
  // Thirty calls for the trials; in the run-off ten, nine and eight.
  EXPECT_EQ(in_run_off(57), (Origins{"baseline", "as good", "demos"}));
  EXPECT_EQ(in_run_off(56), (Origins{"baseline", "as good"}));
  EXPECT_EQ(in_run_off(48), (Origins{}));
}

TEST(RunOff, TakesNothingWhenTheBudgetIsSpentInIt) {
  const ScriptedLm lm = lucky_without_demos();
  SearchOptions options;
  options.budget.lm_calls = 2 * kExamples + 5;
  const auto search =
      Search::make(plain_weather_program(), {places("learn"), places("check"), exact_match("sky")},
                   lm, options)
          .value();
  ASSERT_TRUE(search->evaluate_baseline());
  ASSERT_TRUE(search->evaluate(two_demos(), "demos"));
  search->run_off();
  EXPECT_EQ(lm.calls(), 2 * kExamples);
  EXPECT_EQ(search->best()->origin, "baseline");
  EXPECT_TRUE(search->best()->further_scores.empty());
}

TEST(RunOff, IsBetweenThoseThatLuckMaySetApartAndTheBaseline) {
  const auto trial = [](std::size_t number, std::size_t right) {
    Trial out;
    out.number = number;
    out.scores.assign(100, 0.0);
    for (std::size_t i = 0; i < right; ++i) out.scores[i] = 1.0;
    out.mean = static_cast<double>(right) / 100;
    out.complete = true;
    out.likelihood.emplace().fill(-0.5);
    return out;
  };
  std::vector<Trial> trials = {trial(0, 50), trial(1, 80), trial(2, 78), trial(3, 70)};
  EXPECT_EQ(finalists(trials, 0), (std::vector<std::size_t>{0, 1, 2}));
  trials[2].complete = false;
  EXPECT_EQ(finalists(trials, 0), (std::vector<std::size_t>{0, 1}));
  trials[0].likelihood.reset();
  EXPECT_TRUE(finalists(trials, 0).empty());
}

TEST(RunOff, NeedsATrialThatIsNotBelowTheBaseline) {
  Trial baseline;
  baseline.scores = {1.0, std::nullopt, std::nullopt};
  baseline.mean = 1;
  Trial other;
  other.number = 1;
  other.scores = {0.0, 1.0, 1.0};
  other.complete = true;
  EXPECT_TRUE(finalists(std::vector<Trial>{baseline, other}, 0).empty());
}

TEST(RunOff, ADemoShowsTheExampleWhoseInputsItHas) {
  const Signature signature = plain_weather_program().signature();
  EXPECT_TRUE(shows(two_demos(), signature, weather("learn5")));
  EXPECT_FALSE(shows(two_demos(), signature, weather("learn1")));
  EXPECT_FALSE(shows(Candidate().with("predict.demos", Value()), signature, weather("learn5")));
}

}  // namespace
}  // namespace hone
