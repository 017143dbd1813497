#include "hone/program/ensemble.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "hone/program/saved_program.hpp"
#include "hone/testing/scripted_lm.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

// Answers what its instruction says.
Program saying(const std::string& answer, const std::string& type = "str") {
  PredictorOptions options;
  options.format = Format::json;
  options.parse_retries = 0;
  return Program::predict(Signature::parse("question -> answer: " + type, "Say " + answer).value(),
                          options);
}

ScriptedLm obedient_lm() {
  return ScriptedLm([](const LmRequest& request) -> Result<std::string> {
    const std::string text = request.prompt.dump();
    const std::size_t at = text.find("Say ") + 4;
    const std::string answer = text.substr(at, text.find('\n', at) - at);
    if (answer == "nothing") return bad_reply("model", "has no answer");
    if (answer == "later") return temporary("model", "is away");
    if (answer == "no more") return stopped("budget", "is spent");
    return R"({"answer": )" + answer + "}";
  });
}

Value ask(const Program& program, Trace* trace = nullptr) {
  const ScriptedLm lm = obedient_lm();
  Call call(lm);
  Value out = program.run(call, Value::object({{"question", "what?"}})).value();
  if (trace) *trace = call.take_trace();
  return out.get("answer");
}

TEST(Ensemble, VotesByWeightIgnoringCase) {
  const std::vector<Program> members = {saying("\"Rome\""), saying("\"Paris\""),
                                        saying("\"paris \"")};
  EXPECT_EQ(ask(ensemble(members).value()), Value("Paris"));
  EXPECT_EQ(ask(ensemble(members, {.weights = {3, 1, 1}}).value()), Value("Rome"));
  EXPECT_EQ(ask(ensemble({members[0], members[1]}).value()), Value("Rome")) << "earliest of equals";
}

TEST(Ensemble, TakesTheMeanOfNumbers) {
  const std::vector<Program> reals = {saying("1.0", "float"), saying("4.0", "float")};
  EXPECT_DOUBLE_EQ(ask(ensemble(reals, {.weights = {3, 1}, .reduce = "mean"}).value()).as_double(),
                   1.75);
  const std::vector<Program> wholes = {saying("1", "int"), saying("4", "int")};
  EXPECT_EQ(ask(ensemble(wholes, {.reduce = "mean"}).value()).as_int(), 3);
}

TEST(Ensemble, AMemberThatFailsDoesNotVote) {
  EXPECT_EQ(ask(ensemble({saying("nothing"), saying("\"Rome\"")}).value()), Value("Rome"));
  const ScriptedLm lm = obedient_lm();
  Call call(lm);
  const auto all = ensemble({saying("nothing"), saying("nothing")})
                       .value()
                       .run(call, Value::object({{"question", "what?"}}));
  ASSERT_FALSE(all);
  EXPECT_THAT(all.error().text(), HasSubstr("has no answer"));
}

TEST(Ensemble, AMemberThatWasNotReachedEndsTheRun) {
  const ScriptedLm lm = obedient_lm();
  for (const auto& [answer, kind] :
       {std::pair("later", ErrorKind::temporary), std::pair("no more", ErrorKind::stopped)}) {
    Call call(lm);
    const auto fewer = ensemble({saying("\"Rome\""), saying(answer)})
                           .value()
                           .run(call, Value::object({{"question", "what?"}}));
    ASSERT_FALSE(fewer) << answer;
    EXPECT_EQ(fewer.error().kind, kind);
  }
}

TEST(Ensemble, TellsItsMembersApartInTraceAndParameters) {
  const Program program = ensemble({saying("\"Rome\""), saying("\"Paris\"")}).value();
  Trace trace;
  ask(program, &trace);
  ASSERT_EQ(trace.steps.size(), 2U);
  EXPECT_EQ(trace.steps[1].path, "m2.predict");
  const Program tuned =
      program.with(Candidate().with("m1.predict.instructions", "Say \"Paris\"")).value();
  EXPECT_EQ(ask(tuned), Value("Paris"));
  EXPECT_EQ(tuned.predictors()[1].path(), "m2.predict");
}

TEST(Ensemble, TakesAReducerOfTheUsers) {
  EnsembleOptions options;
  options.reducer = [](const std::vector<Value>& answers, const std::vector<double>&) {
    return answers.back();
  };
  const Program program = ensemble({saying("\"a\""), saying("\"b\"")}, options).value();
  EXPECT_EQ(ask(program), Value("b"));
  EXPECT_TRUE(program.to_json().is_null());
}

TEST(Ensemble, SavedAndLoadedItIsTheSame) {
  const Program program =
      ensemble({saying("\"Rome\""), saying("\"Paris\"")}, {.weights = {0.25, 0.75}}).value();
  const Program loaded = Program::from_json(program.to_json(), "file").value();
  EXPECT_EQ(saved_program_text({loaded, {}, {}}), saved_program_text({program, {}, {}}));
  EXPECT_EQ(ask(loaded), Value("Paris"));
}

TEST(Ensemble, SaysWhatIsWrong) {
  EXPECT_FALSE(ensemble({}));
  EXPECT_FALSE(ensemble({saying("\"a\"")}, {.weights = {1, 2}}));
  EXPECT_FALSE(ensemble({saying("\"a\"")}, {.weights = {0}}));
  EXPECT_FALSE(ensemble({saying("\"a\"")}, {.weights = {-1}}));
  const auto fields = ensemble({saying("\"a\""), saying("1", "int")});
  ASSERT_FALSE(fields);
  EXPECT_THAT(fields.error().message, HasSubstr("answer: int"));
  const auto reduction = ensemble({saying("\"a\"")}, {.reduce = "vot"});
  ASSERT_FALSE(reduction);
  EXPECT_THAT(reduction.error().message, HasSubstr("vote"));
}

}  // namespace
}  // namespace hone
