#include "hone/program/predictor.hpp"

#include <gtest/gtest.h>

#include "hone/testing/scripted_lm.hpp"

namespace hone {
namespace {

Signature routing() {
  return Signature::parse("ticket -> queue: enum(billing, technical)", "Route the ticket.").value();
}

Value ticket(const char* text) {
  return Value::object({{"ticket", text}});
}

// An engine that follows plans: scores labels as given, writes "so" wherever text is wanted.
ScriptedLm scorer(const std::vector<double>& scores) {
  return ScriptedLm(
      Script{.reply = {},
             .score = [scores](const LmRequest&, const LabelSlot&) { return scores; },
             .value = [](const LmRequest&, const TextSlot&) { return std::string("so"); }});
}

TEST(Predictor, GivesTheOutputsAndLeavesATrace) {
  const ScriptedLm lm = scorer({-2, -1});
  Call call(lm);
  const Predictor predictor =
      Predictor(routing(), {.format = Format::completion}).with_path("route");
  EXPECT_EQ(predictor(call, ticket("it crashes")).to_json(), R"({"queue": "technical"})");
  ASSERT_EQ(call.trace().steps.size(), 1U);
  const TraceStep& step = call.trace().steps[0];
  EXPECT_EQ(step.path, "route");
  EXPECT_EQ(step.inputs, ticket("it crashes"));
  EXPECT_EQ(step.outputs.get("queue"), Value("technical"));
  ASSERT_EQ(step.labels.size(), 1U);
  EXPECT_EQ(step.labels[0].chosen, 1U);
  EXPECT_EQ(step.usage.lm_calls, 1);
  EXPECT_GT(step.usage.prompt_tokens, 0);
  EXPECT_TRUE(step.faults.empty());
  EXPECT_NE(step.prompt.dump().find("it crashes"), std::string::npos);
}

TEST(Predictor, ReasonsFirstWithAChainOfThought) {
  const ScriptedLm lm = scorer({-1, -2});
  Call call(lm);
  const Predictor predictor(
      routing(), {.format = Format::completion, .reasoning = Reasoning::chain_of_thought});
  EXPECT_EQ(predictor(call, ticket("x")).to_json(), R"({"reasoning": "so", "queue": "billing"})");
  EXPECT_EQ(predictor.signature(), routing());
  EXPECT_EQ(predictor.effective_signature().outputs()[0].name, "reasoning");
}

TEST(Predictor, ASignatureThatReasonsStaysAsItIs) {
  const Predictor predictor(Signature::parse("q -> reasoning, a").value(),
                            {.reasoning = Reasoning::chain_of_thought});
  EXPECT_EQ(predictor.effective_signature(), predictor.signature());
  for (const Param& param : predictor.params()) EXPECT_NE(param.path, "module");
}

TEST(Predictor, InputsThatDoNotFitAreABadRequest) {
  const ScriptedLm lm = scorer({-1, -2});
  Call call(lm);
  const Result<Value> outputs =
      Predictor(routing()).with_path("route").run(call, Value::object({{"text", "x"}}));
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().text(), "route: field 'ticket' is missing (there: text)");
  EXPECT_EQ(lm.calls(), 0U);
}

TEST(PredictorCalibration, BiasesGoIntoThePlanOnlyWhenAskedFor) {
  const ScriptedLm lm = scorer({-1, -2});
  PredictorOptions options{.format = Format::completion, .label_bias = {{"queue", {0, -3}}}};
  const auto queue = [&] {
    Call call(lm);
    return Predictor(routing(), options)(call, ticket("x")).get("queue").as_string();
  };
  EXPECT_EQ(queue(), "billing");
  options.calibration = Calibration::batch;
  EXPECT_EQ(queue(), "technical");
  options.label_bias = {{"queue", {0, -3, 1}}};  // of another set of labels
  EXPECT_EQ(queue(), "billing");
}

TEST(PredictorRetry, TellsARemoteModelWhatWasWrong) {
  const ScriptedLm lm =
      ScriptedLm::in_turn({"[[ ## queue ## ]]\nhelpdesk", "[[ ## queue ## ]]\nbilling"});
  Call call(lm);
  EXPECT_EQ(Predictor(routing())(call, ticket("x")).get("queue"), Value("billing"));
  const std::vector<LmRequest> requests = lm.requests();
  ASSERT_EQ(requests.size(), 2U);
  const Prompt& second = requests[1].prompt;
  ASSERT_EQ(second.size(), requests[0].prompt.size() + 2);
  EXPECT_EQ(second[second.size() - 2].role(), Role::assistant);
  EXPECT_EQ(second[second.size() - 2].text(), "[[ ## queue ## ]]\nhelpdesk");
  EXPECT_EQ(second[second.size() - 1].role(), Role::user);
  EXPECT_NE(second[second.size() - 1].text().find("helpdesk"), std::string::npos);
  ASSERT_EQ(call.trace().steps.size(), 1U);
  EXPECT_EQ(call.trace().steps[0].faults.size(), 1U);
  EXPECT_EQ(call.trace().steps[0].usage.lm_calls, 2);
}

TEST(PredictorRetry, ARunningTextAsksTheQuestionAgain) {
  const ScriptedLm lm = ScriptedLm::in_turn({" helpdesk", " billing"});
  Call call(lm);
  EXPECT_EQ(
      Predictor(routing(), {.format = Format::completion})(call, ticket("it crashes")).get("queue"),
      Value("billing"));
  const Prompt second = lm.requests()[1].prompt;
  for (std::size_t i = 0; i < second.size(); ++i) EXPECT_EQ(second[i].role(), Role::text);
  EXPECT_NE(second[second.size() - 1].text().find("it crashes"), std::string::npos);
}

TEST(PredictorRetry, EndsAsABadReplyWithEveryFault) {
  const ScriptedLm lm = ScriptedLm::in_turn({"[[ ## queue ## ]]\none", "[[ ## queue ## ]]\ntwo"});
  Call call(lm);
  const Result<Value> outputs = Predictor(routing()).with_path("route").run(call, ticket("x"));
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().kind, ErrorKind::bad_reply);
  EXPECT_EQ(outputs.error().where, "route");
  EXPECT_EQ(call.trace().steps[0].faults.size(), 2U);
  EXPECT_TRUE(call.trace().steps[0].outputs.is_null());
  EXPECT_EQ(call.trace().usage().lm_calls, 2);
}

