#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <thread>

#include "eval/metrics/line_process.hpp"
#include "eval/outcome_fixture.hpp"

namespace hone {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing_eval::ask;
using namespace std::chrono_literals;

Result<Score> once(const std::string& command) {
  const Metric metric = command_metric(command).value();
  return ask(metric, R"({"x": 1})", R"({"x": 1})");
}

TEST(CommandMetric, ReadsNumbersBoolsAndObjects) {
  EXPECT_EQ(once("read line; echo 0.25; cat >/dev/null").value().value, 0.25);
  EXPECT_EQ(once("read line; echo true; cat >/dev/null").value().value, 1);
  const Score score =
      once(R"(read line; echo '{"score": 0.5, "feedback": "too long"}'; cat >/dev/null)").value();
  EXPECT_EQ(score.value, 0.5);
  EXPECT_EQ(score.feedback, "too long");
}

TEST(CommandMetric, GetsExampleAndPredictionAsOneLine) {
  const std::filesystem::path seen =
      std::filesystem::path(testing::TempDir()) / "command_metric_seen.jsonl";
  {
    const Metric metric = command_metric("while read -r line; do printf '%s\\n' \"$line\" >> '" +
                                         seen.string() + "'; echo 1; done")
                              .value();
    ASSERT_TRUE(ask(metric, R"({"x": "two\nlines"})", R"({"x": "ü"})"));
  }
  std::ifstream file(seen);
  std::string line;
  std::getline(file, line);
  EXPECT_EQ(line, R"({"example": {"x": "two\nlines"}, "prediction": {"x": "ü"}})");
  std::filesystem::remove(seen);
}

TEST(CommandMetric, TheExampleOfOneComputesEquationsAndRunsNothing) {
  const Metric metric =
      command_metric("python3 '" HONE_SOURCE_DIR "/examples/equation_score.py'").value();
  const auto score = [&](const std::string& equation) {
    return ask(metric, R"({"answer": "-1"})", R"({"equation": ")" + equation + "\"}").value();
  };
  EXPECT_EQ(score("( 2.0 * ( 1.5 - 2.0 ) )").value, 1);
  EXPECT_EQ(score("3 - 2").feedback, "3 - 2 is 1, and the answer is -1");
  for (const char* bad : {"1 / 0", "2 ** 9", "exit(0)", "five", "", "((", "True"})
    EXPECT_THAT(score(bad).feedback, HasSubstr("is no equation")) << bad;
}

TEST(CommandMetric, IsStartedOnceAndAnswersInOrder) {
  const Metric metric =
      command_metric("i=0; while read line; do i=$((i+1)); echo $i; done").value();
  for (int i = 1; i <= 50; ++i) {
    EXPECT_EQ(ask(metric, "{}", "{}").value().value, i);
  }
}

TEST(CommandMetric, ConcurrentRolloutsTakeTurns) {
  const Metric sizes = command_metric("while read -r line; do echo ${#line}; done").value();
  std::vector<std::jthread> threads;
  std::vector<int> wrong(4, 0);
  for (std::size_t t = 0; t < wrong.size(); ++t) {
    threads.emplace_back([&, t] {
      for (std::size_t i = 0; i < 50; ++i) {
        const std::string text = "{\"x\": \"" + std::string(t * 50 + i, 'a') + "\"}";
        const std::size_t expected =
            std::string(R"({"example": , "prediction": {}})").size() + text.size();
        const Result<Score> score = ask(sizes, text, "{}");
        if (!score || score->value != static_cast<double>(expected)) ++wrong[t];
      }
    });
  }
  threads.clear();
  EXPECT_THAT(wrong, ::testing::Each(0));
}

TEST(CommandMetric, LinesLargerThanPipesDoNotBlock) {
  const Metric metric =
      command_metric("while read -r line; do echo \"$line\" >&2; echo 1; done").value();
  const std::string large = "{\"x\":\"" + std::string(1U << 18U, 'a') + "\"}";
  EXPECT_EQ(ask(metric, large, "{}").value().value, 1);
  EXPECT_EQ(ask(metric, large, "{}").value().value, 1);
}

TEST(CommandMetricFault, ADeadProgramIsAnErrorThatQuotesItsStandardError) {
  const Metric metric =
      command_metric("read line; echo 'no such column: gold' >&2; exit 3").value();
  for (int i = 0; i < 3; ++i) {
    const Result<Score> result = ask(metric, "{}", "{}");
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().text(),
                AllOf(HasSubstr("ended with status 3"), HasSubstr("no such column: gold")));
  }
}

TEST(CommandMetricFault, AProgramThatIsNotThere) {
  const Result<Score> result = once("/no/such/program");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().text(),
              AllOf(HasSubstr("ended with status 127"), HasSubstr("/no/such/program")));
}

TEST(CommandMetricFault, AKilledProgram) {
  EXPECT_THAT(once("read line; kill -9 $$").error().text(), HasSubstr("was killed by signal 9"));
}

