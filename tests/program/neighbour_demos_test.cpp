#include "hone/program/neighbour_demos.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "hone/program/saved_program.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "program/bm25.hpp"

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

std::string prompt_for(const Program& program, const std::string& ticket) {
  Script script;
  script.score = [](const LmRequest&, const LabelSlot&) { return std::vector<double>{-1, -2}; };
  const ScriptedLm lm(std::move(script));
  Call call(lm);
  program.run(call, Value::object({{"ticket", ticket}})).value();
  return lm.requests().front().prompt.dump();
}

TEST(Bm25, RanksByRareSharedWords) {
  const Bm25 index({"the cat sat", "the dog barked", "the cat and the dog", "Fünf Äpfel"});
  EXPECT_EQ(index.rank("DOG").front(), 1U) << "the shorter text of two with the word";
  EXPECT_EQ(index.rank("the cat sat").front(), 0U);
  EXPECT_EQ(index.rank("Fünf").front(), 3U);
  EXPECT_EQ(index.rank("nothing shared"), (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_TRUE(Bm25({}).rank("a").empty());
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

TEST(NeighbourDemos, SavedAndLoadedItIsTheSame) {
  const Program program = with_neighbour_demos(ticket_program(), pool(), 2).value();
  const Program loaded = Program::from_json(program.to_json(), "file").value();
  EXPECT_EQ(saved_program_text({loaded, {}, {}}), saved_program_text({program, {}, {}}));
  EXPECT_EQ(prompt_for(loaded, "wrong invoice"), prompt_for(program, "wrong invoice"));
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
