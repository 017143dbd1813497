#include "hone/program/neighbour_demos.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "hone/program/saved_program.hpp"
#include "hone/testing/scripted_lm.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

Program ticket_program() {
  PredictorOptions options;
  options.format = Format::completion;
  return Program::predict(
      Signature::parse("ticket -> queue: enum(billing, technical)", "Route it.").value(), options);
}

KnownExample known(const std::string& ticket, const std::string& queue) {
  const Value inputs = Value::object({{"ticket", ticket}});
  return {inputs, {{"predict", inputs.with("queue", queue)}}};
}

std::vector<KnownExample> pool() {
  return {known("the invoice is wrong", "billing"), known("the screen stays dark", "technical"),
          known("charged twice on my invoice", "billing"),
          known("printer does not start", "technical")};
}

// Texts about money point one way, all others another, whatever their words.
class TopicEmbedder final : public Embedder {
 public:
  explicit TopicEmbedder(std::string identity = "topics") : identity_(std::move(identity)) {}
  const std::string& identity() const override { return identity_; }
  Result<std::vector<Embedding>> embed(std::span<const std::string> texts,
                                       std::stop_token) const override {
    std::vector<Embedding> points;
    for (const std::string& text : texts) {
      const bool is_money =
          text.find("invoice") != std::string::npos || text.find("cash") != std::string::npos;
      points.push_back(is_money ? Embedding{0.8F, 0.6F} : Embedding{0.6F, -0.8F});
    }
    return points;
  }

 private:
  std::string identity_;
};

Result<std::string> prompt_with(const Program& program, const std::string& ticket,
                                const Embedder* embedder) {
  Script script;
  script.score = [](const LmRequest&, const LabelSlot&) { return std::vector<double>{-1, -2}; };
  const ScriptedLm lm(std::move(script));
  CallOptions options;
  options.embedder = embedder;
  Call call(lm, options);
  const Result<Value> reply = program.run(call, Value::object({{"ticket", ticket}}));
  if (!reply) return reply.error();
  return lm.requests().front().prompt.dump();
}

std::string prompt_for(const Program& program, const std::string& ticket) {
  Script script;
  script.score = [](const LmRequest&, const LabelSlot&) { return std::vector<double>{-1, -2}; };
  const ScriptedLm lm(std::move(script));
  Call call(lm);
  program.run(call, Value::object({{"ticket", ticket}})).value();
  return lm.requests().front().prompt.dump();
}

TEST(NeighbourDemos, ShowsTheNearestExamplesNearestLast) {
  const Program program = with_neighbour_demos(ticket_program(), pool(), 2).value();
  const std::string prompt = prompt_for(program, "my invoice is wrong, charged again");
  EXPECT_THAT(prompt, Not(HasSubstr("printer")));
  const std::size_t first = prompt.find("charged twice on my invoice");
  const std::size_t second = prompt.find("the invoice is wrong");
  ASSERT_NE(first, std::string::npos);
  ASSERT_NE(second, std::string::npos);
  EXPECT_THAT(prompt_for(program, "dark screen"), HasSubstr("the screen stays dark"));
}

TEST(NeighbourDemos, NeverShowsTheInputItself) {
  const Program program = with_neighbour_demos(ticket_program(), pool(), 4).value();
  const std::string prompt = prompt_for(program, "the screen stays dark");
  EXPECT_EQ(prompt.find("the screen stays dark"), prompt.rfind("the screen stays dark"));
}

TEST(NeighbourDemos, TunesItsCountAndTheInnerProgramButNotItsDemos) {
  const Program program = with_neighbour_demos(ticket_program(), pool(), 1).value();
  for (const Param& param : program.params()) EXPECT_NE(param.path, "predict.demos");
  const Program none =
      program.with(Candidate().with("neighbours.k", 0).with("predict.instructions", "Sort it."))
          .value();
  const std::string prompt = prompt_for(none, "dark screen");
  EXPECT_THAT(prompt, HasSubstr("Sort it."));
  EXPECT_THAT(prompt, Not(HasSubstr("stays dark")));
  EXPECT_FALSE(program.with(Candidate().with("neighbours.k", 5)));
}

