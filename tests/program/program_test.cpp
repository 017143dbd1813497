#include "hone/program/program.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <stdexcept>
#include <thread>

#include "hone/testing/scripted_lm.hpp"

#include "core/parsed.hpp"

namespace hone {
namespace {

Program two_steps() {
  return Program::pipeline({{"query", Predictor(parsed("question -> query"))},
                            {"answer", Predictor(parsed("question, query -> answer: int"),
                                                 {.reasoning = Reasoning::chain_of_thought})}})
      .value();
}

TEST(Program, PredictHasOnePathAndRuns) {
  const Program program = Program::predict(parsed("q -> a"));
  const ScriptedLm lm = ScriptedLm::in_turn({"[[ ## a ## ]]\nyes"});
  Call call(lm);
  EXPECT_EQ(program.run(call, Value::object({{"q", "x"}})).value().to_json(), R"({"a": "yes"})");
  EXPECT_EQ(call.trace().steps[0].path, "predict");
  EXPECT_EQ(program.params()[0].path, "predict.instructions");
}

TEST(Program, InputsThatDoNotFitAreABadRequest) {
  const ScriptedLm lm = ScriptedLm::in_turn({});
  Call call(lm);
  const Result<Value> outputs = two_steps().run(call, Value::object({{"query", "x"}}));
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().text(), "inputs: field 'question' is missing (there: query)");
}

class Thrower final : public Module {
 public:
  const Signature& signature() const override { return signature_; }
  Value forward(Call&, const Value&) const override { throw std::runtime_error("out of luck"); }
  std::vector<Predictor> predictors() const override { return {}; }
  Result<std::shared_ptr<const Module>> with(const Candidate&) const override {
    return std::make_shared<const Thrower>();
  }

