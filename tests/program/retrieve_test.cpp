#include "hone/program/retrieve.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "hone/program/ensemble.hpp"
#include "hone/program/program.hpp"
#include "hone/program/program_file.hpp"
#include "hone/program/saved_program.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "core/parsed.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

const std::vector<std::string> kPassages = {
    "The Rhine rises in Switzerland and flows into the North Sea.",
    "The Danube rises in Germany and flows into the Black Sea.",
    "The Black Forest lies in Germany.", "Cats sleep for most of the day."};

Corpus rivers() {
  return Corpus::of(kPassages).value();
}

Program rag(const Corpus& corpus, RetrieveOptions options = {.k = 2}) {
  return Program::pipeline(
             {{"search",
               Retrieve::make(parsed("question -> context: list[str]"), corpus, options).value()},
              {"answer", Predictor(parsed("context: list[str], question -> answer"))}})
      .value();
}

Value asked(const char* question) {
  return Value::object({{"question", question}});
}

// The last prompt of a run, and its trace.
struct Ran {
  std::string prompt;
  Trace trace;
};

Ran run(const Program& program, const char* question) {
  const ScriptedLm lm([](const LmRequest&) { return std::string("[[ ## answer ## ]]\nyes"); });
  Call call(lm);
  program.run(call, asked(question)).value();
  return {lm.requests().back().prompt.dump(), call.take_trace()};
}

constexpr const char* kQuestion = "Where does the Danube flow, the Black Sea?";

TEST(Retrieve, GivesTheNearestPassagesToTheNextStep) {
  const Ran ran = run(rag(rivers()), kQuestion);
  EXPECT_THAT(ran.prompt, HasSubstr("The Danube rises"));
  EXPECT_THAT(ran.prompt, Not(HasSubstr("Cats")));
  ASSERT_EQ(ran.trace.steps.size(), 2U);
  const TraceStep& search = ran.trace.steps[0];
  EXPECT_EQ(search.path, "search");
  EXPECT_EQ(search.inputs, asked(kQuestion));
  EXPECT_EQ(search.outputs.get("context").as_list().front(), Value(kPassages[1]));
  EXPECT_FALSE(search.asked_model());
  EXPECT_EQ(ran.trace.usage().lm_calls, 1);
}

TEST(Retrieve, ItsCountIsAParameter) {
  const Program program = rag(rivers());
  const Param param = program.params().front();
  EXPECT_EQ(param.path, "search.k");
  EXPECT_EQ(param.initial, Value(2));
  const auto range = std::get<IntDomain>(param.domain);
  EXPECT_EQ(range.low, 1);
  EXPECT_EQ(range.high, 4) << "there are no more passages";
  const auto with_k = [&](int k) { return program.with(Candidate().with("search.k", k)); };
  EXPECT_THAT(run(with_k(1).value(), kQuestion).prompt, Not(HasSubstr("Rhine")));
  EXPECT_THAT(run(with_k(4).value(), kQuestion).prompt, HasSubstr("Cats"));
  EXPECT_FALSE(with_k(5));
  EXPECT_EQ(program.with(program.candidate()).value().candidate(), program.candidate());
}

TEST(Retrieve, WithoutACountTakesWhatTheRangeAllows) {
  const Signature signature = parsed("q -> p: list[str]");
  const auto made = [&](std::size_t passages, RetrieveOptions options) {
    const Corpus corpus = Corpus::of(std::vector<std::string>(passages, "x")).value();
    return Retrieve::make(signature, corpus, options).value();
  };
  EXPECT_EQ(made(50, {}).k(), 3);
  EXPECT_EQ(made(50, {}).range().high, 10);
  EXPECT_EQ(made(2, {}).k(), 2);
  EXPECT_EQ(made(50, {.range = IntDomain{5, 20}}).k(), 5);
  EXPECT_EQ(made(50, {.k = 30}).range().high, 30);
  EXPECT_EQ(made(50, {.k = 0}).range().low, 0);
}

TEST(Retrieve, ACountOfNoneShowsNone) {
  const Program none = rag(rivers(), {.k = 0});
  for (const std::string& passage : kPassages)
    EXPECT_THAT(run(none, kQuestion).prompt, Not(HasSubstr(passage)));
}