TEST(NeighbourDemos, LeavesStepsAloneThatThePoolHasNoDemosFor) {
  PredictorOptions options;
  options.format = Format::completion;
  const Signature look = Signature::parse("ticket -> topic: enum(money, thing)").value();
  const Signature route =
      Signature::parse("ticket, topic: enum(money, thing) -> queue: enum(billing, technical)")
          .value();
  const Value lost = Value::object({{"ticket", "a lost parcel"}, {"topic", "thing"}});
  const Program plain =
      Program::pipeline({{"look", Predictor(look, options)}, {"route", Predictor(route, options)}})
          .value();
  const Program inner =
      plain.with(Candidate().with("look.demos", Value(Value::List{lost}))).value();
  KnownExample invoice;
  invoice.inputs = Value::object({{"ticket", "the invoice is wrong"}});
  invoice.demos.emplace("route", invoice.inputs.with("queue", "billing"));
  const Program program = with_neighbour_demos(inner, {invoice}, 1).value();
  EXPECT_THAT(prompt_for(program, "my invoice"), HasSubstr("a lost parcel"));
  EXPECT_NE(program.candidate().find("look.demos"), nullptr);
  EXPECT_EQ(program.candidate().find("route.demos"), nullptr);
}

TEST(NeighbourDemos, SavedAndLoadedItIsTheSame) {
  const Program program = with_neighbour_demos(ticket_program(), pool(), 2).value();
  const Program loaded = Program::from_json(program.to_json(), "file").value();
  EXPECT_EQ(saved_program_text({loaded, {}, {}}), saved_program_text({program, {}, {}}));
  EXPECT_EQ(prompt_for(loaded, "wrong invoice"), prompt_for(program, "wrong invoice"));
}

TEST(NeighbourDemos, LooksNeighboursUpByEmbedding) {
  const TopicEmbedder embedder;
  const Program program = with_neighbour_demos(ticket_program(), pool(), 2, &embedder).value();
  EXPECT_EQ(program.embedder(), "topics");
  // Shares "the", "not" and "start" with the wrong ones only.
  const std::string prompt = prompt_with(program, "does the cash not start", &embedder).value();
  EXPECT_THAT(prompt, HasSubstr("the invoice is wrong"));
  EXPECT_THAT(prompt, HasSubstr("charged twice"));
  EXPECT_THAT(prompt, Not(HasSubstr("printer")));
}

TEST(NeighbourDemos, SavedWithItsPointsItNeedsTheSameEmbedder) {
  const TopicEmbedder embedder;
  const Program program = with_neighbour_demos(ticket_program(), pool(), 2, &embedder).value();
  const Program loaded = Program::from_json(program.to_json(), "file").value();
  EXPECT_EQ(saved_program_text({loaded, {}, {}}), saved_program_text({program, {}, {}}));
  EXPECT_EQ(loaded.embedder(), "topics");
  EXPECT_EQ(prompt_with(loaded, "cash", &embedder).value(),
            prompt_with(program, "cash", &embedder).value());
  const auto without = prompt_with(loaded, "cash", nullptr);
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().text(), HasSubstr("'topics'"));
  const TopicEmbedder other("others");
  const auto wrong = prompt_with(loaded, "cash", &other);
  ASSERT_FALSE(wrong);
  EXPECT_THAT(wrong.error().text(), HasSubstr("'others'"));
}

TEST(NeighbourDemos, SaysWhatIsWrongWithSavedPoints) {
  const TopicEmbedder embedder;
  const Value json = with_neighbour_demos(ticket_program(), pool(), 2, &embedder).value().to_json();
  const Value body = json.get("neighbours");
  const Value index = body.get("index");
  Value::List fewer = index.get("points").as_list();
  fewer.pop_back();
  const std::vector<Value> damaged = {index.with("points", Value(fewer)), index.with("mean", "?"),
                                      index.with("points", Value(Value::List{"AAAA"})), Value(3)};
  for (const Value& wrong : damaged) {
    const auto read = Program::from_json(json.with("neighbours", body.with("index", wrong)), "f");
    ASSERT_FALSE(read) << wrong.to_json();
    EXPECT_THAT(read.error().text(), HasSubstr("f, neighbours"));
  }
}

TEST(NeighbourDemos, SaysWhatIsWrongWithAPool) {
  EXPECT_FALSE(with_neighbour_demos(ticket_program(), {}, 0));
  EXPECT_FALSE(with_neighbour_demos(ticket_program(), pool(), 5));
  std::vector<KnownExample> odd = pool();
  odd[1].demos = {{"predikt", Value::object({{"ticket", "x"}})}};
  const auto unknown = with_neighbour_demos(ticket_program(), odd, 1);
  ASSERT_FALSE(unknown);
  EXPECT_THAT(unknown.error().text(), HasSubstr("example 2"));
  const auto file = Program::from_json(
      Value::parse_json(R"({"neighbours": {"k": 1, "pool": [{"inputs": 3}]}})").value(), "f.json");
  ASSERT_FALSE(file);
  EXPECT_THAT(file.error().text(), HasSubstr("f.json"));
}

}  // namespace
}  // namespace hone
