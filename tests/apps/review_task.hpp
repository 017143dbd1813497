// A small task on a loopback server that answers well only when it is shown demos.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <mutex>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "apps/child_process.hpp"
#include "lm/http_test_server.hpp"

namespace hone::tests {

namespace fs = std::filesystem;

inline void write_text(const fs::path& path, const std::string& text) {
  std::ofstream(path) << text;
}

inline std::string read_text(const fs::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

inline HttpResponse review_answer(const HttpRequest& request) {
  const Value body = request.json();
  const Value::List messages = body.get("messages").as_list();
  const bool has_demos = messages.size() > 2;
  const std::string last = messages.back().get("content").text();
  const bool is_good = last.find("good") != std::string::npos;
  return chat_answer(std::string("[[ ## label ## ]]\n") +
                     (has_demos && is_good ? "positive" : "negative") +
                     "\n\n[[ ## completed ## ]]");
}

class ReviewTask : public testing::Test {
 protected:
  // A command takes up to nine connections: eight threads and the probe.
  explicit ReviewTask(std::size_t max_connections = 64)
      : server_([this](const HttpRequest& request) { return handler()(request); },
                max_connections) {
    // One folder a test: ctest runs them at the same time.
    const auto* test = testing::UnitTest::GetInstance()->current_test_info();
    folder_ = fs::temp_directory_path() /
              ("hone-command-" + std::to_string(::getpid()) + "-" + test->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
    write_split("train", "a", 8);
    write_split("val", "b", 6);
    write_split("test", "c", 6);
  }
  // Before a test's own members go, which its answers use.
  void TearDown() override {
    gate_.open();
    server_.stop();
  }
  ~ReviewTask() override {
    std::error_code ignored;
    fs::remove_all(folder_, ignored);
  }

  void write_split(const std::string& name, const std::string& word, int count) const {
    std::string text;
    for (int i = 0; i < count; ++i) {
      const bool good = i % 2 == 0;
      text += R"({"text": ")" + word + std::to_string(i) + (good ? " is good" : " is bad") +
              R"(", "label": ")" + (good ? "positive" : "negative") + "\"}\n";
    }
    write_text(folder_ / (name + ".jsonl"), text);
  }

  std::string path(const std::string& name) const { return (folder_ / name).string(); }
  std::string model() const { return "openai:" + server_.url() + "#stub"; }

  std::vector<std::string> optimize_words() const {
    return {"optimize",
            "--signature",
            "text -> label: enum(positive, negative)",
            "--train",
            path("train.jsonl"),
            "--val",
            path("val.jsonl"),
            "--test",
            path("test.jsonl"),
            "--metric",
            "exact_match:label",
            "--model",
            model(),
            "--optimizer",
            "bootstrap_random_search",
            "--candidates",
            "2",
            "--seed",
            "1",
            "--out",
            path("out.hone.json")};
  }
  // With the value after a flag replaced, or the flag and its value added.
  std::vector<std::string> optimize_with(const std::string& flag, const std::string& value) const {
    std::vector<std::string> words = optimize_words();
    const auto found = std::find(words.begin(), words.end(), flag);
    if (found == words.end()) {
      words.push_back(flag);
      words.push_back(value);
    } else {
      *(found + 1) = value;
    }
    return words;
  }

  // Exit code 2, a message with these words, and nothing written anywhere.
  void expect_refused(const std::vector<std::string>& words, const std::vector<std::string>& parts,
                      const ChildProcess::Environment& environment = {}) const {
    const Finished finished = run_hone(words, environment);
    EXPECT_EQ(finished.code, 2) << finished.err;
    EXPECT_EQ(finished.out, "");
    for (const std::string& part : parts) {
      EXPECT_NE(finished.err.find(part), std::string::npos)
          << "no '" << part << "' in: " << finished.err;
    }
    EXPECT_FALSE(fs::exists(folder_ / "out.hone.json"));
  }

  fs::path folder_;
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  // What the server says from now on. It runs already.
  void answer_with(Handler handler) {
    const std::lock_guard lock(answer_mutex_);
    answer_ = std::move(handler);
  }
  Handler handler() {
    const std::lock_guard lock(answer_mutex_);
    return answer_;
  }

  std::mutex answer_mutex_;
  Handler answer_ = review_answer;
  // Live longer than the server's threads.
  Gate gate_;     // for an answer to wait at
  Gate reached_;  // opened by an answer that waits
  HttpTestServer server_;
};

}  // namespace hone::tests
