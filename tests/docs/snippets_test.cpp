// The C++ of README and docs, compiled and run: docs_test.cpp checks that every snippet stands in
// here (or in examples/) word for word.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "hone/adapter/prompt_template.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/eval/metric.hpp"
#include "hone/lm/local.hpp"
#include "hone/lm/openai.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/program/program.hpp"
#include "hone/program/saved_program.hpp"
#include "hone/testing/scripted_lm.hpp"
#include "hone/typed/to_program.hpp"

namespace {

enum class Queue { billing, technical, sales };

// clang-format off
struct Triage {                                      // what the step takes and gives
  static constexpr std::string_view instructions = "Route the ticket to the team that can help.";
  struct In  { std::string ticket; };
  struct Out { Queue queue; };
};

struct Desk {                                        // a program is a plain struct
  hone::Predict<Triage> triage;
  Triage::Out operator()(hone::Call& call, const Triage::In& in) const { return triage(call, in); }
};
// clang-format on

hone::ScriptedLm scripted() {
  hone::Script script;
  script.score = [](const hone::LmRequest& request, const hone::LabelSlot& slot) {
    const std::string prompt = request.prompt.dump();
    std::vector<double> scores(slot.labels.size(), -3.0);
    scores[prompt.rfind("router") != std::string::npos ? 1 : 0] = -0.1;
    return scores;
  };
  script.value = [](const hone::LmRequest&, const hone::TextSlot&) { return std::string("42"); };
  return hone::ScriptedLm(std::move(script));
}

hone::Examples tickets(std::string_view suffix) {
  hone::Examples out;
  for (const char* text :
       {"I was charged twice", "my router is dead", "refund please", "the router blinks red"}) {
    const bool technical = std::string_view(text).find("router") != std::string_view::npos;
    out.emplace_back(hone::Value::object({{"ticket", std::string(text) + std::string(suffix)},
                                          {"queue", technical ? "technical" : "billing"}}));
  }
  return out;
}

// README's own program, examples/tickets.cpp, needs a model; its steps on a scripted one.
TEST(Snippets, TypedProgramIsTunedAndSaved) {
  const hone::ScriptedLm lm = scripted();
  const hone::Examples train = tickets(" today");
  const hone::Examples val = tickets("!");
  const std::string folder = ::testing::TempDir();
  // clang-format off
  const auto optimizer = hone::make_optimizer("bootstrap_random_search").value();
  const hone::Optimized done = hone::optimize(
      hone::to_program(Desk{}), {train, val, hone::exact_match("queue")}, lm, *optimizer,
      {.seed = 1, .budget = {.lm_calls = 20'000}}).value();
  hone::save_program(folder + "desk.hone.json", {done.program, {}, {}}).value();

  const Desk desk = hone::from_program<Desk>(done.program).value();   // the struct, tuned
  hone::Call call(lm);
  const Queue queue = desk(call, {.ticket = "My router blinks red."}).queue;
  // clang-format on
  EXPECT_EQ(queue, Queue::technical);
  EXPECT_GE(done.best.mean, done.baseline.mean);
}

// Compiled only: what is opened is not here.
[[maybe_unused]] bool open_models() {
  // clang-format off
  const auto smollm2 = hone::LocalLm::open(hone::pulled_model("smollm2").value()).value();
  const auto file = hone::LocalLm::open({.model = "weights.gguf", .exact = true}).value();
  const auto server = hone::OpenAiLm::open(hone::parse_openai_spec("openai:http://127.0.0.1:8080/v1#smollm2").value()).value();
  const hone::Lm& lm = *smollm2;  // what optimize(), Call and Evaluator take
  // clang-format on
  return lm.info().identity != file->info().identity + server->info().identity;
}

TEST(Snippets, Adapter) {
  const auto signature = hone::Signature::parse("question -> answer: int").value();
  const std::vector<hone::Value> demos;
  const hone::Value inputs = hone::Value::object({{"question", "6 x 7?"}});
  const std::string reply_text = "\nAnswer: 42";
  // clang-format off
  const hone::PromptTemplate prompt(signature, hone::Format::completion, demos);
  const hone::Prompt text = prompt.render(inputs);         // segments, fixed ones first
  const hone::ParsedReply read = prompt.parse(reply_text); // values, and every fault at once
  // clang-format on
  EXPECT_GT(text.size(), 0U);
  EXPECT_EQ(read.outputs.get("answer"), hone::Value(42));
}

TEST(Snippets, Core) {
  // clang-format off
  const auto signature = hone::Signature::parse(
      "question, context: list[str] -> answer: str(..200), confidence: enum(low, high)",
      "Answer briefly.").value();
  const auto shorter = signature.remove("confidence").value();      // every edit gives a new one
  const auto again = hone::Signature::from_json(signature.to_json()).value();
  // clang-format on
  EXPECT_EQ(shorter.outputs().size(), 1U);
  EXPECT_EQ(again, signature);
}

TEST(Snippets, Eval) {
  // clang-format off
  const auto shorter = hone::Metric::of("shorter", [](const hone::Example& example, const hone::Value& prediction) {
    return prediction.get("answer").text().size() <= example.get("answer").text().size() ? 1.0 : 0.0;
  });
  // clang-format on
  EXPECT_EQ(shorter.name(), "shorter");
  // clang-format off
  const hone::Metric brief("brief", [](const hone::Outcome& run) -> hone::Result<hone::Score> {
    if (run.prediction.get("answer").text().size() <= 80) return hone::Score{1, ""};
    return hone::Score{0, "it is longer than 80 bytes"};  // what gepa reflects on
  });
  // clang-format on
  EXPECT_EQ(brief.name(), "brief");
}

TEST(Snippets, Program) {
  using namespace hone;
  const ScriptedLm lm = scripted();
  const Value inputs = Value::object({{"question", "6 x 7?"}});
  const Candidate candidate = Candidate().with("predict.format", "json");
  // clang-format off
  const auto ask = Signature::parse("question -> answer: int").value();
  const auto check = Signature::parse("question, answer: int -> sure: bool").value();
  const Program one = Program::chain_of_thought(ask);
  const Program two = Program::pipeline({{"ask", Predictor(ask)}, {"check", Predictor(check)}}).value();

  Call call(lm);                                        // one run: model, seed, stop token, trace
  const Result<Value> outputs = one.run(call, inputs);  // never throws
  const Program tuned = one.with(candidate).value();    // a cheap copy; `one` stays as it is
  // clang-format on
  EXPECT_TRUE(outputs) << outputs.error().text();
  EXPECT_EQ(two.predictors().size(), 2U);
  EXPECT_EQ(tuned.predictors().front().options().format, Format::json);
}

TEST(Snippets, Alternatives) {
  using namespace hone;
  // clang-format off
  const auto solve = Signature::parse("question -> answer").value();
  const auto plan = Signature::parse("question -> plan").value();
  const auto act = Signature::parse("question, plan -> answer").value();
  const Program either = Program::alternatives("solve", {
      {"direct", Program::predict(solve)},
      {"cot", Program::chain_of_thought(solve)},
      {"two_step", Program::pipeline({{"plan", Predictor(plan)}, {"act", Predictor(act)}}).value()}}).value();
  const Program planned = either.with(Candidate().with("solve.choice", "two_step")).value();
  // clang-format on
  EXPECT_EQ(*planned.candidate().find("solve.choice"), Value("two_step"));
}

TEST(Snippets, Retrieve) {
  using namespace hone;
  const std::string file = ::testing::TempDir() + "hone_snippet_passages.txt";
  std::ofstream(file) << "The Rhine flows into the North Sea.\nCats sleep most of the day.\n";
  // clang-format off
  const Corpus corpus = Corpus::load(file).value();
  const auto find = Signature::parse("question -> context: list[str]").value();
  const auto answer = Signature::parse("context: list[str], question -> answer").value();
  const Program rag = Program::pipeline({
      {"search", Retrieve::make(find, corpus, {.k = 2}).value()},
      {"answer", Predictor(answer)}}).value();
  const Program brief = rag.with(Candidate().with("search.k", 1)).value();
  // clang-format on
  std::filesystem::remove(file);
  EXPECT_EQ(rag.params().front().path, "search.k");
  EXPECT_EQ(brief.retrieve_steps().at(0).k(), 1);
}

TEST(Snippets, Goals) {
  using namespace hone;
  const Examples train = tickets(" today");
  const Examples val = tickets("!");
  // clang-format off
  Task task = {train, val, exact_match("queue")};
  task.goals = {.goals = {maximize(Quantity::score), minimize(Quantity::tokens)},
                .within = {at_most(Quantity::latency_ms, 200)}};
  const Goal traded = Goal::parse("score - 0.1*prompt_tokens/1000").value();
  // clang-format on
  EXPECT_EQ(task.goals.text(), "maximize score; minimize tokens; within latency_ms <= 200");
  EXPECT_TRUE(traded.is_additive());
}

}  // namespace