TEST(PredictorRetry, NoneWhenTheModelFollowsThePlan) {
  const ScriptedLm lm(
      Script{.reply = {}, .score = {}, .value = [](const LmRequest&, const TextSlot&) {
               return std::string("not a number");
             }});
  Call call(lm);
  EXPECT_FALSE(
      Predictor(Signature::parse("a -> n: int").value()).run(call, Value::object({{"a", "x"}})));
  EXPECT_EQ(lm.calls(), 1U);
}

TEST(Predictor, AFailingModelIsInTheTrace) {
  const ScriptedLm lm(
      [](const LmRequest&) -> Result<std::string> { return temporary("server", "is away"); });
  Call call(lm);
  const Result<Value> outputs = Predictor(routing()).with_path("route").run(call, ticket("x"));
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().text(), "route, server: is away");
  EXPECT_EQ(outputs.error().kind, ErrorKind::temporary);
  ASSERT_EQ(call.trace().steps.size(), 1U);
  EXPECT_EQ(call.trace().steps[0].faults.size(), 1U);
}

TEST(Predictor, StopsBeforeAsking) {
  const ScriptedLm lm = scorer({-1, -2});
  std::stop_source stop;
  stop.request_stop();
  CallOptions options;
  options.stop = stop.get_token();
  Call call(lm, options);
  EXPECT_EQ(Predictor(routing()).run(call, ticket("x")).error().kind, ErrorKind::stopped);
  EXPECT_EQ(lm.calls(), 0U);
}

TEST(PredictorParams, ListEveryTunableWithItsValue) {
  const Predictor predictor =
      Predictor(routing(), {.settings = {.temperature = 0.5}}).with_path("route");
  std::vector<std::string> paths;
  for (const Param& param : predictor.params()) paths.push_back(param.path);
  EXPECT_EQ(paths, (std::vector<std::string>{
                       "route.instructions", "route.demos", "route.format", "route.module",
                       "route.calibration", "route.label_bias", "route.lm.temperature",
                       "route.lm.top_p", "route.lm.max_tokens", "route.lm.top_k", "route.lm.min_p",
                       "route.lm.logit_bias", "route.model", "route.parse_retries"}));
  EXPECT_EQ(predictor.params()[0].initial, Value("Route the ticket."));
  EXPECT_EQ(predictor.params()[6].initial, Value(0.5));
  EXPECT_TRUE(predictor.params()[8].initial.is_null());
  for (const Param& param : Predictor(Signature::parse("a -> b").value()).params()) {
    EXPECT_EQ(param.path.find("calibration"), std::string::npos);
  }
}

TEST(PredictorParams, EverySettingCanBeSet) {
  const Value bias = Value::object({{"billing", 2.5}});
  const Candidate candidate = Candidate()
                                  .with("lm.top_k", 40)
                                  .with("lm.min_p", 0.1)
                                  .with("lm.logit_bias", bias)
                                  .with("model", "large")
                                  .with("parse_retries", 3);
  const Predictor tuned = Predictor(routing()).with(candidate).value();
  EXPECT_EQ(tuned.options().settings.top_k, 40);
  EXPECT_EQ(tuned.options().settings.min_p, 0.1);
  EXPECT_EQ(tuned.options().settings.logit_bias.at("billing"), 2.5);
  EXPECT_EQ(tuned.options().model, "large");
  EXPECT_EQ(tuned.options().parse_retries, 3U);
  for (const Param& param : tuned.params()) {
    if (param.initial.is_null()) continue;
    EXPECT_TRUE(check_domain(param.domain, param.initial, "own")) << param.path;
  }
  EXPECT_FALSE(tuned.with(Candidate().with("lm.logit_bias", Value::object({{"a", "much"}}))));
  EXPECT_FALSE(tuned.with(Candidate().with("lm.logit_bias", 3)));
  EXPECT_FALSE(tuned.with(Candidate().with("model", 3)));
  EXPECT_FALSE(tuned.with(Candidate().with("parse_retries", -1)));
}

