#include "hone/store/study_log.hpp"

#include <gtest/gtest.h>
#include <sqlite3.h>
#include <unistd.h>

#include <filesystem>
#include <thread>
#include <vector>

#include "hone/base/file.hpp"
#include "hone/store/study.hpp"

namespace hone {
namespace {

class Folder {
 public:
  Folder() {
    std::string name = (std::filesystem::temp_directory_path() / "hone-study-XXXXXX").string();
    path_ = ::mkdtemp(name.data());
  }
  ~Folder() { std::filesystem::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::filesystem::path operator/(const char* name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void expect_append_only(StudyLog& log) {
  EXPECT_TRUE(log.append("trial", "0", Value(1)).value());
  EXPECT_TRUE(log.append("trial", "1", Value(2)).value());
  EXPECT_TRUE(log.append("phase", "0", Value("baseline")).value());
  EXPECT_FALSE(log.append("trial", "0", Value(99)).value());
  const auto trials = log.records("trial").value();
  ASSERT_EQ(trials.size(), 2U);
  EXPECT_EQ(trials[0].body, Value(1)) << "what was written stays";
  EXPECT_EQ(log.records().value().size(), 3U);
  EXPECT_LT(trials[0].number, trials[1].number);
}

TEST(StudyLog, MemoryKeepsTheFirstEntryOfAKey) {
  expect_append_only(*make_memory_study_log());
}

TEST(StudyLog, FileKeepsTheFirstEntryOfAKeyAndSurvivesReopening) {
  const Folder folder;
  expect_append_only(*open_study_log(folder / "s.db").value());
  EXPECT_EQ(read_study_log(folder / "s.db").value()->records().value().size(), 3U);
}

TEST(StudyLog, TwoConnectionsWriteEachEntryOnceConcurrently) {
  const Folder folder;
  const auto a = open_study_log(folder / "s.db").value();
  const auto b = open_study_log(folder / "s.db").value();
  const auto write = [](StudyLog& log) {
    for (int i = 0; i < 50; ++i) EXPECT_TRUE(log.append("trial", std::to_string(i), Value(i)));
  };
  {
    const std::jthread one([&] { write(*a); });
    const std::jthread two([&] { write(*b); });
  }
  EXPECT_EQ(a->records("trial").value().size(), 50U);
}

TEST(Study, OfTwoRecordsOfATrialTheFullerIsRead) {
  const auto record = [](const char* origin, std::size_t examples, bool complete) {
    return Value::object({{"number", 1},
                          {"origin", origin},
                          {"examples", examples},
                          {"complete", complete},
                          {"candidate", Value::object()},
                          {"scores", Value(Value::List{})}});
  };
  const auto log = make_memory_study_log();
  EXPECT_TRUE(log->append("study", "identity", Value("a study")).value());
  EXPECT_TRUE(log->append("trial", "1", record("bootstrap 1", 30, true)).value());
  EXPECT_TRUE(log->append("trial", "2", record("bootstrap 1", 12, false)).value());
  EXPECT_EQ(read_study(*log).value().trials.at(0).examples, 30U) << "not the last one";
  const auto result = Value::object({{"trial", 1}, {"stop_reason", "stopped"}});
  EXPECT_TRUE(log->append("result", "a run", result).value());
  EXPECT_FALSE(read_study(*log).value().end->complete) << "that run had not measured it";
  EXPECT_EQ(read_study(*log).value().best(), nullptr);
  EXPECT_TRUE(log->append("trial", "3", record("bootstrap 2", 5, false)).value());
  EXPECT_EQ(read_study(*log).value().trials.at(0).origin, "bootstrap 2") << "another one";
}

TEST(StudyLog, ALockOfSomebodyElseIsAnErrorAndPasses) {
  const Folder folder;
  const auto log = open_study_log(folder / "s.db").value();
  sqlite3* other = nullptr;
  ASSERT_EQ(sqlite3_open((folder / "s.db").c_str(), &other), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(other, "BEGIN IMMEDIATE", nullptr, nullptr, nullptr), SQLITE_OK);
  const auto refused = log->append("trial", "0", Value(1));
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::temporary);
  EXPECT_NE(refused.error().message.find("locked"), std::string::npos) << refused.error().text();
  EXPECT_FALSE(log->append("trial", "0", Value(1))) << "and does not wait again";
  sqlite3_exec(other, "ROLLBACK", nullptr, nullptr, nullptr);
  sqlite3_close(other);
  EXPECT_TRUE(log->append("trial", "0", Value(1)).value());
}

TEST(StudyLog, ACacheIsNoStudyAndANewerOneIsRefused) {
  const Folder folder;
  const auto sql = [&](const char* file, const char* statement) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open((folder / file).c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, statement, nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  };
  sql("cache.db", "PRAGMA application_id = 1752133221; CREATE TABLE reply (key, json)");
  const auto cache = read_study_log(folder / "cache.db");
  ASSERT_FALSE(cache);
  EXPECT_NE(cache.error().text().find("not a study log"), std::string::npos)
      << cache.error().text();
  (void)open_study_log(folder / "s.db").value();
  sql("s.db", "UPDATE study_version SET version = 7");
  const auto newer = open_study_log(folder / "s.db");
  ASSERT_FALSE(newer);
  EXPECT_NE(newer.error().message.find("newer hone"), std::string::npos);
}

TEST(StudyLog, OtherFilesAreRefusedAndLeftAlone) {
  const Folder folder;
  ASSERT_TRUE(write_file(folder / "text.db",
                         "this is no database at all, only some text that is long enough"));
  const auto refused = open_study_log(folder / "text.db");
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().kind, ErrorKind::bad_request);
  EXPECT_EQ(read_file(folder / "text.db").value().substr(0, 7), "this is");
  EXPECT_FALSE(read_study_log(folder / "absent.db"));
  EXPECT_FALSE(std::filesystem::exists(folder / "absent.db"));
}

}  // namespace
}  // namespace hone
