// The command on the real model of the demo.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/core/value.hpp"

#include "apps/child_process.hpp"
#include "apps/folder_watch.hpp"
#include "apps/review_task.hpp"

namespace hone::tests {
namespace {

using Words = std::vector<std::string>;

class CommandModelTest : public testing::Test {
 protected:
  void SetUp() override {
    const Finished found = run_hone({"models", "path", "smollm2"});
    if (found.code != 0) GTEST_SKIP() << "smollm2 is not here: hone models pull smollm2";
    model_ = found.out.substr(0, found.out.find('\n'));
    folder_ = fs::temp_directory_path() / ("hone-command-model-" + std::to_string(::getpid()));
    fs::create_directories(folder_);
  }
  void TearDown() override {
    std::error_code ignored;
    if (!folder_.empty()) fs::remove_all(folder_, ignored);
  }

  Words tickets(const std::string& out, const Words& more) const {
    Words words = {"optimize", std::string(HONE_SOURCE_DIR) + "/examples/tickets/tickets.toml",
                   "--quiet",  "--json",
                   "--out",    (folder_ / out).string()};
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }

  fs::path model_;
  fs::path folder_;
};

// One search serves all that can be seen of it: with a model each takes long.
TEST_F(CommandModelTest, SameSeedGivesTheSameBytesWithOneAndEightThreads) {
  const Words small = {
      "--limit",      "train=20,val=12,test=12", "--candidates", "2", "--seed", "7", "--option",
      "max_labeled=6"};
  Words one = tickets("one.hone.json", small);
  one.insert(one.end(), {"--threads", "1"});
  Words eight = tickets("eight.hone.json", small);
  eight.insert(eight.end(), {"--threads", "8"});
  const Finished first = run_hone(one);
  ASSERT_EQ(first.code, 0) << first.err;
  const Finished second = run_hone(eight);
  ASSERT_EQ(second.code, 0) << second.err;
  EXPECT_EQ(Value::parse_json(first.out).value().get("parse_failures"), Value(0));
  const std::string bytes = read_text(folder_ / "one.hone.json");
  EXPECT_FALSE(bytes.empty());
  EXPECT_EQ(bytes, read_text(folder_ / "eight.hone.json"));

  const Finished run = run_hone({"run", (folder_ / "one.hone.json").string(), "--scores", "--input",
                                 R"({"ticket": "my invoice is wrong"})"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Value scores = Value::parse_json(run.out).value().get("scores").get("queue");
  double sum = 0;
  for (const auto& [label, probability] : scores.as_object()) sum += probability.as_double();
  EXPECT_EQ(scores.size(), 5U);
  EXPECT_NEAR(sum, 1, 1e-9);

  const Finished evaluated =
      run_hone({"eval", (folder_ / "one.hone.json").string(), "--data",
                std::string(HONE_SOURCE_DIR) + "/examples/tickets/test.jsonl", "--limit", "test=12",
                "--quiet", "--json"});
  ASSERT_EQ(evaluated.code, 0) << evaluated.err;
  const Value report = Value::parse_json(first.out).value();
  const Value again = Value::parse_json(evaluated.out).value();
  EXPECT_EQ(again.get("examples"), report.get("test_examples"));
  EXPECT_EQ(again.get("score"), report.get("test_after"));
}

TEST_F(CommandModelTest, ScoresOfLabelsAreUnderTheirNames) {
  write_text(folder_ / "task.toml",
             "model = \"smollm2\"\n[program]\nsignature = \"ticket -> urgent: bool, "
             "desk: optional[enum(sales, support)]\"\n");
  const Finished run = run_hone({"run", (folder_ / "task.toml").string(), "--scores", "--input",
                                 R"({"ticket": "my house is on fire"})"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Value scores = Value::parse_json(run.out).value().get("scores");
  std::vector<std::string> names;
  for (const auto& [field, labels] : scores.as_object()) {
    for (const auto& [name, probability] : labels.as_object()) names.push_back(name);
  }
  EXPECT_EQ(join(names, " "), "true false sales support null");
}

TEST_F(CommandModelTest, ScoresOfAnEnsembleAreEachMembersOwn) {
  const std::string member =
      R"x({"signature": "ticket -> desk: enum(sales, support)", "format": "completion"})x";
  write_text(folder_ / "two.hone.json",
             R"({"hone_format": 1, "program": {"ensemble": {"programs": [)" + member + ", " +
                 member + "]}}}");
  const Finished run = run_hone({"run", (folder_ / "two.hone.json").string(), "--model", "smollm2",
                                 "--scores", "--input", R"({"ticket": "my house is on fire"})"});
  ASSERT_EQ(run.code, 0) << run.err;
  const Value scores = Value::parse_json(run.out).value().get("scores");
  std::vector<std::string> names;
  for (const auto& [name, labels] : scores.as_object()) names.push_back(name);
  EXPECT_EQ(join(names, " "), "m1.predict.desk m2.predict.desk");
}

TEST_F(CommandModelTest, AContextOfAnySizeIsUsed) {
  const Finished finished = run_hone(
      tickets("odd.hone.json", {"--context", "700", "--optimizer", "labeled_few_shot", "--option",
                                "max_labeled=2", "--limit", "train=20,val=20,test=20"}));
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST_F(CommandModelTest, ContextTooSmallForThePrompt) {
  std::string instructions;
  for (int i = 0; i < 400; ++i) instructions += "Look at what is asked. ";
  const Finished finished =
      run_hone(tickets("x.hone.json", {"--context", "512", "--instructions", instructions,
                                       "--limit", "train=20,val=12,test=8"}));
  EXPECT_EQ(finished.code, 2);
  EXPECT_NE(finished.err.find("context"), std::string::npos) << finished.err;
  EXPECT_FALSE(fs::exists(folder_ / "x.hone.json"));
}

TEST_F(CommandModelTest, ContextTooSmallForTheDemos) {
  const Finished finished = run_hone(
      tickets("x.hone.json", {"--context", "160", "--limit", "train=20,val=12,test=8",
                              "--optimizer", "labeled_few_shot", "--option", "max_labeled=16"}));
  EXPECT_EQ(finished.code, 2) << finished.out;
  EXPECT_NE(finished.err.find("every candidate failed"), std::string::npos) << finished.err;
  EXPECT_NE(finished.err.find("context"), std::string::npos) << finished.err;
  EXPECT_FALSE(fs::exists(folder_ / "x.hone.json"));
}

TEST_F(CommandModelTest, KilledAndGoneOnWithItSavesTheSameBytes) {
  const Words small = {"--limit",      "train=12,val=12,test=6",
                       "--candidates", "3",
                       "--optimizer",  "bootstrap_random_search",
                       "--seed",       "3",
                       "--option",     "max_labeled=6"};
  const auto words = [&](const std::string& name) {
    Words all = tickets(name + ".hone.json", small);
    all.insert(all.end(), {"--log", (folder_ / (name + ".db")).string()});
    all.insert(all.begin(), HONE_COMMAND);
    return all;
  };
  std::atomic<std::size_t> events{0};
  {
    const FolderWatch watch(folder_, [&](const std::string&) { ++events; });
    const Finished whole = ChildProcess(words("whole")).wait();
    ASSERT_EQ(whole.code, 0) << whole.err;
  }
  const std::size_t all_events = events;
  // On a busy machine events are told late, and a run may be through before its moment: then a new
  // one is killed at half of it. Other moments are tried without a model (StudyResumeSlow).
  std::string name;
  int code = 0;
  for (double at = 0.4; code == 0 && at > 0.01; at /= 2) {
    name = "killed" + std::to_string(static_cast<int>(at * 1000));
    const auto kill_at =
        std::max<std::size_t>(1, static_cast<std::size_t>(at * static_cast<double>(all_events)));
    events = 0;
    ChildProcess child(words(name));
    const FolderWatch watch(folder_, [&](const std::string&) {
      if (++events == kill_at) child.signal(SIGKILL);
    });
    code = child.wait().code;
  }
  EXPECT_EQ(code, 128 + SIGKILL) << name;
  const Finished resumed = ChildProcess(words(name)).wait();
  ASSERT_EQ(resumed.code, 0) << resumed.err;
  EXPECT_EQ(read_text(folder_ / (name + ".hone.json")), read_text(folder_ / "whole.hone.json"))
      << name;
}

TEST_F(CommandModelTest, ADryRunIsRightWithinAFifthWithoutRacing) {
  const Words small = {"--limit",     "train=24,val=24,test=24", "--candidates", "4",
                       "--optimizer", "bootstrap_random_search", "--race",       "off"};
  Words dry = tickets("x.hone.json", small);
  dry.push_back("--dry-run");
  const Finished expected = run_hone(dry);
  ASSERT_EQ(expected.code, 0) << expected.err;
  EXPECT_FALSE(fs::exists(folder_ / "x.hone.json"));
  const Finished real = run_hone(tickets("x.hone.json", small));
  ASSERT_EQ(real.code, 0) << real.err;
  const Value estimate = Value::parse_json(expected.out).value();
  const Value report = Value::parse_json(real.out).value();
  for (const auto& [name, field] : {std::pair{"expected_calls", "lm_calls"},
                                    std::pair{"expected_prompt_tokens", "prompt_tokens"}}) {
    const double wanted = report.get(field).as_double();
    EXPECT_NEAR(estimate.get(name).as_double(), wanted, wanted / 5) << name;
  }
  EXPECT_LE(estimate.get("probe_calls").as_int(), 23);
  RecordProperty("expected_seconds", estimate.get("expected_seconds").to_json());
  RecordProperty("seconds", report.get("total_seconds").to_json());
  std::printf("seconds: %s expected, %s taken\n",
              estimate.get("expected_seconds").to_json().c_str(),
              report.get("total_seconds").to_json().c_str());
}

TEST_F(CommandModelTest, TruncatedModel) {
  std::string head(1 << 20, '\0');
  std::ifstream(model_, std::ios::binary)
      .read(head.data(), static_cast<std::streamsize>(head.size()));
  write_text(folder_ / "cut.gguf", head);
  const Finished finished =
      run_hone(tickets("x.hone.json", {"--model", "gguf:" + (folder_ / "cut.gguf").string()}));
  EXPECT_EQ(finished.code, 2);
  EXPECT_NE(finished.err.find("cut.gguf"), std::string::npos) << finished.err;
}

}  // namespace
}  // namespace hone::tests
