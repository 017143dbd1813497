// The command at its job, against a loopback server.
#include <csignal>
#include <map>
#include <string>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/core/value.hpp"

#include "apps/review_task.hpp"

namespace hone::tests {
namespace {

using Words = std::vector<std::string>;

class CommandTest : public ReviewTask {
 protected:
  // Signals the command once it waits at the gate, and lets it go when it has said that it stops.
  Finished stop_at_gate(Words words, int signal) {
    words.insert(words.begin(), HONE_COMMAND);
    words.push_back("--json");
    ChildProcess child(words);
    reached_.wait();
    child.signal(signal);
    EXPECT_TRUE(child.wait_for_error_text("stopping"));
    gate_.open();
    return child.wait();
  }
};

Value json_of(const std::string& text) {
  return Value::parse_json(text).value();
}

TEST_F(CommandTest, SaysItsVersionAndHelpsWithExamples) {
  const Finished version = run_hone({"--version"});
  EXPECT_EQ(version.code, 0);
  EXPECT_TRUE(version.out.starts_with("hone "));
  for (const std::string& command : Words{"optimize", "eval", "run", "models", "space"}) {
    const Finished help = run_hone({command, "--help"});
    EXPECT_EQ(help.code, 0);
    EXPECT_NE(help.out.find("Examples:\n  hone " + command), std::string::npos) << help.out;
  }
}

TEST_F(CommandTest, ListsTheOptimizersALineEach) {
  const Finished list = run_hone({"optimize", "--list"});
  EXPECT_EQ(list.code, 0);
  EXPECT_NE(list.out.find("bootstrap_random_search: "), std::string::npos);
  EXPECT_EQ(list.out.find("max_labeled"), std::string::npos);
}

TEST_F(CommandTest, ListsTheOptionsOfOneOptimizer) {
  const Finished list = run_hone({"optimize", "--list", "--optimizer", "labeled_few_shot"});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_EQ(list.out.find("mipro"), std::string::npos);
  EXPECT_NE(list.out.find("\n  max_labeled = 16"), std::string::npos) << list.out;
  const Finished unknown = run_hone({"optimize", "--list", "--optimizer", "labelled"});
  EXPECT_EQ(unknown.code, 2);
  EXPECT_NE(unknown.err.find("labeled_few_shot"), std::string::npos) << unknown.err;
}

TEST_F(CommandTest, OptimizesAndReportsAsJson) {
  Words words = optimize_words();
  words.push_back("--json");
  const Finished finished = run_hone(words);
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Value report = json_of(finished.out);
  EXPECT_EQ(report.get("test_before"), Value(50));
  EXPECT_EQ(report.get("test_after"), Value(100));
  EXPECT_EQ(report.get("val_after"), Value(100));
  EXPECT_EQ(report.get("parse_failures"), Value(0));
  EXPECT_EQ(report.get("failures"), Value(0));
  EXPECT_EQ(report.get("fixed"), Value(3));
  EXPECT_EQ(report.get("broken"), Value(0));
  EXPECT_GT(report.get("lm_calls").as_int(), 12);
  EXPECT_GT(report.get("prompt_tokens").as_int(), 0);
  EXPECT_GT(report.get("rss_mb").as_double(), 1);
  EXPECT_LE(number_text(report.get("total_seconds").as_double()).size(), 7U)
      << "three digits at most";
  for (const char* name :
       {"seconds", "computed_tokens", "generated_tokens", "trials", "best_origin"}) {
    EXPECT_NE(report.find(name), nullptr) << name;
  }
  EXPECT_NE(finished.err.find("trial "), std::string::npos) << "progress is on the other stream";

  const Finished run =
      run_hone({"run", path("out.hone.json"), "--input", R"({"text": "x is good"})"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(json_of(run.out), json_of(R"({"label": "positive"})"));

  const Finished eval = run_hone({"eval", path("out.hone.json"), "--data", path("test.jsonl"),
                                  "--json", "--out", path("results.jsonl")});
  EXPECT_EQ(eval.code, 0) << eval.err;
  EXPECT_EQ(json_of(eval.out).get("score"), Value(100));
  const std::string results = read_text(folder_ / "results.jsonl");
  EXPECT_EQ(json_of(results.substr(0, results.find('\n'))).get("score"), Value(1));
}

TEST_F(CommandTest, ReportForPeopleSaysWhatChanged) {
  Words words = optimize_words();
  words.push_back("--quiet");
  const Finished finished = run_hone(words);
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_EQ(finished.err, "");
  for (const char* part :
       {"untouched test examples", "before  50.0", "after   100.0", "95 %", "LM calls",
        "[[ ## text ## ]]", "Fixed 3", "negative -> positive", "Saved as", "hone run "}) {
    EXPECT_NE(finished.out.find(part), std::string::npos)
        << "no '" << part << "' in: " << finished.out;
  }
}

TEST_F(CommandTest, SameBytesWithOneAndEightThreads) {
  ASSERT_EQ(run_hone(optimize_with("--threads", "1")).code, 0);
  const std::string first = read_text(folder_ / "out.hone.json");
  ASSERT_EQ(run_hone(optimize_with("--threads", "8")).code, 0);
  EXPECT_EQ(first, read_text(folder_ / "out.hone.json"));
}

TEST_F(CommandTest, TheSameLogGoesOnWhereItWas) {
  ASSERT_EQ(run_hone(optimize_with("--log", path("study.db"))).code, 0);
  const std::string first = read_text(folder_ / "out.hone.json");
  const std::size_t asked = server_.request_count();
  ASSERT_EQ(run_hone(optimize_with("--log", path("study.db"))).code, 0);
  EXPECT_EQ(first, read_text(folder_ / "out.hone.json"));
  EXPECT_LT(server_.request_count() - asked, asked) << "the search itself is answered by the log";
}

TEST_F(CommandTest, ARunThatGoesOnDoesNotTakeTheLogsSpeedForTheModels) {
  const std::string words = "the search is expected to take";
  const Finished first = run_hone(optimize_with("--log", path("study.db")));
  EXPECT_NE(first.err.find(words), std::string::npos) << first.err;
  const Finished again = run_hone(optimize_with("--log", path("study.db")));
  ASSERT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.err.find(words), std::string::npos) << again.err;
}

TEST_F(CommandTest, HowManyPassagesAStepRetrievesIsTuned) {
  write_text(folder_ / "notes.txt", "a good thing\na bad thing\nneither\n");
  write_text(folder_ / "task.toml",
             "metric = \"exact_match:label\"\nmodel = \"" + model() +
                 "\"\n[[program.steps]]\nname = \"search\"\nmodule = \"retrieve\"\n"
                 "signature = \"text -> notes: list[str]\"\ncorpus = \"notes.txt\"\nk = 1\n"
                 "[[program.steps]]\nname = \"answer\"\n"
                 "signature = \"notes: list[str], text -> label: enum(positive, negative)\"\n"
                 "[data]\ntrain = \"train.jsonl\"\nval = \"val.jsonl\"\ntest = \"test.jsonl\"\n"
                 "[optimizer]\nname = \"bootstrap_tpe\"\ntrials = 4\n");
  const Finished space = run_hone({"space", path("task.toml"), "--narrow", "search.k=1,3"});
  EXPECT_EQ(space.code, 0) << space.err;
  EXPECT_NE(space.out.find("search.k: one of 1, 3; now 1"), std::string::npos) << space.out;

  // It is right only where it sees every note.
  answer_with([](const HttpRequest& request) {
    const std::string last = request.json().get("messages").as_list().back().get("content").text();
    const std::string text = last.substr(last.find("## text ##"));
    const bool is_positive =
        last.find("neither") != std::string::npos && text.find("good") != std::string::npos;
    return chat_answer(std::string("[[ ## label ## ]]\n") +
                       (is_positive ? "positive" : "negative"));
  });
  const Finished tuned = run_hone({"optimize", path("task.toml"), "--keep", "search.k", "--narrow",
                                   "search.k=1,3", "--out", path("out.hone.json"), "--json"});
  ASSERT_EQ(tuned.code, 0) << tuned.err;
  EXPECT_EQ(json_of(tuned.out).get("test_after"), Value(100)) << tuned.out;
  const Value saved = json_of(read_text(folder_ / "out.hone.json"));
  const Value step = saved.get("program").get("steps").as_list().at(0);
  EXPECT_EQ(step.get("k"), Value(3));
  EXPECT_EQ(step.get("corpus"), Value("notes.txt"));
  const Finished run =
      run_hone({"run", path("out.hone.json"), "--input", R"({"text": "x is good"})"});
  EXPECT_EQ(json_of(run.out), json_of(R"({"label": "positive"})")) << run.err;
}

TEST_F(CommandTest, TaskFileWithFlagsOverIt) {
  write_text(folder_ / "task.toml",
             "metric = {name = \"exact_match\", field = \"label\"}\nmodel = \"" + model() +
                 "\"\n[program]\nsignature = \"text -> label: enum(positive, negative)\"\n"
                 "[data]\ntrain = \"train.jsonl\"\ntest = [\"test.jsonl\"]\nlimit = {test = 2}\n"
                 "[optimizer]\nname = \"labeled_few_shot\"\n");
  const Finished finished =
      run_hone({"optimize", path("task.toml"), "--json", "--limit", "test=4"});
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Value report = json_of(finished.out);
  EXPECT_EQ(report.get("test_examples"), Value(4)) << "the flag wins";
  EXPECT_EQ(report.get("optimizer"), Value("labeled_few_shot"));
  EXPECT_NE(finished.err.find("no validation examples"), std::string::npos) << finished.err;
  EXPECT_TRUE(fs::exists(folder_ / "task.hone.json"));

  const Finished eval = run_hone(
      {"eval", path("task.toml"), "--program", path("task.hone.json"), "--json", "--quiet"});
  ASSERT_EQ(eval.code, 0) << eval.err;
  EXPECT_EQ(json_of(eval.out).get("examples"), Value(2));

  const Finished space = run_hone({"space", path("task.toml")});
  EXPECT_EQ(space.code, 0);
  EXPECT_NE(space.out.find("predict.demos"), std::string::npos) << space.out;
}

TEST_F(CommandTest, SpaceShowsWhatIsLeftAfterGlobs) {
  write_text(folder_ / "task.toml",
             "model = \"openai:http://127.0.0.1:9/v1#none\"\nkeep = [\"*.demos\"]\n"
             "[program]\nsignature = \"text -> label: enum(positive, negative)\"\n"
             "[narrow]\n\"*.format\" = [\"json\", \"xml\"]\n[models]\nlarge = \"smollm2\"\n");
  const Finished kept = run_hone({"space", path("task.toml")});
  ASSERT_EQ(kept.code, 0) << kept.err;
  EXPECT_EQ(kept.out,
            "predict.demos: demos; now []\npredict.format: one of json, xml; now \"chat\"\n");
  const Finished all = run_hone(
      {"space", path("task.toml"), "--all", "--json", "--narrow", "*.lm.temperature=0,0.7"});
  ASSERT_EQ(all.code, 0) << all.err;
  std::map<std::string, Value> params;
  const Value listed = json_of(all.out);
  for (const Value& param : listed.as_list()) params[param.get("path").text()] = param;
  EXPECT_EQ(params["predict.lm.temperature"].get("choices").to_json(), "[0, 0.7]");
  EXPECT_EQ(params["predict.model"].get("choices").to_json(), R"(["", "large"])");
  EXPECT_EQ(params["predict.parse_retries"].get("high"), Value(5));
  EXPECT_EQ(params["predict.format"].get("choices").size(), 4U) << "not the file's";
}

TEST_F(CommandTest, SearchesTheModelAndTheFormatWhenAskedTo) {
  answer_with([](const HttpRequest& request) {
    const Value body = request.json();
    const std::string last = body.get("messages").as_list().back().get("content").text();
    const bool is_able = body.get("model") == Value("able");
    const bool is_good = last.find("good") != std::string::npos;
    return chat_answer(is_able && is_good ? R"({"label": "positive"})"
                                          : R"({"label": "negative"})");
  });
  write_text(folder_ / "task.toml",
             "model = \"" + model() +
                 "\"\nmetric = \"exact_match:label\"\nout = \"o.hone.json\"\n"
                 "keep = [\"*.model\", \"*.format\"]\n"
                 "[program]\nsignature = \"text -> label: enum(positive, negative)\"\n"
                 "[data]\ntrain = \"train.jsonl\"\nval = \"val.jsonl\"\ntest = \"test.jsonl\"\n"
                 "[narrow]\n\"*.format\" = [\"json\"]\n[models]\nable = \"openai:" +
                 server_.url() + "#able\"\nidle = \"openai:" + server_.url() +
                 "#idle\"\n"
                 "[optimizer]\nname = \"bootstrap_tpe\"\n");
  const Finished done = run_hone({"optimize", path("task.toml"), "--json", "--quiet"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(json_of(done.out).get("test_after"), Value(100.0)) << done.out;
  const Value saved = Value::parse_json(read_text(folder_ / "o.hone.json")).value();
  EXPECT_EQ(saved.get("program").get("model"), Value("able"));
  EXPECT_TRUE(saved.get("model").get("models").find("able"));
  EXPECT_FALSE(saved.get("model").get("models").find("idle")) << "only what the program asks";
}

// Good reviews point one way, all others another.
HttpResponse points_answer(const HttpRequest& request) {
  const Value input = request.json().get("input");
  Value::List data;
  for (const Value& text : input.as_list()) {
    const bool is_good = text.as_string().find("good") != std::string::npos;
    data.push_back(
        Value::object({{"index", data.size()},
                       {"embedding", is_good ? Value::numbers({1, 0}) : Value::numbers({0, 1})}}));
  }
  return {.body = Value::object({{"data", Value(std::move(data))}}).to_json()};
}

TEST_F(CommandTest, NeighboursByEmbeddingAreKeptWithTheProgram) {
  answer_with([](const HttpRequest& request) {
    return request.path.ends_with("/embeddings") ? points_answer(request) : review_answer(request);
  });
  Words words = optimize_with("--optimizer", "knn_few_shot");
  std::erase(words, "--candidates");
  std::erase(words, "2");
  words.insert(words.end(), {"--option", "by=embedding", "--option", "max_k=2", "--embedder",
                             "openai:" + server_.url() + "#points"});
  const Finished finished = run_hone(words);
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Value saved = json_of(read_text(folder_ / "out.hone.json"));
  EXPECT_EQ(saved.get("model").get("embedder"), Value("openai:" + server_.url() + "#points"));
  const Value index = saved.get("program").get("neighbours").get("index");
  EXPECT_EQ(index.get("embedder"), Value("openai:" + server_.url() + "/v1#points:embedding"));

  const Finished run =
      run_hone({"run", path("out.hone.json"), "--input", R"({"text": "y is good"})"});
  EXPECT_EQ(run.code, 0) << run.err;
  EXPECT_EQ(run.out, "{\"label\": \"positive\"}\n");
  const Finished other = run_hone({"eval", path("out.hone.json"), "--data", path("test.jsonl"),
                                   "--embedder", "openai:" + server_.url() + "#other"});
  EXPECT_EQ(other.code, 2) << other.out;
  EXPECT_NE(other.err.find("#points:embedding"), std::string::npos) << other.err;
}

TEST_F(CommandTest, RunAnswersLineByLine) {
  ASSERT_EQ(run_hone(optimize_words()).code, 0);
  const Finished run =
      run_hone({"run", path("out.hone.json")}, {},
               "{\"text\": \"x is good\"}\n\n{\"no\": 1}\n{\"text\": \"x is bad\"}\n");
  EXPECT_EQ(run.code, 2) << "one line does not fit";
  EXPECT_TRUE(run.out.starts_with("{\"label\": \"positive\"}\n{\"error\": ")) << run.out;
  EXPECT_TRUE(run.out.ends_with("{\"label\": \"negative\"}\n")) << run.out;
  EXPECT_NE(run.err.find("standard input:3"), std::string::npos) << run.err;
}

TEST_F(CommandTest, RunEndsWhenItsAnswersCannotBeWritten) {
  ASSERT_EQ(run_hone(optimize_words()).code, 0);
  const std::size_t asked = server_.request_count();
  std::string lines;
  for (int i = 0; i < 600; ++i) lines += "{\"text\": \"" + std::to_string(i) + " is good\"}\n";
  const Words words = {"bash", "-c", "exec \"$0\" run \"$1\" > /dev/full", HONE_COMMAND,
                       path("out.hone.json")};
  const Finished run = ChildProcess(words, {}, lines).wait();
  EXPECT_EQ(run.code, 2) << run.err;
  const std::string fault = "standard output: cannot be written";
  EXPECT_NE(run.err.find(fault), std::string::npos) << run.err;
  EXPECT_EQ(run.err.find(fault), run.err.rfind(fault)) << "told once: " << run.err;
  EXPECT_EQ(server_.request_count() - asked, 256U) << "those of the first lines";
}

TEST_F(CommandTest, RunTakesThreadsAndSeedOfItsTaskFile) {
  answer_with([](const HttpRequest&) { return chat_answer("[[ ## note ## ]]\nyes"); });
  const auto seeds_with = [&](const std::string& seed, const Words& more) {
    write_text(folder_ / "task.toml", "model = \"" + model() + "\"\nthreads = 1\nseed = " + seed +
                                          "\n[program]\nsignature = \"text -> note\"\n"
                                          "[program.lm]\ntemperature = 1.0\n");
    const std::size_t asked = server_.request_count();
    Words words = {"run", path("task.toml")};
    words.insert(words.end(), more.begin(), more.end());
    std::string lines;
    for (int i = 0; i < 20; ++i) lines += "{\"text\": \"" + std::to_string(i) + "\"}\n";
    const Finished run = run_hone(words, {}, lines);
    EXPECT_EQ(run.code, 0) << run.err;
    std::vector<Value> seeds;
    const std::vector<HttpRequest> requests = server_.requests();
    for (std::size_t i = asked; i < requests.size(); ++i)
      seeds.push_back(requests[i].json().get("seed"));
    return seeds;
  };
  const std::vector<Value> one = seeds_with("1", {});
  EXPECT_EQ(server_.most_at_once(), 1U);
  EXPECT_NE(one, seeds_with("2", {}));
  EXPECT_EQ(one, seeds_with("2", {"--seed", "1"})) << "the flag wins";
}

TEST_F(CommandTest, AnotherModelThanItWasTunedOnIsSaid) {
  ASSERT_EQ(run_hone(optimize_words()).code, 0);
  const std::string input = "{\"text\": \"x is good\"}";
  const Finished same = run_hone({"run", path("out.hone.json"), "--input", input});
  EXPECT_EQ(same.code, 0);
  EXPECT_EQ(same.err, "");
  const std::string other = "openai:" + server_.url() + "#other";
  const Finished run = run_hone({"run", path("out.hone.json"), "--input", input, "--model", other});
  EXPECT_EQ(run.code, 0) << "it is a notice, no fault";
  EXPECT_NE(run.err.find("#stub and runs on " + other), std::string::npos) << run.err;
  const Finished eval = run_hone(
      {"eval", path("out.hone.json"), "--data", path("test.jsonl"), "--model", other, "--json"});
  EXPECT_EQ(eval.code, 0) << eval.err;
  EXPECT_NE(eval.err.find("#stub and runs on " + other), std::string::npos) << eval.err;
}

TEST_F(CommandTest, StopBeforeAnyResult) {
  answer_with([&](const HttpRequest& request) {
    gate_.wait();
    return review_answer(request);
  });
  Words words = optimize_words();
  words.insert(words.begin(), HONE_COMMAND);
  ChildProcess child(words);
  ASSERT_TRUE(server_.wait_for_requests(1));
  child.signal(SIGINT);
  ASSERT_TRUE(child.wait_for_error_text("stopping"));
  gate_.open();
  EXPECT_EQ(child.wait().code, 130);
  EXPECT_FALSE(fs::exists(folder_ / "out.hone.json"));
}

TEST_F(CommandTest, StopKeepsTheBestSoFar) {
  answer_with([&](const HttpRequest& request) {
    if (request.json().get("messages").size() >
        2) {  // a candidate's demos: the baseline is measured
      reached_.open();
      gate_.wait();
    }
    return review_answer(request);
  });
  const Finished finished = stop_at_gate(optimize_words(), SIGTERM);
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Value report = json_of(finished.out);
  EXPECT_TRUE(report.get("stop_reason").is_string());
  EXPECT_TRUE(report.get("test_after").is_null()) << "a stopped run spends nothing more";
  EXPECT_TRUE(fs::exists(folder_ / "out.hone.json"));
}

TEST_F(CommandTest, StopAfterTheSearchLeavesOutTheLastScore) {
  answer_with([&](const HttpRequest& request) {
    const Value::List messages = request.json().get("messages").as_list();
    const std::string last = messages.back().get("content").text();
    // With demos, the first of the test examples: the search is over.
    if (messages.size() > 2 && last.find("c0 is good") != std::string::npos) {
      reached_.open();
      gate_.wait();
    }
    return review_answer(request);
  });
  const Finished finished = stop_at_gate(optimize_with("--threads", "1"), SIGINT);
  ASSERT_EQ(finished.code, 0) << finished.err;
  const Value report = json_of(finished.out);
  EXPECT_EQ(report.get("val_after"), Value(100));
  EXPECT_TRUE(report.get("test_after").is_null()) << finished.out;
  EXPECT_TRUE(fs::exists(folder_ / "out.hone.json"));
}

TEST_F(CommandTest, SecondStopEndsAtOnce) {
  answer_with([&](const HttpRequest& request) {
    gate_.wait();
    return review_answer(request);
  });
  Words words = optimize_words();
  words.insert(words.begin(), HONE_COMMAND);
  ChildProcess child(words);
  ASSERT_TRUE(server_.wait_for_requests(1));
  child.signal(SIGINT);
  ASSERT_TRUE(child.wait_for_error_text("stopping"));
  child.signal(SIGINT);
  EXPECT_EQ(child.wait().code, 130);
  gate_.open();
}

TEST_F(CommandTest, ModelsListNamesWhatCanBePulled) {
  const Finished list = run_hone({"models", "list"}, {{"HONE_CACHE", path("cache")}});
  EXPECT_EQ(list.code, 0) << list.err;
  EXPECT_NE(list.out.find("smollm2"), std::string::npos);
  const Finished file = run_hone({"models", "path", "smollm2"}, {{"HONE_CACHE", path("cache")}});
  EXPECT_EQ(file.code, 2);
}

// Its metric tells with which environment the command runs.
TEST_F(CommandTest, LetsThreadsThatWaitSleepSoonUnlessTheEnvironmentSaysHow) {
  write_text(folder_ / "metric.sh", "echo \"$GOMP_SPINCOUNT $OMP_WAIT_POLICY\" > '" + path("told") +
                                        "'; while read -r line; do echo 1; done");
  Words words{"env", "-u", "GOMP_SPINCOUNT", "-u", "OMP_WAIT_POLICY", HONE_COMMAND};
  for (const std::string& word : optimize_with("--metric", "command:sh " + path("metric.sh")))
    words.push_back(word);
  const auto told_with = [&](const ChildProcess::Environment& environment) {
    Words with = words;
    for (const auto& [name, value] : environment) with.insert(with.begin() + 5, name + "=" + value);
    const Finished finished = ChildProcess(with).wait();
    EXPECT_EQ(finished.code, 0) << finished.err;
    return read_text(folder_ / "told");
  };
  EXPECT_EQ(told_with({}), "1000 \n");
  EXPECT_EQ(told_with({{"GOMP_SPINCOUNT", "7"}}), "7 \n");
  EXPECT_EQ(told_with({{"OMP_WAIT_POLICY", "active"}}), " active\n");
}

}  // namespace
}  // namespace hone::tests
