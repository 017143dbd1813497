// A study outlives its process: killed at any moment, shared by two, on a disk that is full.
#include <sqlite3.h>

#include <algorithm>
#include <atomic>
#include <csignal>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/rng.hpp"
#include "hone/store/study.hpp"

#include "apps/folder_watch.hpp"
#include "apps/review_task.hpp"

namespace hone::tests {
namespace {

using Words = std::vector<std::string>;

// Labels like the review task; proposals become an instruction that helps as demos do.
HttpResponse writing_answer(const HttpRequest& request) {
  const Value body = request.json();
  const Value::List messages = body.get("messages").as_list();
  const std::string system = messages.front().get("content").text();
  if (system.find("[[ ## label ## ]]") == std::string::npos) {
    const std::size_t end = system.find("[[ ## completed ## ]]");
    const std::size_t begin = system.rfind("[[ ## ", end - 1) + 6;
    const std::string field = system.substr(begin, system.find(" ##", begin) - begin);
    const std::string text =
        "Mind the mood, " + std::to_string(request.body.size() % 7) + " times.";
    return chat_answer("[[ ## " + field + " ## ]]\n" + text + "\n\n[[ ## completed ## ]]");
  }
  const std::string last = messages.back().get("content").text();
  const bool knows = messages.size() > 4 || system.find("mood") != std::string::npos;
  const bool is_good = last.find("good") != std::string::npos;
  return chat_answer(std::string("[[ ## label ## ]]\n") +
                     (knows && is_good ? "positive" : "negative") + "\n\n[[ ## completed ## ]]");
}

class StudyResume : public ReviewTask {
 protected:
  StudyResume() : ReviewTask(4000) {
    answer_with([this](const HttpRequest& request) {
      const std::size_t number = ++served_;
      {
        const std::shared_lock lock(hook_mutex_);
        if (hook_) hook_(number);
      }
      return writing_answer(request);
    });
  }

  Words command(const std::string& optimizer, const std::string& log,
                const std::string& out) const {
    Words words = optimize_words();
    for (std::size_t i = 0; i < words.size(); ++i) {
      if (words[i] == "--optimizer") words[i + 1] = optimizer;
      if (words[i] == "--out") words[i + 1] = path(out);
    }
    // Not every optimizer has that option.
    const auto candidates = std::find(words.begin(), words.end(), "--candidates");
    if (optimizer != "bootstrap_random_search") words.erase(candidates, candidates + 2);
    words.insert(words.begin(), HONE_COMMAND);
    words.insert(words.end(), {"--log", path(log), "--quiet"});
    return words;
  }

  static Finished run(const Words& words) { return ChildProcess(words).wait(); }

  std::string winner(const std::string& out) const { return read_text(folder_ / out); }

  void expect_sound_log(const std::string& log) const {
    const auto opened = read_study_log(folder_ / log);
    ASSERT_TRUE(opened) << opened.error().text();
    const Result<Study> study = read_study(**opened);
    ASSERT_TRUE(study) << study.error().text();
    for (std::size_t i = 0; i < study->trials.size(); ++i)
      EXPECT_EQ(study->trials[i].number, i) << "each trial once";
    ASSERT_TRUE(study->end);
    EXPECT_EQ(study->end->trial, study->best()->number);
  }

  void forget(const std::string& log, const std::string& out) const {
    for (const char* end : {"", "-wal", "-shm"}) fs::remove(path(log) + end);
    fs::remove(folder_ / out);
  }

  // Called with the number of each request. Returns when the one before is no longer running.
  void on_request(std::function<void(std::size_t)> hook) {
    const std::unique_lock lock(hook_mutex_);
    hook_ = std::move(hook);
  }

