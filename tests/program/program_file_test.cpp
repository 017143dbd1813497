#include "hone/program/program_file.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace hone {
namespace {

class TomlFile {
 public:
  explicit TomlFile(const char* text) {
    std::string name = (std::filesystem::path(testing::TempDir()) / "hone_program_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    std::ofstream(path()) << text;
  }
  ~TomlFile() { std::filesystem::remove_all(folder_); }
  TomlFile(const TomlFile&) = delete;
  TomlFile& operator=(const TomlFile&) = delete;
  std::filesystem::path path() const { return folder_ / "program.toml"; }

 private:
  std::filesystem::path folder_;
};

Result<Program> program_of(const char* text, const PredictorOptions& defaults = {}) {
  const TomlFile file(text);
  const Result<Value> config = read_toml(file.path());
  if (!config) return config.error();
  return program_from_config(config->get("program"), "program", defaults);
}

std::string fault_of(const char* text) {
  const Result<Program> program = program_of(text);
  EXPECT_FALSE(program) << text;
  return program ? std::string() : program.error().text();
}

TEST(ReadToml, GivesValues) {
  const TomlFile file("a = 1\nb = 0.5\nc = [true, \"x\"]\nd = 2024-05-06\n[e]\nf = \"g\"\n");
  EXPECT_EQ(read_toml(file.path()).value(),
            Value::parse_json(
                R"({"a": 1, "b": 0.5, "c": [true, "x"], "d": "2024-05-06", "e": {"f": "g"}})")
                .value());
}

TEST(ReadToml, FaultsNameFileLineAndColumn) {
  const TomlFile file("a = 1\nb = = 2\n");
  const Result<Value> config = read_toml(file.path());
  ASSERT_FALSE(config);
  EXPECT_EQ(config.error().kind, ErrorKind::bad_request);
  EXPECT_EQ(config.error().where, file.path().string() + ":2:5");
  EXPECT_EQ(read_toml("no/such.toml").error().where, "no/such.toml");
}

TEST(ProgramFile, OneStep) {
  const char* text = R"toml(
[program]
signature = "ticket -> queue: enum(billing, technical)"
instructions = "Route."
module = "chain_of_thought"
calibration = "batch"
parse_retries = 3
demos = [{ticket = "t", queue = "billing"}]
[program.lm]
temperature = 0.7
max_tokens = 20
)toml";
  const Program program = program_of(text, {.format = Format::completion}).value();
  const Predictor predictor = program.predictors().at(0);
  EXPECT_EQ(predictor.path(), "predict");
  EXPECT_EQ(predictor.signature().instructions(), "Route.");
  EXPECT_EQ(predictor.options().format, Format::completion);
  EXPECT_EQ(predictor.options().reasoning, Reasoning::chain_of_thought);
  EXPECT_EQ(predictor.options().calibration, Calibration::batch);
  EXPECT_EQ(predictor.options().parse_retries, 3U);
  EXPECT_EQ(predictor.options().demos.size(), 1U);
  EXPECT_EQ(predictor.options().settings.temperature, 0.7);
  EXPECT_EQ(predictor.options().settings.max_tokens, 20U);
}

TEST(ProgramFile, SeveralStepsWiredByName) {
  const Program program = program_of(R"(
[[program.steps]]
name = "query"
signature = "question -> query"
[[program.steps]]
name = "answer"
signature = "question, query -> answer"
format = "json"
)")
                              .value();
  EXPECT_EQ(program.signature().to_string(), "question: str -> answer: str");
  EXPECT_EQ(program.predictors().at(1).options().format, Format::json);
}

TEST(ProgramFile, EveryFaultIsReportedWithItsPlace) {
  const std::string fault = fault_of(R"toml(
[program]
signature = "q -> a: enum(x, y)"
instruction = "Do."
format = "jsno"
calibration = 3
label_bias = {a = [1]}
demos = [{q = "t", a = "z"}]
[program.lm]
temprature = 1
top_p = 2
log_probs = 1
token_bias = {blue = 1}
)toml");
  for (const char* expected :
       {"instruction: is not a key hone knows; did you mean instructions",
        "format: ", "did you mean json", "calibration: expected a text, got 3",
        "lm.temprature: is not a key hone knows; did you mean temperature",
        "lm.top_p: expected a number from 0 to 1, got 2",
        "lm.log_probs: expected true or false, got 1",
        "lm.token_bias.blue: expected a number for a token number, got 1",
        "label_bias: 'a' needs one number for each of its 2 labels",
        "demos: in a demo, a: 'z' is not one of x, y"}) {
    EXPECT_NE(fault.find(expected), std::string::npos) << expected << "\n" << fault;
  }
}

TEST(ProgramFile, ABadSignatureIsPointedAt) {
  const std::string fault = fault_of("[program]\nsignature = \"q -> a: strng\"\n");
  EXPECT_NE(fault.find("column 9"), std::string::npos) << fault;
  EXPECT_NE(fault.find("  q -> a: strng\n          ^"), std::string::npos) << fault;
  EXPECT_NE(fault_of("[program]\nformat = \"json\"\n").find("signature: is missing"),
            std::string::npos);
  EXPECT_NE(fault_of("[other]\n").find("expected a program"), std::string::npos);
}

TEST(ProgramFile, FaultsInStepsNameTheStep) {
  EXPECT_NE(fault_of("[[program.steps]]\nname = \"a\"\nsignature = \"q ->\"\n")
                .find("steps.a: signature"),
            std::string::npos);
  EXPECT_NE(
      fault_of("[[program.steps]]\nsignature = \"q -> a\"\n").find("steps[0]: needs a \"name\""),
      std::string::npos);
  EXPECT_NE(
      fault_of(
          "[program]\nformat = \"xml\"\n[[program.steps]]\nname = \"a\"\nsignature = \"q -> a\"\n")
          .find("format: belongs into one of the steps"),
      std::string::npos);
  EXPECT_NE(fault_of("[program]\nsteps = 3\n").find("steps: expected a list"), std::string::npos);
}

}  // namespace
}  // namespace hone