TEST(Retrieve, AloneIsAProgramThatAsksNoModel) {
  const Program program = Program::retrieve(
      Retrieve::make(parsed("question -> context: list[str]"), rivers(), {.k = 1}).value());
  const ScriptedLm lm = ScriptedLm::in_turn({});
  Call call(lm);
  EXPECT_EQ(program.run(call, asked(kQuestion)).value(),
            Value::object({{"context", Value::strings({kPassages[1]})}}));
  EXPECT_EQ(program.params().front().path, "retrieve.k");
}

TEST(Retrieve, RefusesOtherFieldsAndCounts) {
  const auto fault = [](const char* signature, RetrieveOptions options) {
    const Result<Retrieve> made = Retrieve::make(parsed(signature), rivers(), options);
    EXPECT_FALSE(made) << signature;
    return made ? std::string() : made.error().text();
  };
  for (const char* signature :
       {"a, b -> c: list[str]", "a: int -> c: list[str]", "a -> c", "a -> c: list[int]",
        "a -> c: list[str](1..2)", "a -> c: list[str], d: list[str]"}) {
    EXPECT_THAT(fault(signature, {}), HasSubstr("takes one str, the query, and gives one list"));
  }
  const char* fits = "a -> c: list[str]";
  EXPECT_THAT(fault(fits, {.k = 5}), HasSubstr("k is 5; it must be from 0 to 4"));
  EXPECT_THAT(fault(fits, {.k = -1}), HasSubstr("k is -1; it must be from 0 to 4"));
  EXPECT_THAT(fault(fits, {.k = 3, .range = IntDomain{1, 2}}),
              HasSubstr("k is 3, outside its own range 1 to 2"));
  EXPECT_THAT(fault(fits, {.range = IntDomain{2, 1}}), HasSubstr("k cannot range from 2 to 1"));
  EXPECT_THAT(fault(fits, {.range = IntDomain{1, 9}}), HasSubstr("two numbers from 0 to 4"));
}

TEST(Retrieve, StepsAreWiredByType) {
  const auto wrong = Program::pipeline(
      {{"search", Retrieve::make(parsed("question -> context: list[str]"), rivers()).value()},
       {"answer", Predictor(parsed("context: int -> answer"))}});
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().message, HasSubstr("step 'answer' takes 'context' as int"));
}

TEST(Retrieve, StandsInsideAlternativesAndEnsembles) {
  const Program plain = Program::predict(parsed("question -> answer"));
  const Program either =
      Program::alternatives("say", {{"plain", plain}, {"rag", rag(rivers())}}, "rag").value();
  ASSERT_EQ(either.retrieve_steps().size(), 1U);
  EXPECT_EQ(either.retrieve_steps()[0].path(), "say.rag.search");
  const Program one = either.with(Candidate().with("say.rag.search.k", 1)).value();
  EXPECT_THAT(run(one, kQuestion).prompt, Not(HasSubstr("Rhine")));
  EXPECT_EQ(run(one, kQuestion).trace.steps[0].path, "say.rag.search");
  const Program both = ensemble({rag(rivers()), rag(rivers())}).value();
  EXPECT_EQ(both.retrieve_steps()[1].path(), "m2.search");
}

TEST(Retrieve, IsPartOfWhatAProgramIs) {
  const Program program = rag(rivers());
  EXPECT_THAT(program.describe(), HasSubstr("Step search (looks passages up"));
  std::vector<std::string> others = kPassages;
  others.back() = "Dogs sleep too.";
  EXPECT_NE(program.structure_hash(), rag(Corpus::of(others).value()).structure_hash());
  EXPECT_EQ(program.structure_hash(),
            program.with(Candidate().with("search.k", 1)).value().structure_hash());
}

class RetrieveFiles : public ::testing::Test {
 protected:
  RetrieveFiles() {
    std::string name = (fs::path(::testing::TempDir()) / "hone_retrieve_XXXXXX").string();
    folder_ = ::mkdtemp(name.data());
    std::string lines;
    for (const std::string& passage : kPassages) lines += passage + "\n";
    write("rivers.txt", lines);
  }
  ~RetrieveFiles() override { fs::remove_all(folder_); }