 private:
  Signature signature_ = parsed("q -> a");
};

TEST(Program, WhateverABodyThrowsIsAnError) {
  const ScriptedLm lm = ScriptedLm::in_turn({});
  Call call(lm);
  const Result<Value> outputs =
      Program(std::make_shared<const Thrower>()).run(call, Value::object({{"q", "x"}}));
  ASSERT_FALSE(outputs);
  EXPECT_EQ(outputs.error().text(), "program: out of luck");
}

TEST(ProgramPipeline, WiresFieldsByName) {
  const Program program = two_steps();
  EXPECT_EQ(program.signature().to_string(), "question: str -> answer: int");
  const ScriptedLm lm = ScriptedLm::in_turn(
      {"[[ ## query ## ]]\nlook here", "[[ ## reasoning ## ]]\nwell\n\n[[ ## answer ## ]]\n42"});
  Call call(lm);
  EXPECT_EQ(program.run(call, Value::object({{"question", "why"}})).value().to_json(),
            R"({"reasoning": "well", "answer": 42})");
  ASSERT_EQ(call.trace().steps.size(), 2U);
  EXPECT_EQ(call.trace().steps[1].path, "answer");
  EXPECT_EQ(call.trace().steps[1].inputs.to_json(), R"({"question": "why", "query": "look here"})");
}

TEST(ProgramPipeline, RefusesStepsThatDoNotFitTogether) {
  const auto fault = [](std::vector<PipelineStep> steps) {
    const Result<Program> program = Program::pipeline(std::move(steps));
    EXPECT_FALSE(program);
    return program ? std::string() : program.error().message;
  };
  const auto step = [](const char* name, const char* signature) {
    return PipelineStep{name, Predictor(parsed(signature))};
  };
  EXPECT_NE(fault({step("a", "q -> n: int"), step("b", "n: bool -> r")})
                .find("step 'b' takes 'n' as bool, but the outputs of 'a' give it as int"),
            std::string::npos);
  EXPECT_NE(fault({step("a", "q -> n"), step("a", "n -> r")}).find("two steps are named 'a'"),
            std::string::npos);
  EXPECT_NE(fault({step("a.b", "q -> n")}).find("not a step name"), std::string::npos);
  EXPECT_NE(fault({step("a", "q, r: int -> n"), step("b", "n -> r: int")})
                .find("both an input and an output"),
            std::string::npos);
  EXPECT_NE(fault({step("a", "q -> n"), step("b", "n -> q: bool")}).find("gives 'q' as bool"),
            std::string::npos);
  EXPECT_NE(fault({}).find("at least one step"), std::string::npos);
}

TEST(ProgramPipeline, TypesThatHoldTheOtherFit) {
  EXPECT_TRUE(Program::pipeline({{"a", Predictor(parsed("q -> n: int(0..9), l: enum(x, y)"))},
                                 {"b", Predictor(parsed("n: float, l: str? -> r"))}}));
}

TEST(ProgramWith, ItsOwnCandidateGivesItBack) {
  const Program base = two_steps();
  const Program tuned =
      base.with(Candidate()
                    .with("query.instructions", "Write a query.")
                    .with("answer.module", "predict")
                    .with("answer.lm.max_tokens", 7)
                    .with("answer.demos",
                          Value::list(
                              {Value::object({{"question", "q"}, {"query", "w"}, {"answer", 1}})})))
          .value();
  EXPECT_EQ(base.with(tuned.candidate()).value().to_json(), tuned.to_json());
  EXPECT_EQ(base.with(base.candidate()).value().to_json(), base.to_json());
  EXPECT_NE(base.to_json(), tuned.to_json());
}

TEST(ProgramWith, ReportsEveryFaultAtOnce) {
  const Result<Program> tuned =
      two_steps().with(Candidate().with("query.format", "yaml").with("anser.format", "json"));
  ASSERT_FALSE(tuned);
  EXPECT_NE(tuned.error().message.find("query.format: \"yaml\" is not one of"), std::string::npos);
  EXPECT_NE(tuned.error().message.find("did you mean answer.format"), std::string::npos)
      << tuned.error().message;
}

TEST(Program, StructureHashIsOfPathsAndFields) {
  const Program program = two_steps();
  EXPECT_EQ(program.structure_hash(),
            program.with(Candidate().with("query.format", "json")).value().structure_hash());
  EXPECT_NE(Program::predict(parsed("q -> a")).structure_hash(),
            Program::predict(parsed("q -> b")).structure_hash());
}

TEST(Program, DescribeNamesStepsAndInstructions) {
  const std::string text =
      two_steps().with(Candidate().with("query.instructions", "Write.")).value().describe();
  EXPECT_EQ(text,
            "Program: question: str -> answer: int\n"
            "\n"
            "Step query: question: str -> query: str\n"
            "Instructions: Write.\n"
            "\n"
            "Step answer (reasons step by step before it answers): question: str, query: str -> "
            "answer: int\n"
            "Instructions: Given the fields `question`, `query`, produce the fields `answer`.\n");
}

TEST(ProgramThreads, OneProgramServesManyAtOnce) {
  const Program program = two_steps();
  const ScriptedLm lm(
      Script{.reply = {}, .score = {}, .value = [](const LmRequest&, const TextSlot& slot) {
               return std::string(slot.field == "answer" ? "7" : "so");
             }});
  std::atomic<int> right = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int n = 0; n < 20; ++n) {
          Call call(lm);
          const Result<Value> outputs = program.run(call, Value::object({{"question", "why"}}));
          if (outputs && outputs->get("answer") == Value(7)) ++right;
        }
      });
    }
  }
  EXPECT_EQ(right, 160);
}

TEST(ProgramJson, ReadsBackTheSame) {
  for (const Program& program :
       {two_steps(), Program::chain_of_thought(parsed("q -> a: enum(x, y)"))}) {
    const Program read = Program::from_json(program.to_json(), "program").value();
    EXPECT_EQ(read.to_json(), program.to_json());
    EXPECT_EQ(read.structure_hash(), program.structure_hash());
  }
}

}  // namespace
}  // namespace hone
