#include <gtest/gtest.h>

#include "hone/base/file.hpp"
#include "hone/program/program.hpp"
#include "hone/program/program_file.hpp"
#include "hone/program/saved_program.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "core/parsed.hpp"

namespace hone {
namespace {

Program three_structures() {
  const Signature signature = parsed("question -> answer");
  return Program::alternatives(
             "solve", {{"predict", Program::predict(signature)},
                       {"cot", Program::chain_of_thought(signature)},
                       {"two_step",
                        Program::pipeline({{"plan", Predictor(parsed("question -> plan"))},
                                           {"act", Predictor(parsed("question, plan -> answer"))}})
                            .value()}})
      .value();
}

TEST(Alternatives, RunTheChosenOne) {
  const Program program = three_structures();
  const ScriptedLm plain = ScriptedLm::in_turn({"[[ ## answer ## ]]\n4"});
  Call call(plain);
  EXPECT_EQ(program.run(call, Value::object({{"question", "2+2"}})).value().to_json(),
            R"({"answer": "4"})");
  ASSERT_EQ(call.trace().steps.size(), 1U);
  EXPECT_EQ(call.trace().steps[0].path, "solve.predict.predict");

  const Program planned = program.with(Candidate().with("solve.choice", "two_step")).value();
  const ScriptedLm two = ScriptedLm::in_turn({"[[ ## plan ## ]]\nadd", "[[ ## answer ## ]]\nfour"});
  Call second(two);
  EXPECT_EQ(planned.run(second, Value::object({{"question", "2+2"}})).value().to_json(),
            R"({"answer": "four"})");
  ASSERT_EQ(second.trace().steps.size(), 2U);
  EXPECT_EQ(second.trace().steps[1].path, "solve.two_step.act");
}

TEST(Alternatives, KeepTheTraceOfAFailedRun) {
  const Program program = three_structures();
  const ScriptedLm lm([](const LmRequest&) -> Result<std::string> {
    return Error{ErrorKind::temporary, "", "down"};
  });
  Call call(lm);
  EXPECT_EQ(program.run(call, Value::object({{"question", "2+2"}})).error().kind,
            ErrorKind::temporary);
  ASSERT_EQ(call.trace().steps.size(), 1U);
  EXPECT_EQ(call.trace().steps[0].path, "solve.predict.predict");
}

TEST(Alternatives, TuneEveryPartByItsPath) {
  const Program tuned = three_structures()
                            .with(Candidate()
                                      .with("solve.choice", "cot")
                                      .with("solve.cot.predict.instructions", "Think.")
                                      .with("solve.two_step.plan.lm.temperature", 0.5))
                            .value();
  EXPECT_EQ(three_structures().with(tuned.candidate()).value().candidate(), tuned.candidate());
  EXPECT_FALSE(tuned.with(Candidate().with("solve.choice", "tree")));
  EXPECT_FALSE(tuned.with(Candidate().with("solve.tree.predict.instructions", "x")));
}

TEST(Alternatives, AreSavedAndLoadedWithTheirChoice) {
  const Program tuned = three_structures()
                            .with(Candidate()
                                      .with("solve.choice", "two_step")
                                      .with("solve.two_step.plan.instructions", "Plan first."))
                            .value();
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / "alternatives.hone.json";
  ASSERT_TRUE(save_program(file, {tuned, {}, {}}));
  const SavedProgram loaded = load_program(file).value();
  EXPECT_EQ(loaded.program.candidate(), tuned.candidate());
  EXPECT_EQ(loaded.program.structure_hash(), tuned.structure_hash());
  EXPECT_EQ(saved_program_text(loaded), saved_program_text({tuned, {}, {}}));
  EXPECT_EQ(load_program_into(file, three_structures()).value().program.candidate(),
            tuned.candidate());
}

TEST(Alternatives, AreReadFromATaskFile) {
  const std::filesystem::path file = std::filesystem::path(::testing::TempDir()) / "choice.toml";
  ASSERT_TRUE(write_file(file, R"(
[alternatives]
name = "solve"
choice = "cot"
[[alternatives.programs]]
name = "direct"
signature = "question -> answer"
[[alternatives.programs]]
name = "cot"
module = "chain_of_thought"
signature = "question -> answer"
[[alternatives.programs]]
name = "two_step"
[[alternatives.programs.steps]]
name = "plan"
signature = "question -> plan"
[[alternatives.programs.steps]]
name = "act"
signature = "question, plan -> answer"
)"));
  PredictorOptions defaults;
  defaults.format = Format::completion;
  const Program program =
      program_from_config(read_toml(file).value(), "choice.toml", defaults).value();
  const std::vector<Predictor> predictors = program.predictors();
  ASSERT_EQ(predictors.size(), 4U);
  EXPECT_EQ(predictors[1].path(), "solve.cot.predict");
  EXPECT_EQ(predictors[3].path(), "solve.two_step.act");
  EXPECT_EQ(predictors[3].options().format, Format::completion);
  EXPECT_EQ(*program.candidate().find("solve.choice"), Value("cot"));
}

TEST(Alternatives, ReportEveryFaultAtOnce) {
  const Program answer = Program::predict(parsed("question -> answer"));
  const Program other = Program::predict(parsed("question -> reply"));
  const Result<Program> bad = Program::alternatives(
      "so.lve", {{"a", answer}, {"a", answer}, {"choice", answer}, {"b", other}}, "aa");
  ASSERT_FALSE(bad);
  for (const char* part : {"so.lve", "two are named 'a'", "'choice'", "reply: str", "'aa'"})
    EXPECT_NE(bad.error().message.find(part), std::string::npos) << part << bad.error().text();
  EXPECT_FALSE(Program::alternatives("x", {}));

  const Value config = Value::parse_json(R"({"alternatives": {"nam": "x", "programs": [
      {"signature": "a -> b"}, {"name": "c", "signature": "a - b"}]}, "format": "json"})")
                           .value();
  const Result<Program> read = program_from_config(config, "task.toml");
  ASSERT_FALSE(read);
  for (const char* part : {"nam: is not a key", "needs a \"name\"", "c: ", "format: belongs"})
    EXPECT_NE(read.error().message.find(part), std::string::npos) << part << read.error().text();
}

}  // namespace
}  // namespace hone