  fs::path write(const std::string& name, const std::string& text) const {
    fs::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name) << text;
    return folder_ / name;
  }
  Result<Program> from_toml(const std::string& text) const {
    const Value config = read_toml(write("task.toml", text)).value();
    return program_from_config(config.get("program"), "task.toml: program", {}, folder_);
  }
  std::string step_fault(const std::string& keys) const {
    const Result<Program> program = from_toml("[[program.steps]]\nname = \"search\"\n" + keys);
    EXPECT_FALSE(program) << keys;
    return program ? std::string() : program.error().text();
  }
  std::string load_fault(const fs::path& corpus) const {
    const Result<Corpus> loaded = Corpus::load(corpus);
    EXPECT_FALSE(loaded) << corpus;
    return loaded ? std::string() : loaded.error().text();
  }

  fs::path folder_;
};

TEST_F(RetrieveFiles, ReadsEntriesAndLines) {
  const fs::path entries =
      write("a.jsonl", "{\"title\": \"Rhine\", \"text\": \"a river\"}\n\n{\"text\": \"plain\"}\n");
  EXPECT_THAT(Corpus::load(entries).value().passages(), ElementsAre("Rhine | a river", "plain"));
  EXPECT_THAT(Corpus::load(write("a.txt", " one \r\n\n two\n")).value().passages(),
              ElementsAre("one", "two"));
  EXPECT_EQ(Corpus::load(folder_ / "rivers.txt").value().hash(), rivers().hash())
      << "where they lie is no matter";
}

TEST_F(RetrieveFiles, SaysWhatIsWrongWithACorpus) {
  for (const char* name : {"none.jsonl", "none.txt"}) {
    EXPECT_THAT(load_fault(folder_ / name), HasSubstr(std::string(name) + ": cannot be read"));
  }
  EXPECT_THAT(load_fault(folder_), HasSubstr("cannot be read"));
  EXPECT_THAT(load_fault(write("e.jsonl", "\n")), HasSubstr("a corpus is a .jsonl"));
  EXPECT_THAT(load_fault(write("e.txt", " \n")), HasSubstr("holds no passages (a corpus is"));
  EXPECT_THAT(load_fault(write("t.jsonl", "{\"text\": \"a\"}\n{\"txt\": \"b\"}\n")),
              HasSubstr("t.jsonl:2: field 'text' is missing (there: txt)"));
  EXPECT_FALSE(Corpus::of({}));
}

TEST_F(RetrieveFiles, AProgramFileNamesItsCorpus) {
  const Program program = from_toml(R"toml(
[[program.steps]]
name = "search"
module = "retrieve"
signature = "question -> context: list[str]"
corpus = "rivers.txt"
k = 2
k_range = [1, 3]
[[program.steps]]
name = "answer"
signature = "context: list[str], question -> answer"
)toml")
                              .value();
  EXPECT_EQ(program.signature().to_string(), "question: str -> answer: str");
  EXPECT_EQ(program.retrieve_steps().at(0).range().high, 3);
  EXPECT_THAT(run(program, kQuestion).prompt, HasSubstr("The Danube rises"));
  const Program alone = from_toml(
                            "[program]\nmodule = \"retrieve\"\ncorpus = \"rivers.txt\"\n"
                            "signature = \"question -> context: list[str]\"\n")
                            .value();
  EXPECT_EQ(alone.retrieve_steps().at(0).path(), "retrieve");
}

