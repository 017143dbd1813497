#include <gtest/gtest.h>

#include <filesystem>

#include "hone/program/ensemble.hpp"
#include "hone/program/neighbour_demos.hpp"
#include "hone/program/saved_program.hpp"
#include "hone/testing/scripted_lm.hpp"
#include "hone/typed/alternatives.hpp"
#include "hone/typed/to_program.hpp"

namespace hone::typed_test {

enum class Confidence { low, not_sure, high };
enum class Urgency { now = 100, later = -3 };

struct Part {
  std::string name;
  Described<double, "in metres"> size;
};

struct Everything {
  struct In {
    std::string text;
    int count = 0;
    unsigned rank = 0;
    std::optional<bool> flag;
  };
  struct Out {
    Described<Bounded<int, 0, 120>, "in years"> age;
    Bounded<std::string, 1, 80> title;
    std::vector<Part> parts;
    Confidence confidence = Confidence::low;
  };
};

struct Defaults {
  std::optional<int> limit = 5;
  std::vector<std::string> tags = {"x"};
  Described<std::optional<int>, "in years"> age;
  Bounded<Described<std::optional<int>, "in metres">, 0, 9> size;
};

struct MakeQuery {
  static constexpr std::string_view instructions = "Write a query.";
  struct In {
    std::string question;
  };
  struct Out {
    std::string query;
  };
};

struct Answer {
  struct In {
    std::vector<std::string> passages;
    std::string question;
  };
  struct Out {
    std::string answer;
    Confidence confidence = Confidence::low;
  };
};

struct Rag {
  static constexpr std::string_view instructions = "Answer from what is known.";
  Predict<MakeQuery> query;
  int repeats = 1;
  ChainOfThought<Answer> answer;

  Answer::Out operator()(Call& call, const MakeQuery::In& in) const {
    const auto found = query(call, in);
    return answer(call, {.passages = {found.query}, .question = in.question});
  }
};

struct Search {
  Retrieve search;
  Predict<Answer> answer;

  Answer::Out operator()(Call& call, const MakeQuery::In& in) const {
    return answer(call, {.passages = search(call, in.question), .question = in.question});
  }
};

struct Outer {
  Rag inner;
  Answer::Out operator()(Call& call, const MakeQuery::In& in) const { return inner(call, in); }
};

struct Planned {
  static constexpr std::string_view name = "planned";
  Predict<MakeQuery> plan;
  Predict<MakeQuery> act;
  MakeQuery::Out operator()(Call& call, const MakeQuery::In& in) const {
    return act(call, {plan(call, in).query});
  }
};

struct Choosing {
  Alternatives<Predict<MakeQuery>, ChainOfThought<MakeQuery>, Planned, Predict<MakeQuery>> ask;
  MakeQuery::Out operator()(Call& call, const MakeQuery::In& in) const { return ask(call, in); }
};

}  // namespace hone::typed_test

template <>
struct hone::EnumLabels<hone::typed_test::Urgency> {
  static constexpr std::array<std::pair<hone::typed_test::Urgency, std::string_view>, 2> values = {
      {{hone::typed_test::Urgency::now, "right now"}, {hone::typed_test::Urgency::later, "later"}}};
};

namespace {
enum class Unnamed { first, second = 5 };
}

