// `hone study`: what is printed of a study, and what is refused.
#include <sqlite3.h>

#include <algorithm>
#include <string>
#include <vector>

#include "hone/core/value.hpp"
#include "hone/text_diff.hpp"

#include "apps/review_task.hpp"

namespace hone::tests {
namespace {

using Words = std::vector<std::string>;

class StudyCommand : public ReviewTask {
 protected:
  void make_study() {
    Words words = optimize_with("--log", path("reviews.db"));
    const Finished finished = run_hone(words);
    ASSERT_EQ(finished.code, 0) << finished.err;
    fs::remove(folder_ / "out.hone.json");
  }
  static Value json_of(const Words& words) {
    const Finished finished = run_hone(words);
    EXPECT_EQ(finished.code, 0) << finished.err;
    return Value::parse_json(finished.out).value();
  }
  static void expect_parts(const std::string& text, const Words& parts) {
    for (const std::string& part : parts)
      EXPECT_NE(text.find(part), std::string::npos) << "no '" << part << "' in: " << text;
  }
  int replies(const std::string& file) const {
    int count = 0;
    sqlite3* database = nullptr;
    EXPECT_EQ(sqlite3_open(path(file).c_str(), &database), SQLITE_OK);
    const auto keep = [](void* to, int, char** values, char**) {
      *static_cast<int*>(to) = std::stoi(values[0]);
      return 0;
    };
    EXPECT_EQ(sqlite3_exec(database, "SELECT COUNT(*) FROM reply", keep, &count, nullptr),
              SQLITE_OK);
    sqlite3_close(database);
    return count;
  }
  void sql(const std::string& file, const std::string& statement) const {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path(file).c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, statement.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
  }
};

TEST_F(StudyCommand, LookingLeavesNoFilesBesideTheLog) {
  make_study();
  const std::string before = read_text(folder_ / "reviews.db");
  ASSERT_EQ(run_hone({"study", "show", path("reviews.db")}).code, 0);
  EXPECT_FALSE(fs::exists(folder_ / "reviews.db-wal"));
  EXPECT_FALSE(fs::exists(folder_ / "reviews.db-shm"));
  EXPECT_TRUE(read_text(folder_ / "reviews.db") == before) << "and changes nothing";
}

TEST_F(StudyCommand, ShowSaysHowFarAStudyUnderWayIs) {
  make_study();
  sql("reviews.db", "DELETE FROM study_record WHERE kind IN ('trial', 'result')");
  const Finished shown = run_hone({"study", "show", path("reviews.db")});
  ASSERT_EQ(shown.code, 0) << shown.err;
  expect_parts(shown.out,
               {"not finished", "trials     0",
                std::to_string(replies("reviews.db")) + " kept; the trials they belong to"});
}

TEST_F(StudyCommand, ShowSaysWhatWasAskedAndWhatCameOut) {
  make_study();
  const Finished shown = run_hone({"study", "show", path("reviews.db")});
  ASSERT_EQ(shown.code, 0) << shown.err;
  expect_parts(shown.out, {"text: str -> label: enum(positive, negative)", "exact_match:label",
                           "bootstrap_random_search", "seed 1", "8 to learn from, 6 to compare on",
                           "finished", "LM calls", "100.0, against 50.0 at the start",
                           "predict.demos", "●", "━", "best so far"});
  const Value json = json_of({"study", "show", path("reviews.db"), "--json"});
  EXPECT_EQ(json.get("best"), Value(100));
  EXPECT_EQ(json.get("state"), Value("finished"));
  EXPECT_EQ(json.get("asked").get("seed"), Value(1));
  EXPECT_EQ(json.get("runs").size(), 1U);
  EXPECT_EQ(json.get("replies"), Value(replies("reviews.db")));
  expect_parts(shown.out, {std::to_string(replies("reviews.db")) + " kept\n"});
  EXPECT_GT(json.get("spent").get("prompt_tokens").as_int(), 0);
}

TEST_F(StudyCommand, ALogOfAnotherStudyIsRefusedBeforeAModelIsAsked) {
  make_study();
  const int before = replies("reviews.db");
  ASSERT_GT(before, 0);
  Words words = optimize_with("--log", path("reviews.db"));
  *(std::find(words.begin(), words.end(), "--seed") + 1) = "2";
  expect_refused(words, {"another study", "seed"});
  EXPECT_EQ(replies("reviews.db"), before);
}

TEST_F(StudyCommand, TrialsAreATableAndJson) {
  make_study();
  const Finished table = run_hone({"study", "trials", path("reviews.db")});
  ASSERT_EQ(table.code, 0) << table.err;
  expect_parts(table.out, {"trial  score", "baseline", "best", "labelled demos"});
  const Value trials = json_of({"study", "trials", path("reviews.db"), "--json"});
  ASSERT_GT(trials.size(), 2U);
  const Value first = trials.as_list().front();
  EXPECT_EQ(first.get("origin"), Value("baseline"));
  EXPECT_EQ(first.get("score"), Value(50));
  EXPECT_EQ(first.get("scores").size(), 6U);
  EXPECT_NE(first.get("prompt").text().find("b0 is good"), std::string::npos);
}

TEST_F(StudyCommand, DiffShowsDemosAndTheExamplesWonAndLost) {
  make_study();
  const std::int64_t best =
      json_of({"study", "show", path("reviews.db"), "--json"}).get("best_trial").as_int();
  const Words words = {"study", "diff", path("reviews.db"), "0", std::to_string(best)};
  const Finished diff = run_hone(words);
  ASSERT_EQ(diff.code, 0) << diff.err;
  expect_parts(diff.out, {"baseline: 50.0", "predict.demos", "0 demos before", "  + {",
                          "does better on 3 and worse on 0", "b0 is good"});
  Words with_json = words;
  with_json.push_back("--json");
  const Value json = json_of(with_json);
  EXPECT_EQ(json.get("won"), Value::parse_json("[0, 2, 4]").value());
  EXPECT_EQ(json.get("lost").size(), 0U);
}

TEST_F(StudyCommand, ExportsJsonCsvAndAPicture) {
  make_study();
  const Value all = json_of({"study", "export", path("reviews.db")});
  EXPECT_GT(all.get("trials").size(), 2U);
  EXPECT_EQ(all.get("examples").size(), 6U);
  const Finished csv = run_hone({"study", "export", path("reviews.db"), "--format", "csv"});
  EXPECT_TRUE(csv.out.starts_with("trial,origin,score,")) << csv.out;
  expect_parts(csv.out, {"example_5\n", "0,\"baseline\",0.5,6,true,"});
  const Finished svg = run_hone(
      {"study", "export", path("reviews.db"), "--format", "svg", "--out", path("reviews.svg")});
  ASSERT_EQ(svg.code, 0) << svg.err;
  EXPECT_EQ(svg.out, "");
  const std::string picture = read_text(folder_ / "reviews.svg");
  EXPECT_TRUE(picture.starts_with("<svg ")) << picture;
  expect_parts(picture, {"<circle ", "<path ", "best so far", "LM calls", "</svg>\n"});
}

TEST_F(StudyCommand, ListFindsTheStudiesOfAFolder) {
  make_study();
  write_text(folder_ / "notes.txt", "no study");
  const Finished list = run_hone({"study", "list", folder_.string()});
  ASSERT_EQ(list.code, 0) << list.err;
  expect_parts(list.out, {"reviews.db", "bootstrap_random_search", "100.0", "finished"});
  EXPECT_EQ(list.out.find("notes"), std::string::npos) << list.out;
  EXPECT_EQ(json_of({"study", "list", folder_.string(), "--json"}).size(), 1U);
  fs::create_directory(folder_ / "empty");
  EXPECT_EQ(run_hone({"study", "list", path("empty")}).code, 0);
}

TEST_F(StudyCommand, LookingChangesNothing) {
  make_study();
  const std::string before = read_text(folder_ / "reviews.db");
  ASSERT_EQ(run_hone({"study", "show", path("reviews.db")}).code, 0);
  EXPECT_EQ(read_text(folder_ / "reviews.db"), before);
}

TEST_F(StudyCommand, RefusesWhatIsNoStudy) {
  make_study();
  expect_refused({"study", "show", path("absent.db")}, {"absent.db", "no such study log"});
  EXPECT_FALSE(fs::exists(folder_ / "absent.db"));
  write_text(folder_ / "notes.txt", "these notes are no database, and long enough to show it");
  expect_refused({"study", "trials", path("notes.txt")}, {"notes.txt", "no study log"});
  expect_refused({"study", "list", path("notes.txt")}, {"notes.txt"});
  expect_refused({"study", "show", folder_.string()}, {"is a folder", "study list"});
  sql("other.db", "CREATE TABLE mine (x)");
  expect_refused({"study", "show", path("other.db")}, {"other.db", "no study log of hone's"});
  expect_refused({"study", "diff", path("reviews.db"), "0", "99"}, {"no trial 99", "nearest"});
  expect_refused({"study", "export", path("reviews.db"), "--format", "png"}, {"--format"});
  expect_refused({"study", "shw", path("reviews.db")}, {"shw", "show"});
}

TEST_F(StudyCommand, RefusesANewerOrDamagedStudy) {
  make_study();
  sql("reviews.db", "UPDATE study_record SET json = '{' WHERE kind = 'trial'");
  expect_refused({"study", "show", path("reviews.db")}, {"reviews.db", "entry", "not JSON"});
  sql("reviews.db", "UPDATE study_version SET version = 99");
  expect_refused({"study", "show", path("reviews.db")}, {"newer hone", "99"});
  expect_refused(optimize_with("--log", path("reviews.db")), {"newer hone"});
}

TEST(TextDiff, MarksWordsThatCameAndWent) {
  using cli::word_diff;
  EXPECT_EQ(word_diff("Say the mood.", "Say the mood."), "Say the mood.");
  EXPECT_EQ(word_diff("Say the mood now", "Say her mood now"), "Say [-the-] {+her+} mood now");
  EXPECT_EQ(word_diff("", "all new"), "{+all new+}");
  EXPECT_EQ(word_diff("gone", ""), "[-gone-]");
}

}  // namespace
}  // namespace hone::tests