TEST(PredictorParams, DemosOfAnotherStructureAreTaken) {
  const Value demo =
      Value::object({{"ticket", "t"}, {"reasoning", "because"}, {"queue", "billing"}});
  const Candidate candidate = Candidate().with("demos", Value::list({demo}));
  const Predictor plain = Predictor(routing()).with(candidate).value();
  EXPECT_EQ(plain.options().demos.size(), 1U);
  const Predictor thinking = plain.with(Candidate().with("module", "chain_of_thought")).value();
  const ScriptedLm lm = scorer({-1, -2});
  Call call(lm);
  thinking(call, ticket("x"));
  EXPECT_NE(lm.requests()[0].prompt.dump().find("because"), std::string::npos);
}

TEST(PredictorParams, WithSetsEveryOne) {
  const Predictor predictor =
      Predictor(routing())
          .with_path("route")
          .with(Candidate()
                    .with("route.instructions", "Do it.")
                    .with("route.format", "json")
                    .with("route.module", "chain_of_thought")
                    .with("route.calibration", "content_free")
                    .with("route.label_bias", Value::object({{"queue", Value::list({1, -0.5})}}))
                    .with("route.lm.temperature", 1)
                    .with("route.lm.top_p", 0.5)
                    .with("route.lm.max_tokens", 9)
                    .with("other.format", "xml"))
          .value();
  const PredictorOptions& options = predictor.options();
  EXPECT_EQ(predictor.signature().instructions(), "Do it.");
  EXPECT_EQ(options.format, Format::json);
  EXPECT_EQ(options.reasoning, Reasoning::chain_of_thought);
  EXPECT_EQ(options.calibration, Calibration::content_free);
  EXPECT_EQ(options.label_bias.at("queue"), (std::vector<double>{1, -0.5}));
  EXPECT_EQ(options.settings.temperature, 1);
  EXPECT_EQ(options.settings.top_p, 0.5);
  EXPECT_EQ(options.settings.max_tokens, 9U);
}

TEST(PredictorParams, RefusesValuesOutsideTheirDomains) {
  const Predictor predictor(routing());
  const std::pair<const char*, Value> cases[] = {
      {"instructions", Value("  ")},
      {"format", Value("yaml")},
      {"label_bias", Value::object({{"queue", Value::list({1})}})},
      {"label_bias", Value::object({{"ticket", Value::list({1})}})},
      {"label_bias", Value("x")},
      {"lm.temperature", Value(9)},
      {"lm.max_tokens", Value(0)},
  };
  for (const auto& [path, value] : cases) {
    const Result<Predictor> tuned = predictor.with(Candidate().with(path, value));
    ASSERT_FALSE(tuned) << path;
    EXPECT_EQ(tuned.error().where, path);
  }
}

TEST(Call, SeedsDependOnRunPlaceAndUse) {
  const ScriptedLm lm = scorer({});
  Call one(lm, {.seed = 1});
  Call other(lm, {.seed = 1});
  const std::uint64_t first = one.next_seed("a");
  EXPECT_EQ(first, other.next_seed("a"));
  EXPECT_NE(first, one.next_seed("a"));
  EXPECT_NE(first, other.next_seed("b"));
  EXPECT_NE(first, Call(lm, {.seed = 2}).next_seed("a"));
  EXPECT_NE(first, Call(lm, {.seed = 1, .sample = 1}).next_seed("a"));
}

TEST(Call, NamedModelsAndTheirFaults) {
  const ScriptedLm small = scorer({-1, -2});
  const ScriptedLm large = scorer({-2, -1});
  CallOptions options;
  options.models.emplace("large", &large);
  Call call(small, options);
  EXPECT_EQ(Predictor(routing(), {.model = "large"})(call, ticket("x")).get("queue"),
            Value("technical"));
  EXPECT_EQ(Predictor(routing())(call, ticket("x")).get("queue"), Value("billing"));
  const Result<Value> none = Predictor(routing(), {.model = "lerge"}).run(call, ticket("x"));
  EXPECT_NE(none.error().message.find("no model named 'lerge'; did you mean large?"),
            std::string::npos);
}

TEST(Call, ARunsTemperatureWins) {
  const ScriptedLm lm = scorer({-1, -2});
  CallOptions options;
  options.temperature = 0.9;
  options.sample = 4;
  Call call(lm, options);
  EXPECT_TRUE(Predictor(routing()).run(call, ticket("x")));
  EXPECT_EQ(lm.requests()[0].settings.temperature, 0.9);
  EXPECT_EQ(lm.requests()[0].sample, 4U);
}

}  // namespace
}  // namespace hone