namespace hone::typed_test {
namespace {

TEST(EnumLabels, AreTheNamesOfTheValues) {
  EXPECT_EQ(type_of<Unnamed>().to_string(), "enum(first, second)");
  EXPECT_EQ(from_value<Unnamed>("second").value(), Unnamed::second);
  ASSERT_EQ(enum_labels<Confidence>.size(), 3U);
  EXPECT_EQ(enum_labels<Confidence>[1].second, "not_sure");
  EXPECT_EQ(type_of<Urgency>().to_string(), "enum(right now, later)");
  EXPECT_EQ(from_value<Urgency>("later").value(), Urgency::later);
  EXPECT_EQ(to_value(Urgency::now), Value("right now"));
  EXPECT_THROW(to_value(static_cast<Confidence>(9)), Exception);
}

TEST(SignatureOf, ReadsNamesTypesDescriptionsAndLimits) {
  EXPECT_EQ(signature_of<Everything>().to_string(),
            "text: str, count: int, rank: int(0..), flag: optional[bool] -> age: int(0..120) \"in "
            "years\", "
            "title: str(1..80), parts: list[{name: str, size: float}], confidence: enum(low, "
            "not_sure, high)");
  EXPECT_EQ(signature_of<Everything>().find("parts")->type.element().fields()[1].type.description(),
            "in metres");
  EXPECT_EQ(signature_of<MakeQuery>().instructions(), "Write a query.");
  EXPECT_EQ(signature_of<Answer>(),
            Signature::parse("passages: list[str], question -> "
                             "answer, confidence: enum(low, not_sure, high)")
                .value());
}

TEST(ToValue, AndBack) {
  Everything::Out out;
  out.age = 30;
  out.title = "A title";
  out.parts = {{"wheel", 0.5}, {"door", 2.0}};
  out.confidence = Confidence::high;
  const Value value = to_value(out);
  EXPECT_EQ(value.to_json(),
            R"({"age": 30, "title": "A title", "parts": [{"name": "wheel", "size": 0.5}, )"
            R"({"name": "door", "size": 2.0}], "confidence": "high"})");
  const Everything::Out read = from_value<Everything::Out>(value).value();
  EXPECT_EQ(to_value(read), value);
  EXPECT_EQ(read.title->size(), 7U);
  EXPECT_EQ(*read.age + 1, 31);
}

TEST(FromValue, OptionalsMayBeMissing) {
  const auto read =
      from_value<Everything::In>(Value::object({{"text", "x"}, {"count", 1}, {"rank", 2}}));
  ASSERT_TRUE(read);
  EXPECT_FALSE(read->flag.has_value());
}

TEST(FromValue, OptionalsUnderAnnotationsMayBeMissing) {
  const auto read = from_value<Defaults>(Value::object({{"tags", Value(Value::List{})}}));
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_FALSE((*read->age).has_value());
  EXPECT_EQ(read->limit, 5) << "not given at all";
}

TEST(FromValue, WhatIsGivenTakesThePlaceOfDefaults) {
  const Value given = Value::parse_json(R"({"limit": null, "tags": ["a"], "age": 3})").value();
  const auto read = from_value<Defaults>(given);
  ASSERT_TRUE(read) << read.error().text();
  EXPECT_FALSE(read->limit.has_value());
  EXPECT_EQ(read->tags, (std::vector<std::string>{"a"}));
  EXPECT_EQ(*read->age, 3);
}

TEST(FromValue, ReportsEveryFaultWithItsPlace) {
  const Value value =
      Value::parse_json(R"({"age": 99999999999, "parts": [{"name": 1, "size": "x"}, 2],
                                            "confidence": "medium"})")
          .value();
  const auto read = from_value<Everything::Out>(value);
  ASSERT_FALSE(read);
  for (const char* expected :
       {"age: expected an int that fits its C++ type, got 99999999999", "title: missing",
        "parts[0].name: expected a text, got 1", "parts[0].size: expected a number, got \"x\"",
        "parts[1]: expected an object, got 2",
        "confidence: expected one of the enum's labels, got \"medium\""}) {
    EXPECT_NE(read.error().message.find(expected), std::string::npos) << expected << "\n"
                                                                      << read.error().message;
  }
  EXPECT_FALSE(from_value<unsigned>(-1));
}

ScriptedLm two_replies() {
  return ScriptedLm::in_turn({"[[ ## query ## ]]\ncapital of France",
                              "[[ ## reasoning ## ]]\nIt is known.\n\n[[ ## answer ## ]]\nParis\n\n"
                              "[[ ## confidence ## ]]\nhigh"});
}

TEST(Predict, GivesTheStruct) {
  const ScriptedLm lm = two_replies();
  Call call(lm);
  EXPECT_EQ(Predict<MakeQuery>()(call, {.question = "Which?"}).query, "capital of France");
}

TEST(ToProgram, RunsTheStructsControlFlow) {
  const Program program = to_program(Rag{});
  EXPECT_EQ(program.signature().to_string(),
            "question: str -> answer: str, confidence: enum(low, not_sure, high)");
  EXPECT_EQ(program.signature().instructions(), "Answer from what is known.");
  const ScriptedLm lm = two_replies();
  Call call(lm);
  EXPECT_EQ(program.run(call, Value::object({{"question", "Which?"}})).value().to_json(),
            R"({"answer": "Paris", "confidence": "high"})");
  ASSERT_EQ(call.trace().steps.size(), 2U);
  EXPECT_EQ(call.trace().steps[0].path, "query");
  EXPECT_EQ(call.trace().steps[1].path, "answer");
  EXPECT_EQ(call.trace().steps[1].outputs.get("reasoning"), Value("It is known."));
}

TEST(ToProgram, PathsComeFromTheMembers) {
  std::vector<std::string> paths;
  for (const Predictor& predictor : to_program(Outer{}).predictors())
    paths.push_back(predictor.path());
  EXPECT_EQ(paths, (std::vector<std::string>{"inner.query", "inner.answer"}));
}

TEST(ToProgram, WithTunesACopy) {
  const Program program = to_program(Rag{});
  const Program tuned =
      program.with(Candidate().with("query.instructions", "Ask.").with("answer.module", "predict"))
          .value();
  EXPECT_EQ(tuned.predictors()[0].signature().instructions(), "Ask.");
  EXPECT_EQ(tuned.predictors()[1].options().reasoning, Reasoning::none);
  EXPECT_EQ(program.predictors()[0].signature().instructions(), "Write a query.");
  EXPECT_EQ(program.with(tuned.candidate()).value().candidate(), tuned.candidate());
  EXPECT_FALSE(program.with(Candidate().with("query.format", "yaml")));
}

TEST(FromProgram, GivesTheTunedStructBack) {
  const Program tuned =
      to_program(Rag{}).with(Candidate().with("query.instructions", "Ask.")).value();
  const Rag rag = from_program<Rag>(tuned).value();
  EXPECT_EQ(rag.query.predictor().signature().instructions(), "Ask.");
  const ScriptedLm lm = two_replies();
  Call call(lm);
  EXPECT_EQ(rag(call, {.question = "Which?"}).answer, "Paris");
  EXPECT_EQ(call.trace().steps.front().path, "query");
}

TEST(FromProgram, RefusesWhatWasMadeOfSomethingElse) {
  const auto other = from_program<Rag>(to_program(Outer{}));
  ASSERT_FALSE(other);
  EXPECT_EQ(other.error().kind, ErrorKind::bad_request);
}

TEST(ToProgram, TunedProgramsAreSavedAndLoaded) {
  const Program program = to_program(Rag{});
  const Program tuned = program.with(Candidate().with("query.instructions", "Ask.")).value();
  const std::string path = testing::TempDir() + "/typed_test.hone.json";
  ASSERT_TRUE(save_program(path, {tuned, {}, {}}));
  EXPECT_EQ(load_program_into(path, program).value().program.candidate(), tuned.candidate());
}

TEST(ToProgram, WhatItsParametersDoNotHoldIsNotSavedWithoutAWord) {
  const Program program = to_program(Rag{});
  const Value demo = Value::object({{"question", "Which?"}, {"query", "which"}});
  const KnownExample known{Value::object({{"question", "Which?"}}), {{"query", demo}}};
  const Program near = with_neighbour_demos(program, {known}, 1).value();
  const Program both = ensemble({program, program}).value();
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / "typed_more.hone.json";
  std::filesystem::remove(file);
  for (const Program& tuned : {near, both}) {
    const Result<void> saved = save_program(file, {tuned, {}, {}});
    ASSERT_FALSE(saved);
    EXPECT_EQ(saved.error().kind, ErrorKind::bad_request);
  }
  EXPECT_FALSE(std::filesystem::exists(file));
}

TEST(ToProgram, TunesRetrieveSteps) {
  const Corpus corpus = Corpus::of({"Paris is a city.", "Rome is a city too.", "Cats."}).value();
  const Signature find = Signature::parse("query -> passages: list[str]").value();
  const Program program =
      to_program(Search{Retrieve::make(find, corpus, {.k = 1}).value(), Predict<Answer>()});
  EXPECT_EQ(program.params().front().path, "search.k");
  ASSERT_EQ(program.retrieve_steps().size(), 1U);
  const Program tuned = program.with(Candidate().with("search.k", 2)).value();
  const ScriptedLm lm =
      ScriptedLm::in_turn({"[[ ## answer ## ]]\nRome\n\n[[ ## confidence ## ]]\nhigh"});
  Call call(lm);
  tuned.run(call, Value::object({{"question", "Which city is it?"}})).value();
  EXPECT_EQ(call.trace().steps.at(0).path, "search");
  EXPECT_EQ(call.trace().steps.at(1).inputs.get("passages").size(), 2U);
  const std::string path = testing::TempDir() + "/typed_retrieve_test.hone.json";
  ASSERT_TRUE(save_program(path, {tuned, {}, {}}));
  EXPECT_EQ(load_program_into(path, program).value().program.candidate(), tuned.candidate());
}

TEST(TypedAlternatives, AreChosenByAParameter) {
  const Program program = to_program(Choosing{});
  const Value inputs = Value::object({{"question", "why?"}});
  const ScriptedLm one = ScriptedLm::in_turn({"[[ ## query ## ]]\nbecause"});
  Call call(one);
  EXPECT_EQ(program.run(call, inputs).value().to_json(), R"({"query": "because"})");
  EXPECT_EQ(call.trace().steps[0].path, "ask.predict");

  const Program planned = program.with(Candidate().with("ask.choice", "planned")).value();
  const ScriptedLm two = ScriptedLm::in_turn({"[[ ## query ## ]]\nplan", "[[ ## query ## ]]\nact"});
  Call second(two);
  EXPECT_EQ(planned.run(second, inputs).value().to_json(), R"({"query": "act"})");
  EXPECT_EQ(second.trace().steps[1].path, "ask.planned.act");
  EXPECT_EQ(program.with(planned.candidate()).value().candidate(), planned.candidate());
  EXPECT_FALSE(program.with(Candidate().with("ask.choice", "none")));
}

TEST(TypedAlternatives, HaveParametersOnlyWhileChosen) {
  const Program program = to_program(Choosing{});
  const std::vector<Param> params = program.params();
  EXPECT_EQ(params[0].path, "ask.choice");
  EXPECT_EQ(Value(std::get<ChoiceDomain>(params[0].domain).choices).to_json(),
            R"(["predict", "chain_of_thought", "planned", "predict_4"])");
  for (std::size_t i = 1; i < params.size(); ++i) {
    ASSERT_TRUE(params[i].condition) << params[i].path;
    EXPECT_EQ(params[i].condition->path, "ask.choice");
    EXPECT_TRUE(params[i].path.starts_with("ask." + params[i].condition->equals.text() + "."));
  }
}

TEST(TypedAlternatives, AreSavedWithTheirChoice) {
  const Program program = to_program(Choosing{});
  const Program planned = program.with(Candidate().with("ask.choice", "planned")).value();
  const std::filesystem::path file =
      std::filesystem::path(::testing::TempDir()) / "typed_choice.hone.json";
  ASSERT_TRUE(save_program(file, {planned, {}, {}}));
  EXPECT_EQ(load_program_into(file, program).value().program.candidate(), planned.candidate());
}

}  // namespace
}  // namespace hone::typed_test
