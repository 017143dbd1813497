// Whatever is wrong with the input: one clear message, exit code 2, nothing half-written.
#include <sys/stat.h>

#include <string>
#include <vector>

#include "hone/core/signature.hpp"
#include "hone/program/program.hpp"
#include "hone/program/saved_program.hpp"
#include "hone/store/study_log.hpp"

#include "apps/review_task.hpp"

namespace hone::tests {
namespace {

using Words = std::vector<std::string>;

class CommandBadInput : public ReviewTask {};

TEST_F(CommandBadInput, MissingFile) {
  expect_refused(optimize_with("--train", path("none.jsonl")), {"none.jsonl"});
  EXPECT_EQ(server_.request_count(), 0U) << "the input is checked before the model is asked";
}

TEST_F(CommandBadInput, UnreadableFile) {
  fs::create_directory(folder_ / "folder.jsonl");
  expect_refused(optimize_with("--val", path("folder.jsonl")), {"folder.jsonl"});
}

TEST_F(CommandBadInput, LineThatIsNotJson) {
  write_text(folder_ / "train.jsonl",
             "{\"text\": \"a\", \"label\": \"positive\"}\n{\"text\": \"b\", \n");
  expect_refused(optimize_words(), {"train.jsonl:2", "not JSON"});
}

TEST_F(CommandBadInput, ExampleWithoutAField) {
  write_text(folder_ / "test.jsonl", "{\"text\": \"a\"}\n");
  expect_refused(optimize_words(), {"test.jsonl:1", "label"});
}

TEST_F(CommandBadInput, EmptySplit) {
  write_text(folder_ / "val.jsonl", "\n");
  expect_refused(optimize_words(), {"val.jsonl"});
}

TEST_F(CommandBadInput, LabelOutsideTheEnum) {
  write_text(folder_ / "train.jsonl", "{\"text\": \"a\", \"label\": \"mixed\"}\n");
  expect_refused(optimize_words(), {"train.jsonl:1", "mixed", "positive"});
}

TEST_F(CommandBadInput, UnknownOptimizer) {
  expect_refused(optimize_with("--optimizer", "bootstrap_fewshot"), {"bootstrap_few_shot"});
}

TEST_F(CommandBadInput, UnknownOptionOfTheOptimizer) {
  expect_refused(optimize_with("--option", "candidats=3"), {"candidats", "candidates"});
}

TEST_F(CommandBadInput, NeighboursByEmbeddingWithoutAnEmbedder) {
  Words words = optimize_with("--optimizer", "knn_few_shot");
  std::erase(words, "--candidates");
  std::erase(words, "2");
  words.insert(words.end(), {"--option", "by=embedding"});
  expect_refused(words, {"--embedder"});
  words.back() = "by=embeding";
  expect_refused(words, {"embeding", "embedding"});
}

TEST_F(CommandBadInput, CorpusThatIsMissingOrToBeOverwritten) {
  const auto task = [&](const std::string& corpus) {
    write_text(folder_ / "task.toml",
               "metric = \"exact_match:label\"\nmodel = \"" + model() +
                   "\"\n[[program.steps]]\nname = \"search\"\nmodule = \"retrieve\"\n"
                   "signature = \"text -> notes: list[str]\"\ncorpus = \"" +
                   corpus +
                   "\"\n[[program.steps]]\nname = \"answer\"\n"
                   "signature = \"notes: list[str] -> label: enum(positive, negative)\"\n"
                   "[data]\ntrain = \"train.jsonl\"\n");
  };
  task("none.txt");
  expect_refused({"optimize", path("task.toml")}, {"steps.search", "none.txt: cannot be read"});
  task("notes.txt");
  write_text(folder_ / "notes.txt", "a note\n");
  expect_refused({"optimize", path("task.toml"), "--out", path("notes.txt")},
                 {"notes.txt", "another file"});
  EXPECT_EQ(read_text(folder_ / "notes.txt"), "a note\n");
  EXPECT_EQ(server_.request_count(), 0U);
}

TEST_F(CommandBadInput, UnknownEmbedder) {
  expect_refused(optimize_with("--embedder", "smolm2"), {"smolm2", "smollm2"});
  EXPECT_EQ(server_.request_count(), 0U);
}

TEST_F(CommandBadInput, UnknownMetric) {
  expect_refused(optimize_with("--metric", "exactmatch:label"), {"exact_match"});
}

TEST_F(CommandBadInput, MetricOfAnUnknownField) {
  expect_refused(optimize_with("--metric", "exact_match:lable"), {"lable", "label"});
}

TEST_F(CommandBadInput, BadSignature) {
  expect_refused(optimize_with("--signature", "text -> label: enm(a, b)"), {"enm"});
}

TEST_F(CommandBadInput, UnknownModel) {
  expect_refused(optimize_with("--model", "smolm2"), {"smolm2", "smollm2"});
}

TEST_F(CommandBadInput, ModelThatWasNotPulled) {
  expect_refused(optimize_with("--model", "smollm2"), {"hone models pull smollm2"},
                 {{"HONE_CACHE", path("cache")}});
}

TEST_F(CommandBadInput, ModelFileThatIsNotThere) {
  expect_refused(optimize_with("--model", "gguf:" + path("none.gguf")), {"none.gguf"});
}

TEST_F(CommandBadInput, TruncatedGguf) {
  write_text(folder_ / "cut.gguf", std::string("GGUF\x03\0\0\0\x10\0\0\0\0\0\0\0", 16));
  expect_refused(optimize_with("--model", "gguf:" + path("cut.gguf")), {"cut.gguf"});
}

TEST_F(CommandBadInput, ServerThatRefuses) {
  Words words = optimize_with("--model", "openai:" + refused_url() + "#stub");
  words.insert(words.end(), {"--retries", "0"});
  expect_refused(words, {"127.0.0.1"});
}

TEST_F(CommandBadInput, ServerThatRefusesTheKey) {
  answer_with([](const HttpRequest&) { return error_answer(401, "no such key"); });
  expect_refused(optimize_words(), {"key"});
  EXPECT_EQ(server_.request_count(), 1U) << "one call tells it";
}

TEST_F(CommandBadInput, MissingKey) {
  expect_refused(optimize_with("--model", "openai:https://models.example/v1#big"),
                 {"OPENAI_API_KEY"}, {{"OPENAI_API_KEY", ""}});
}

TEST_F(CommandBadInput, BadModelSpec) {
  expect_refused(optimize_with("--model", "openai:http://127.0.0.1:1"), {"openai"});
}

TEST_F(CommandBadInput, NoModelNoMetricNoProgram) {
  expect_refused({"optimize", "--signature", "a -> b"}, {"no model", "--model"});
  expect_refused({"optimize", "--model", model()}, {"no program", "--signature"});
  expect_refused({"optimize", "--model", model(), "--signature", "a -> b"},
                 {"no metric", "exact_match:b"});
}

TEST_F(CommandBadInput, OutputThatCannotBeWritten) {
  expect_refused(optimize_with("--out", path("none/out.hone.json")), {"no folder"});
  expect_refused(optimize_with("--out", folder_.string()), {"is a folder"});
}

TEST_F(CommandBadInput, OutputThatNobodyWouldReadAsAProgram) {
  expect_refused(optimize_with("--out", path("out.txt")), {"--out", "out.txt", ".json"});
  EXPECT_FALSE(fs::exists(folder_ / "out.txt"));
}

TEST_F(CommandBadInput, OutputThatIsReadOrNoRegularFile) {
  const std::string train = read_text(folder_ / "train.jsonl");
  expect_refused(optimize_with("--out", path("train.jsonl")), {"train.jsonl", "another file"});
  EXPECT_EQ(read_text(folder_ / "train.jsonl"), train);
  ASSERT_EQ(mkfifo(path("pipe").c_str(), 0600), 0);
  expect_refused(optimize_with("--out", path("pipe")), {"no regular file"});
  EXPECT_TRUE(fs::is_fifo(folder_ / "pipe"));
}

TEST_F(CommandBadInput, OutputOverTheTeacher) {
  const Signature signature = Signature::parse("text -> label: enum(positive, negative)").value();
  ASSERT_TRUE(save_program(path("task.hone.json"), {Program::predict(signature), {}, {}}));
  const std::string teacher = read_text(folder_ / "task.hone.json");
  write_text(folder_ / "task.toml",
             "metric = \"exact_match:label\"\nmodel = \"" + model() +
                 "\"\nteacher_program = \"task.hone.json\"\n"
                 "[program]\nsignature = \"text -> label: enum(positive, negative)\"\n"
                 "[data]\ntrain = \"train.jsonl\"\nval = \"val.jsonl\"\n");
  expect_refused({"optimize", path("task.toml")}, {"task.hone.json", "another file"});
  EXPECT_EQ(read_text(folder_ / "task.hone.json"), teacher);
}

TEST_F(CommandBadInput, OutputOverWhatEvalReads) {
  write_text(folder_ / "task.toml",
             "metric = \"exact_match:label\"\nmodel = \"" + model() +
                 "\"\n[program]\nsignature = \"text -> label: enum(positive, negative)\"\n"
                 "[data]\ntest = \"test.jsonl\"\n");
  const Words eval = {"eval", path("task.toml"), "--cache", path("cache.db"), "--out"};
  for (const char* name : {"task.toml", "test.jsonl", "cache.db"}) {
    Words words = eval;
    words.push_back(path(name));
    expect_refused(words, {name, "is read by this very command"});
  }
  Words words = eval;
  words.push_back("");
  expect_refused(words, {"--out", "names no file"});
  EXPECT_EQ(server_.request_count(), 0U);
}

TEST_F(CommandBadInput, OutputAndLogOfOneNameBeforeEitherIsThere) {
  Words words = optimize_with("--out", path("x.json"));
  words.insert(words.end(), {"--log", path("./x.json")});
  expect_refused(words, {"x.json", "another file"});
  EXPECT_FALSE(fs::exists(folder_ / "x.json"));
}

TEST_F(CommandBadInput, LogOrCacheWithoutAName) {
  expect_refused(optimize_with("--log", ""), {"--log", "names no file"});
  expect_refused(optimize_with("--cache", ""), {"--cache", "names no file"});
  const auto opened = open_study_log("");
  ASSERT_FALSE(opened);
  EXPECT_EQ(opened.error().kind, ErrorKind::bad_request);
  EXPECT_EQ(server_.request_count(), 0U);
}

TEST_F(CommandBadInput, ScoresOverAnOutputOfThatName) {
  write_text(folder_ / "task.toml",
             "model = \"" + model() + "\"\n[program]\nsignature = \"text -> scores: bool\"\n");
  expect_refused({"run", path("task.toml"), "--scores", "--input", R"({"text": "a"})"},
                 {"--scores", "output"});
}

TEST_F(CommandBadInput, BudgetsThatAreNone) {
  expect_refused(optimize_with("--budget-calls", "-1"), {"--budget-calls", "at least 1"});
  expect_refused(optimize_with("--budget-tokens", "0"), {"--budget-tokens"});
  expect_refused(optimize_with("--budget-seconds", "nan"), {"--budget-seconds"});
  expect_refused(optimize_with("--budget-money", "1"), {"--price-prompt"});
}

TEST_F(CommandBadInput, ServerThatSpeaksSomethingElse) {
  HttpTestServer other(
      [](const HttpRequest&) { return HttpResponse{.status = 200, .body = "<html>hello</html>"}; });
  Words words = optimize_with("--model", "openai:" + other.url() + "#stub");
  words.insert(words.end(), {"--retries", "0"});
  expect_refused(words, {"OpenAI-compatible"});
}

TEST_F(CommandBadInput, LogThatIsNoStudy) {
  write_text(folder_ / "notes.txt", "these notes are no database, and long enough to show it");
  expect_refused(optimize_with("--log", path("notes.txt")), {"notes.txt", "study log"});
  EXPECT_EQ(server_.request_count(), 0U);
}

TEST_F(CommandBadInput, GlobThatMatchesNothing) {
  expect_refused(optimize_with("--keep", "*.demo"), {"--keep", "demos"});
}

TEST_F(CommandBadInput, ParametersTheOptimizerCannotSearch) {
  expect_refused(optimize_with("--keep", "*.lm.temperature"),
                 {"bootstrap_random_search", "predict.lm.temperature", "bootstrap_tpe, mipro"});
  expect_refused(optimize_with("--keep", "*.model"), {"predict.model", "no named models"});
  EXPECT_EQ(server_.request_count(), 0U);
}

TEST_F(CommandBadInput, NarrowingToWhatIsOutsideTheDomain) {
  expect_refused(optimize_with("--narrow", "*.format=yaml"), {"--narrow", "yaml", "completion"});
  expect_refused(optimize_with("--narrow", "*.format"), {"--narrow", "GLOB=value"});
  write_text(folder_ / "task.toml", "[narrow]\n\"*.format\" = \"json\"\n");
  expect_refused({"optimize", path("task.toml")}, {"narrow.*.format", "list"});
}

TEST_F(CommandBadInput, LimitOfAnUnknownSplit) {
  expect_refused(optimize_with("--limit", "tran=5"), {"tran", "train"});
  expect_refused(optimize_with("--limit", "train=0"), {"--limit"});
  write_text(folder_ / "task.toml", "[data]\nlimit = 0\n");
  expect_refused({"optimize", path("task.toml")}, {"data.limit: ", "from 1"});
  write_text(folder_ / "task.toml", "[data]\nlimit = {val = 0}\n");
  expect_refused({"optimize", path("task.toml")}, {"data.limit.val: ", "from 1"});
}

TEST_F(CommandBadInput, LimitOfASplitNamedTwice) {
  expect_refused(optimize_with("--limit", "train=3,val=2, train=4"),
                 {"--limit", "\"train\"", "twice"});
}

TEST_F(CommandBadInput, FilesBeyondTheLimitAreOpenedToo) {
  Words words = optimize_with("--limit", "train=4");
  words.insert(words.end(), {"--train", path("none.jsonl")});
  expect_refused(words, {"none.jsonl"});
  write_text(folder_ / "more.jsonl", "no example\n");
  words.back() = path("more.jsonl");
  expect_refused(words, {"more.jsonl:1"});
  EXPECT_EQ(server_.request_count(), 0U);
  write_text(folder_ / "more.jsonl", "{\"text\": \"d is good\", \"label\": \"positive\"}\n");
  words.insert(words.end(), {"--json", "--quiet"});
  const Finished finished = run_hone(words);
  EXPECT_EQ(finished.code, 0) << finished.err;
}

TEST_F(CommandBadInput, RetriesBeyondReason) {
  expect_refused(optimize_with("--retries", "101"), {"--retries", "100"});
  expect_refused(optimize_with("--retries", "-1"), {"--retries"});
}

TEST_F(CommandBadInput, FaultsOfATaskFileAllAtOnce) {
  write_text(
      folder_ / "task.toml",
      "metrc = \"exact_match\"\nseed = -1\n[data]\ntrian = \"a\"\n[budget]\ncalls = \"x\"\n");
  expect_refused({"optimize", path("task.toml")},
                 {"task.toml", "metrc", "metric", "seed", "data.trian", "train", "budget.calls"});
}

TEST_F(CommandBadInput, TaskFileThatIsNotToml) {
  write_text(folder_ / "task.toml", "a = \n");
  expect_refused({"optimize", path("task.toml")}, {"task.toml:1"});
}

TEST_F(CommandBadInput, TunedProgramThatIsNone) {
  write_text(folder_ / "x.hone.json", "{\"a\": 1}");
  expect_refused({"run", path("x.hone.json"), "--model", model(), "--input", "{}"},
                 {"x.hone.json"});
}

TEST_F(CommandBadInput, InputOfRunThatDoesNotFit) {
  ASSERT_EQ(run_hone(optimize_words()).code, 0);
  const Finished no_json = run_hone({"run", path("out.hone.json"), "--input", "{"});
  EXPECT_EQ(no_json.code, 2);
  EXPECT_NE(no_json.err.find("not JSON"), std::string::npos) << no_json.err;
  const Finished no_field = run_hone({"run", path("out.hone.json"), "--input", "{}"});
  EXPECT_EQ(no_field.code, 2);
  EXPECT_NE(no_field.err.find("text"), std::string::npos) << no_field.err;
}

TEST_F(CommandBadInput, FullDiskLeavesTheOldFile) {
  write_text(folder_ / "out.hone.json", "old");
  std::string line = "ulimit -f 0; exec \"$0\" \"$@\"";
  Words words = {"bash", "-c", line, HONE_COMMAND};
  for (const std::string& word : optimize_words()) words.push_back(word);
  const Finished finished = ChildProcess(words).wait();
  EXPECT_EQ(finished.code, 2) << finished.err;
  EXPECT_NE(finished.err.find("out.hone.json"), std::string::npos) << finished.err;
  EXPECT_EQ(read_text(folder_ / "out.hone.json"), "old");
  std::size_t files = 0;
  for ([[maybe_unused]] const auto& entry : fs::directory_iterator(folder_)) ++files;
  EXPECT_EQ(files, 4U) << "no temporary file is left";
}

TEST_F(CommandBadInput, UnknownWordsSuggestNearOnes) {
  expect_refused({"optimise"}, {"unknown command", "optimize"});
  expect_refused({"eval", "x.toml", "--splt", "test"}, {"unknown option", "--split"});
  expect_refused({"models", "pul"}, {"pull"});
  expect_refused({"optimize", "--race", "maybe"}, {"--race"});
}

TEST_F(CommandBadInput, CommandsOfCommandsThatAreMissingAreNamed) {
  expect_refused({"study"}, {"hone study", "list, show, trials, diff, export"});
  expect_refused({"models"}, {"hone models", "list, pull, path, tune"});
}

TEST_F(CommandBadInput, NumbersThatAreNone) {
  expect_refused(optimize_with("--seed", "abc"), {"--seed", "whole number", "\"abc\""});
  expect_refused(optimize_with("--seed", "-1"), {"--seed", "from 0", "\"-1\""});
  expect_refused(optimize_with("--candidates", "2.5"), {"--candidates", "\"2.5\""});
  expect_refused(optimize_with("--budget-seconds", "1m"), {"--budget-seconds", "\"1m\""});
}

TEST_F(CommandBadInput, NumbersWithLeadingZerosAreDecimal) {
  expect_refused(optimize_with("--retries", "0101"), {"--retries", "101", "100"});
  expect_refused(optimize_with("--budget-calls", "-010"), {"--budget-calls", "at least 1"});
  Words words = optimize_with("--seed", "010");
  words.insert(words.end(), {"--threads", "08", "--json", "--quiet"});
  ASSERT_EQ(run_hone(words).code, 0);
  const std::string saved = read_text(folder_ / "out.hone.json");
  words = optimize_with("--seed", "10");
  words.insert(words.end(), {"--json", "--quiet"});
  ASSERT_EQ(run_hone(words).code, 0);
  EXPECT_EQ(read_text(folder_ / "out.hone.json"), saved);
}

TEST_F(CommandBadInput, FaultOfAFlagOverATaskFileNamesTheFlag) {
  write_text(folder_ / "task.toml", "[program]\nsignature = \"a -> b\"\n");
  expect_refused({"optimize", path("task.toml"), "--model", model(), "--signature", "a -> b: strr"},
                 {"task.toml with --signature", "strr"});
}

}  // namespace
}  // namespace hone::tests