TEST(CommandMetricFault, WritingToADeadProgramRaisesNoSignal) {
  struct sigaction before{};
  struct sigaction fatal{};
  fatal.sa_handler = SIG_DFL;
  sigaction(SIGPIPE, &fatal, &before);
  const Metric metric = command_metric("exec 0<&-; exec sleep 0").value();
  const std::string large = "{\"x\":\"" + std::string(1U << 18U, 'a') + "\"}";
  EXPECT_FALSE(ask(metric, large, "{}"));
  EXPECT_FALSE(ask(metric, large, "{}"));
  sigaction(SIGPIPE, &before, nullptr);
}

TEST(CommandMetricFault, RubbishIsAnErrorForThatRolloutAlone) {
  const Metric metric =
      command_metric(
          "read l; echo 'hint: gold' >&2; echo 'Traceback'; read l; echo 1; cat >/dev/null")
          .value();
  const Result<Score> rubbish = ask(metric, "{}", "{}");
  ASSERT_FALSE(rubbish);
  EXPECT_THAT(rubbish.error().text(),
              AllOf(HasSubstr("printed 'Traceback'"), HasSubstr("neither a number nor")));
  EXPECT_EQ(ask(metric, "{}", "{}").value().value, 1);
}

TEST(CommandMetricFault, NotANumberIsAnErrorInEveryForm) {
  for (const char* line : {"nan", "NaN", "inf", "null", "\"1\"", "[1]", "{}", "{\"score\": null}",
                           "{\"score\": NaN}", "{\"score\": \"high\"}", "1e999", "1 2"}) {
    const Result<Score> result = once(std::string("read l; echo '") + line + "'; cat >/dev/null");
    EXPECT_FALSE(result) << line;
  }
}

TEST(CommandMetricFault, TwoLinesForOneExampleNeverShiftScores) {
  const Metric metric = command_metric("while read l; do printf '1\\n0\\n'; done").value();
  EXPECT_EQ(ask(metric, "{}", "{}").value().value, 1);
  const Result<Score> second = ask(metric, "{}", "{}");
  ASSERT_FALSE(second);
  EXPECT_THAT(second.error().text(), HasSubstr("more than one line"));
}

TEST(CommandMetricFault, AHangingProgramIsEndedWithAClearError) {
  const Metric metric = command_metric("echo thinking >&2; sleep 1000 & wait", 50ms).value();
  const Result<Score> result = ask(metric, "{}", "{}");
  ASSERT_FALSE(result);
  EXPECT_THAT(result.error().text(),
              AllOf(HasSubstr("no line for an example within 0.05 s"), HasSubstr("thinking")));
}

TEST(CommandMetricFault, AStopDoesNotWaitForTheProgramAndNextAnswersStayInStep) {
  const std::filesystem::path gate =
      std::filesystem::path(testing::TempDir()) / "command_metric_gate";
  std::filesystem::remove(gate);
  Result<std::unique_ptr<LineProcess>> process =
      LineProcess::start("read l; until [ -e '" + gate.string() +
                             "' ]; do sleep 0.01; done; echo 1; "
                             "read l; echo 2; cat >/dev/null",
                         1min);
  ASSERT_TRUE(process);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ((*process)->exchange("a", stop.get_token()).error().kind, ErrorKind::stopped);
  std::ofstream(gate) << "open";
  EXPECT_EQ((*process)->exchange("b", {}).value(), "2");
  std::filesystem::remove(gate);
}

TEST(CommandMetric, EndsTheProgramWithTheLastCopy) {
  const std::filesystem::path log =
      std::filesystem::path(testing::TempDir()) / "command_metric_end";
  std::filesystem::remove(log);
  {
    const Metric metric =
        command_metric("while read l; do echo 1; done; echo done > '" + log.string() + "'").value();
    const Metric copy = metric;
    ASSERT_TRUE(ask(copy, "{}", "{}"));
  }
  EXPECT_TRUE(std::filesystem::exists(log));
  std::filesystem::remove(log);
}

TEST(CommandMetric, AProgramThatIgnoresItsEndIsKilledWithItsChildren) {
  pid_t child = 0;
  {
    Result<std::unique_ptr<LineProcess>> process =
        LineProcess::start("trap '' TERM; sleep 1000 & read l; echo $!; wait; wait", 1min, 20ms);
    ASSERT_TRUE(process);
    child = static_cast<pid_t>(std::stol((*process)->exchange("x", {}).value()));
    ASSERT_GT(child, 1);
  }
  // The kernel delivers a kill when it gets to it; then the orphan is gone or waits to be reaped.
  const std::filesystem::path stat = "/proc/" + std::to_string(child) + "/stat";
  const auto deadline = std::chrono::steady_clock::now() + 30s;
  std::string text;
  bool is_gone = false;
  while (!is_gone && std::chrono::steady_clock::now() < deadline) {
    std::ifstream file(stat);
    text.clear();
    std::getline(file, text);
    is_gone = text.empty() || text.find(") Z") != std::string::npos ||
              text.find(") X") != std::string::npos;
    std::this_thread::yield();
  }
  EXPECT_TRUE(is_gone) << text;
}

}  // namespace
}  // namespace hone