  std::atomic<std::size_t> served_{0};
  std::shared_mutex hook_mutex_;
  std::function<void(std::size_t)> hook_;
};

struct Uninterrupted {
  std::string winner;
  std::size_t requests = 0;
  std::size_t file_events = 0;
};

class StudyResumeSlow : public StudyResume {};

TEST_F(StudyResumeSlow, KilledAtFiftyMomentsItReachesTheSameWinner) {
  const Words optimizers = {"bootstrap_random_search", "mipro", "gepa", "copro"};
  std::vector<Uninterrupted> whole;
  for (const std::string& optimizer : optimizers) {
    served_ = 0;
    std::atomic<std::size_t> events{0};
    const FolderWatch watch(folder_, [&](const std::string&) { ++events; });
    const Finished finished = run(command(optimizer, optimizer + ".db", "whole.hone.json"));
    ASSERT_EQ(finished.code, 0) << finished.err;
    whole.push_back({winner("whole.hone.json"), served_, events});
    EXPECT_GT(whole.back().requests, 30U) << optimizer;
  }
  Rng rng(50, "moments");
  std::size_t killed = 0;
  for (std::size_t moment = 0; moment < 50; ++moment) {
    const std::size_t which = moment % optimizers.size();
    const Words words = command(optimizers[which], "killed.db", "killed.hone.json");
    const bool by_request = rng.below(2) == 0;
    const std::size_t limit =
        1 + rng.below(by_request ? whole[which].requests : whole[which].file_events);
    served_ = 0;
    {
      ChildProcess child(words);
      std::atomic<std::size_t> events{0};
      if (by_request) {
        on_request([&](std::size_t number) {
          if (number == limit) child.signal(SIGKILL);
        });
      }
      const FolderWatch watch(folder_, [&](const std::string&) {
        if (!by_request && ++events == limit) child.signal(SIGKILL);
      });
      killed += child.wait().code == 128 + SIGKILL ? 1 : 0;
      on_request(nullptr);
    }
    const Finished resumed = run(words);
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    EXPECT_EQ(winner("killed.hone.json"), whole[which].winner)
        << optimizers[which] << (by_request ? " at request " : " at file event ") << limit;
    expect_sound_log("killed.db");
    forget("killed.db", "killed.hone.json");
  }
  EXPECT_GT(killed, 40U) << "most moments are before the end";
}

TEST_F(StudyResume, KilledWhileSavingItSavesTheSame) {
  const Words words = command("bootstrap_random_search", "s.db", "saved.hone.json");
  ASSERT_EQ(run(words).code, 0);
  const std::string whole = winner("saved.hone.json");
  forget("s.db", "saved.hone.json");
  {
    ChildProcess child(words);
    const FolderWatch watch(folder_, [&](const std::string& name) {
      if (name.starts_with("saved.hone.json")) child.signal(SIGKILL);
    });
    child.wait();
  }
  const std::string left = winner("saved.hone.json");
  EXPECT_TRUE(left.empty() || Value::parse_json(left)) << "never half a program";
  ASSERT_EQ(run(words).code, 0);
  EXPECT_EQ(winner("saved.hone.json"), whole);
}

TEST_F(StudyResume, ABudgetEndsAResumedRunWhereItEndsAnUninterruptedOne) {
  for (const Words& budget :
       {Words{"--budget-calls", "25"}, Words{"--budget-tokens", "3500"},
        Words{"--budget-money", "0.002", "--price-prompt", "0.5", "--price-generated", "5"}}) {
    Words words = command("copro", "b.db", "b.hone.json");
    words.insert(words.end(), budget.begin(), budget.end());
    // One at a time: what is under way when a budget of tokens ends depends on who is first.
    words.insert(words.end(), {"--threads", "1", "--json"});
    served_ = 0;
    const Finished first = run(words);
    ASSERT_EQ(first.code, 0) << first.err;
    const Value report = Value::parse_json(first.out).value();
    EXPECT_TRUE(report.get("stop_reason").is_string()) << first.out;
    const std::string whole = winner("b.hone.json");
    const std::size_t requests = served_;
    forget("b.db", "b.hone.json");
    for (const std::size_t limit : {requests / 3, requests / 2}) {
      served_ = 0;
      ChildProcess child(words);
      on_request([&](std::size_t number) {
        if (number == limit) child.signal(SIGKILL);
      });
      child.wait();
      on_request(nullptr);
    }
    const Finished resumed = run(words);
    ASSERT_EQ(resumed.code, 0) << resumed.err;
    const Value again = Value::parse_json(resumed.out).value();
    EXPECT_EQ(winner("b.hone.json"), whole) << budget[0];
    EXPECT_EQ(again.get("lm_calls"), report.get("lm_calls")) << budget[0];
    EXPECT_EQ(again.get("money"), report.get("money")) << budget[0];
    forget("b.db", "b.hone.json");
  }
}

TEST_F(StudyResume, TwoProcessesShareOneStudy) {
  const Words alone = command("mipro", "alone.db", "alone.hone.json");
  ASSERT_EQ(run(alone).code, 0);
  const std::size_t single = served_;
  served_ = 0;
  // The first is held in the middle of its search until the second is through.
  on_request([this, single](std::size_t number) {
    if (number == single / 2) {
      reached_.open();
      gate_.wait();
    }
  });
  ChildProcess first(command("mipro", "two.db", "first.hone.json"));
  reached_.wait();
  ChildProcess second(command("mipro", "two.db", "second.hone.json"));
  const Finished second_end = second.wait();
  ASSERT_EQ(second_end.code, 0) << second_end.err;
  gate_.open();
  const Finished first_end = first.wait();
  ASSERT_EQ(first_end.code, 0) << first_end.err;
  EXPECT_EQ(winner("first.hone.json"), winner("alone.hone.json"));
  EXPECT_EQ(winner("second.hone.json"), winner("alone.hone.json"));
  // Each asks once by itself (the first call); a few were under way twice.
  EXPECT_LE(served_, single + 1 + 16);
  expect_sound_log("two.db");
}

TEST_F(StudyResume, TwoProcessesAtTheSameTime) {
  ASSERT_EQ(run(command("gepa", "alone.db", "alone.hone.json")).code, 0);
  ChildProcess first(command("gepa", "two.db", "first.hone.json"));
  ChildProcess second(command("gepa", "two.db", "second.hone.json"));
  const Finished first_end = first.wait(), second_end = second.wait();
  EXPECT_EQ(first_end.code, 0) << first_end.err;
  EXPECT_EQ(second_end.code, 0) << second_end.err;
  EXPECT_EQ(winner("first.hone.json"), winner("alone.hone.json"));
  EXPECT_EQ(winner("second.hone.json"), winner("alone.hone.json"));
  expect_sound_log("two.db");
}

TEST_F(StudyResume, AFullDiskIsToldAndTheSearchGoesOn) {
  ASSERT_EQ(run(command("mipro", "whole.db", "whole.hone.json")).code, 0);
  // Stands in for a full disk: no file may grow beyond 64 KiB.
  Words words = {"bash", "-c", "ulimit -f 64; exec \"$0\" \"$@\""};
  for (const std::string& word : command("mipro", "full.db", "full.hone.json"))
    words.push_back(word);
  const Finished finished = run(words);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_NE(finished.err.find("the study log cannot be written"), std::string::npos)
      << finished.err;
  EXPECT_NE(finished.err.find("full.db"), std::string::npos) << finished.err;
  EXPECT_EQ(winner("full.hone.json"), winner("whole.hone.json"));
  // With room again, the same command fills in what is missing.
  ASSERT_EQ(run(command("mipro", "full.db", "full.hone.json")).code, 0);
  expect_sound_log("full.db");
}

// A study log of a version and nothing else, in pages so large that each write counts.
void write_large_paged_log(const fs::path& path) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  EXPECT_EQ(sqlite3_exec(database,
                         "PRAGMA page_size = 65536; PRAGMA application_id = 0x686F6E65;"
                         "CREATE TABLE study_version (version INTEGER NOT NULL);"
                         "INSERT INTO study_version VALUES (1);",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
}

TEST_F(StudyResume, ADiskFullFromTheStartIsToldOfTheStudyLog) {
  // Less leaves no room for the entries, more leaves some for replies too.
  for (const char* kilobytes : {"160", "256", "320"}) {
    write_large_paged_log(folder_ / "full.db");
    Words words = {"bash", "-c", std::string("ulimit -f ") + kilobytes + "; exec \"$0\" \"$@\""};
    for (const std::string& word : command("mipro", "full.db", "full.hone.json"))
      words.push_back(word);
    const Finished finished = run(words);
    EXPECT_EQ(finished.code, 2) << kilobytes << ": " << finished.err;
    EXPECT_NE(finished.err.find("full.db: cannot be used as a study log"), std::string::npos)
        << kilobytes << ": " << finished.err;
    forget("full.db", "full.hone.json");
  }
}

TEST_F(StudyResume, ALogThatMayOnlyBeReadIsReadAndTold) {
  ASSERT_EQ(run(command("copro", "s.db", "s.hone.json")).code, 0);
  const std::string whole = winner("s.hone.json");
  const std::size_t single = served_;
  fs::permissions(folder_ / "s.db", fs::perms::owner_read | fs::perms::others_read);
  fs::create_directory(folder_ / "out");
  fs::permissions(folder_ / "out", fs::perms::all);
  Words words = command("copro", "s.db", "out/s.hone.json");
  if (::geteuid() == 0) {
    // Root may write everything.
    const Words nobody = {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"};
    words.insert(words.begin(), nobody.begin(), nobody.end());
    if (run({"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", HONE_COMMAND,
             "--version"})
            .code != 0)
      GTEST_SKIP() << "the command cannot be run as another user here";
  }
  served_ = 0;
  const Finished finished = run(words);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_NE(finished.err.find("may be read but not written"), std::string::npos) << finished.err;
  EXPECT_EQ(winner("out/s.hone.json"), whole);
  EXPECT_LT(served_, single / 4) << "its replies are used";
}

}  // namespace
}  // namespace hone::tests