TEST_F(RetrieveFiles, AProgramFilesFaultsNameStepAndKey) {
  const std::string all = step_fault(
      "module = \"retrieve\"\ncorpus = \"none.txt\"\nsignature = \"q ->\"\nk = \"few\"\n"
      "k_range = [1]\nkk = 3\nformat = \"json\"\n");
  for (const char* part :
       {"steps.search: ", "corpus: ", "none.txt: cannot be read", "signature: ",
        "k: expected a whole number, got \"few\"", "k_range: expected two whole numbers",
        "kk: is not a key of a retrieve step; did you mean k", "format: is not a key"}) {
    EXPECT_THAT(all, HasSubstr(part));
  }
  EXPECT_THAT(step_fault("module = \"retrieve\"\n"),
              HasSubstr("corpus: is missing; give a file of passages"));
  EXPECT_THAT(step_fault("module = \"retrieve\"\ncorpus = \"rivers.txt\"\nk = 9\n"
                         "signature = \"q -> p: list[str]\"\n"),
              HasSubstr("k is 9; it must be from 0 to 4, the passages of the corpus"));
  EXPECT_THAT(step_fault("module = \"retreive\"\nsignature = \"q -> a\"\n"),
              HasSubstr("did you mean retrieve"));
}

TEST_F(RetrieveFiles, SavedProgramsFindTheirCorpusAgain) {
  const Program tuned = rag(Corpus::load(folder_ / "rivers.txt").value(), {.k = 1});
  const fs::path file = folder_ / "rag.hone.json";
  ASSERT_TRUE(save_program(file, {tuned, {}, {}}));
  std::ifstream in(file);
  const std::string text{std::istreambuf_iterator<char>(in), {}};
  EXPECT_THAT(text, HasSubstr("\"corpus\": \"rivers.txt\""));
  EXPECT_THAT(text, Not(HasSubstr("Danube")));
  const Program loaded = load_program(file).value().program;
  EXPECT_EQ(saved_program_text({loaded, {}, {}}), saved_program_text({tuned, {}, {}}));
  EXPECT_EQ(run(loaded, kQuestion).prompt, run(tuned, kQuestion).prompt);
  EXPECT_EQ(load_program_into(file, rag(rivers())).value().program.candidate(), tuned.candidate());

  // They move together.
  fs::rename(folder_, folder_.string() + "_moved");
  const Result<SavedProgram> moved = load_program(folder_.string() + "_moved/rag.hone.json");
  fs::rename(folder_.string() + "_moved", folder_);
  EXPECT_TRUE(moved) << moved.error().text();
}

TEST_F(RetrieveFiles, ACorpusElsewhereIsNamedByItsWholePath) {
  const Program program = rag(Corpus::load(folder_ / "rivers.txt").value());
  fs::create_directory(folder_ / "out");
  const fs::path file = folder_ / "out" / "rag.hone.json";
  ASSERT_TRUE(save_program(file, {program, {}, {}}));
  EXPECT_EQ(program.to_json(folder_ / "out").get("steps").as_list()[0].get("corpus"),
            Value((folder_ / "rivers.txt").string()));
  EXPECT_TRUE(load_program(file));
}

TEST_F(RetrieveFiles, AChangedOrMissingCorpusIsAnError) {
  const fs::path file = folder_ / "rag.hone.json";
  const Program program = rag(Corpus::load(folder_ / "rivers.txt").value());
  ASSERT_TRUE(save_program(file, {program, {}, {}}));
  write("rivers.txt", "Another passage.\n");
  const Result<SavedProgram> changed = load_program(file);
  ASSERT_FALSE(changed);
  EXPECT_EQ(changed.error().kind, ErrorKind::bad_request);
  for (const char* part : {"rag.hone.json", "steps.search", "rivers.txt",
                           "holds other passages than when the program was saved"}) {
    EXPECT_THAT(changed.error().text(), HasSubstr(part));
  }
  fs::remove(folder_ / "rivers.txt");
  EXPECT_THAT(load_program(file).error().text(), HasSubstr("rivers.txt: cannot be read"));
}

TEST_F(RetrieveFiles, WithoutAFileOnlyTheSettingsAreSaved) {
  const fs::path file = folder_ / "rag.hone.json";
  const Program tuned = rag(rivers(), {.k = 1});
  EXPECT_TRUE(tuned.to_json().is_null());
  ASSERT_TRUE(save_program(file, {tuned, {}, {}}));
  EXPECT_FALSE(load_program(file));
  EXPECT_EQ(load_program_into(file, rag(rivers())).value().program.candidate(), tuned.candidate());
}

}  // namespace
}  // namespace hone
