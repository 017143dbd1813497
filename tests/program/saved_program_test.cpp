#include "hone/program/saved_program.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <filesystem>
#include <fstream>

#include "hone/base/file.hpp"

#include "core/parsed.hpp"

namespace hone {
namespace {

Program router() {
  return Program::predict(
      parsed("ticket -> queue: enum(billing, technical)").with_instructions("Route the ticket."),
      {.format = Format::completion,
       .demos = {Value::object({{"ticket", "My card was charged twice"}, {"queue", "billing"}}),
                 Value::object({{"ticket", "It crashes"}, {"queue", "technical"}})},
       .calibration = Calibration::batch,
       .label_bias = {{"queue", {-1.25, -0.5}}},
       .settings = {.max_tokens = 12}});
}

class SavedProgramTest : public testing::Test {
 protected:
  SavedProgramTest() {
    std::string name = (std::filesystem::path(testing::TempDir()) / "hone_saved_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
  }
  ~SavedProgramTest() override { std::filesystem::remove_all(folder_); }
  std::filesystem::path path() const { return folder_ / "x.hone.json"; }
  void write(const std::string& text) const { std::ofstream(path()) << text; }
  std::string load_fault() const {
    const Result<SavedProgram> loaded = load_program(path());
    EXPECT_FALSE(loaded);
    return loaded ? std::string() : loaded.error().message;
  }
  std::filesystem::path folder_;
};

TEST_F(SavedProgramTest, IsPleasantToRead) {
  const SavedProgram saved{router(), Value::object({{"metric", "exact_match"}, {"val", 0.75}}),
                           Value::object({{"identity", "tiny"}})};
  std::string text = saved_program_text(saved);
  const std::size_t version = text.find("  \"hone_version\"");
  text.erase(version, text.find('\n', version) + 1 - version);
  EXPECT_EQ(text, R"json({
  "hone_format": 1,
  "program": {
    "module": "predict",
    "signature": "ticket: str -> queue: enum(billing, technical)",
    "instructions": "Route the ticket.",
    "format": "completion",
    "calibration": "batch",
    "label_bias": {"queue": [-1.25, -0.5]},
    "lm": {"max_tokens": 12},
    "demos": [
      {"ticket": "My card was charged twice", "queue": "billing"},
      {"ticket": "It crashes", "queue": "technical"}
    ]
  },
  "score": {"metric": "exact_match", "val": 0.75},
  "model": {"identity": "tiny"}
}
)json");
}

TEST_F(SavedProgramTest, EqualProgramsGiveEqualBytes) {
  const Program built = router();
  const Program tuned = Program::predict(built.signature()).with(built.candidate()).value();
  EXPECT_EQ(saved_program_text({built, {}, {}}), saved_program_text({tuned, {}, {}}));
}

TEST_F(SavedProgramTest, ReadsBackTheSame) {
  const Program pipeline = Program::pipeline({{"a", Predictor(parsed("q -> n: list[{x: int}]"))},
                                              {"b", Predictor(parsed("n: list[{x: int}] -> r"))}})
                               .value();
  for (const Program& program : {router(), pipeline}) {
    const SavedProgram saved{program, Value::object({{"val", 1}}), {}};
    ASSERT_TRUE(save_program(path(), saved));
    const SavedProgram loaded = load_program(path()).value();
    EXPECT_EQ(saved_program_text(loaded), saved_program_text(saved));
    EXPECT_EQ(loaded.score.get("val"), Value(1));
  }
}

TEST_F(SavedProgramTest, KeepsDescriptionsTheStringFormCannotHold) {
  const Type inner = Type::structure({{"x", Type::integer().with_description("in years")}});
  const Signature signature = Signature::make({{"q", Type::str()}}, {{"r", inner}}).value();
  ASSERT_TRUE(save_program(path(), {Program::predict(signature), {}, {}}));
  EXPECT_EQ(load_program(path()).value().program.predictors()[0].signature(), signature);
}

TEST_F(SavedProgramTest, LongListsOfNumbersFillTheirLines) {
  std::vector<std::string> labels;
  std::vector<double> bias;
  for (int i = 0; i < 77; ++i) {
    labels.push_back("label_" + std::to_string(i));
    bias.push_back(-i - 0.125);
  }
  const Signature signature =
      Signature::make({{"q", Type::str()}}, {{"r", Type::enumeration(labels)}}).value();
  const Program program = Program::predict(signature, {.label_bias = {{"r", bias}}});
  const std::string text = saved_program_text({program, {}, {}});
  EXPECT_LT(std::count(text.begin(), text.end(), '\n'), 30);
  write(text);
  EXPECT_EQ(load_program(path()).value().program.predictors()[0].options().label_bias.at("r"),
            bias);
}

TEST_F(SavedProgramTest, KeepsHowToDecode) {
  LmSettings settings;
  settings.temperature = 0.5;
  settings.logit_bias = {{" yes", 1.5}};
  settings.token_bias = {{7, -2}, {100'000, 0.25}};
  settings.log_probs = true;
  ASSERT_TRUE(
      save_program(path(), {Program::predict(parsed("q -> a"), {.settings = settings}), {}, {}}));
  EXPECT_EQ(load_program(path()).value().program.predictors()[0].options().settings, settings);
}

TEST_F(SavedProgramTest, RefusesWhatItCannotRead) {
  EXPECT_EQ(load_program(path()).error().kind, ErrorKind::bad_request);
  write("{\"hone_format\": 1,");
  EXPECT_NE(load_fault().find("not JSON"), std::string::npos);
  write("{\"program\": {}}");
  EXPECT_NE(load_fault().find("is not a program saved by hone"), std::string::npos);
  write(R"({"hone_format": 99, "hone_version": "7.1", "program": {"future": true}})");
  EXPECT_NE(load_fault().find("has format 99, written by hone 7.1"), std::string::npos);
  write(R"({"hone_format": 1, "program": {"signature": "q -> a", "formt": "json"}})");
  EXPECT_NE(load_fault().find("formt: is not a key hone knows; did you mean format"),
            std::string::npos);
}

TEST_F(SavedProgramTest, AFullDiskLeavesTheOldFile) {
  ASSERT_TRUE(save_program(path(), {router(), {}, {}}));
  const std::string old = read_file(path()).value();
  void (*const handler)(int) = std::signal(SIGXFSZ, SIG_IGN);
  rlimit before{};
  ::getrlimit(RLIMIT_FSIZE, &before);
  const rlimit full{100, before.rlim_max};
  ::setrlimit(RLIMIT_FSIZE, &full);
  const Result<void> written = save_program(path(), {router(), Value("new"), {}});
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_FALSE(written);
  EXPECT_EQ(read_file(path()).value(), old);
}

// Control flow that no file can hold, with a tunable of its own.
class Twice final : public Module {
 public:
  explicit Twice(const char* fields, std::int64_t times = 2)
      : Twice(Predictor(parsed(fields)).with_path("ask"), times) {}
  Twice(Predictor predictor, std::int64_t times)
      : predictor_(std::move(predictor)), times_(times) {}
  const Signature& signature() const override { return predictor_.signature(); }
  Value forward(Call& call, const Value& inputs) const override { return predictor_(call, inputs); }
  std::vector<Predictor> predictors() const override { return {predictor_}; }
  std::vector<Param> params() const override {
    std::vector<Param> out = predictor_.params();
    out.push_back({"times", IntDomain{1, 9}, times_, {}});
    return out;
  }
  Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const override {
    const Value* times = candidate.find("times");
    return std::make_shared<const Twice>(predictor_.with(candidate).value(),
                                         times ? times->as_int() : times_);
  }

 private:
  Predictor predictor_;
  std::int64_t times_;
};

TEST_F(SavedProgramTest, ProgramsOfCodeGetTheirParametersBack) {
  const Program base(std::make_shared<const Twice>("q -> a"));
  const Program tuned =
      base.with(Candidate().with("times", 5).with("ask.instructions", "Think.")).value();
  ASSERT_TRUE(save_program(path(), {tuned, {}, {}}));
  const Program loaded = load_program_into(path(), base).value().program;
  EXPECT_EQ(loaded.candidate(), tuned.candidate());
  EXPECT_NE(load_fault().find("is of a program written in C++"), std::string::npos);
}

TEST_F(SavedProgramTest, AnotherSignatureIsRefusedWithTheDifference) {
  ASSERT_TRUE(save_program(path(), {Program(std::make_shared<const Twice>("q -> a")), {}, {}}));
  const Result<SavedProgram> loaded =
      load_program_into(path(), Program(std::make_shared<const Twice>("q -> b")));
  ASSERT_FALSE(loaded);
  EXPECT_NE(loaded.error().message.find(
                R"(its 'ask' is for "q: str -> a: str", the program's for "q: str -> b: str")"),
            std::string::npos)
      << loaded.error().message;
  const Result<SavedProgram> other = load_program_into(path(), Program::predict(parsed("q -> a")));
  ASSERT_FALSE(other);
  EXPECT_NE(other.error().message.find("it has no predictor 'predict'"), std::string::npos);
  EXPECT_NE(other.error().message.find("the program has no predictor 'ask'"), std::string::npos);
}

}  // namespace
}  // namespace hone
