// Goals on the command line: the winner, the front, and what is refused.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "hone/core/value.hpp"

#include "apps/review_task.hpp"

namespace hone::tests {
namespace {

class GoalsCommandTest : public ReviewTask {
 protected:
  GoalsCommandTest() {
    // Long prompts cost more.
    answer_with([](const HttpRequest& request) {
      HttpResponse answer = review_answer(request);
      const std::string count = "\"prompt_tokens\":";
      const std::size_t at = answer.body.find(count) + count.size();
      answer.body.replace(at, 3, std::to_string(request.body.size() / 4));
      return answer;
    });
  }

  std::vector<std::string> with_goals(const std::vector<std::string>& more) const {
    std::vector<std::string> words = optimize_words();
    words.insert(words.end(), more.begin(), more.end());
    return words;
  }
  static Value front_of(const Finished& finished) {
    return Value::parse_json(finished.out).value().get("front");
  }
  static Value winner_of(const Finished& finished) {
    const Value front = front_of(finished);
    for (const Value& row : front.as_list()) {
      if (row.get("winner") == Value(true)) return row;
    }
    return {};
  }
};

TEST_F(GoalsCommandTest, TheFrontIsInTheReport) {
  const Finished plain = run_hone(with_goals({"--json", "--quiet"}));
  ASSERT_EQ(plain.code, 0) << plain.err;
  EXPECT_EQ(winner_of(plain).get("score"), Value(1.0)) << plain.out;

  // Demos double the score and cost more tokens than this goal has them worth.
  const Finished cheap =
      run_hone(with_goals({"--json", "--quiet", "--goal", "score - prompt_tokens/100"}));
  ASSERT_EQ(cheap.code, 0) << cheap.err;
  EXPECT_EQ(winner_of(cheap).get("origin"), Value("baseline")) << cheap.out;
  EXPECT_GE(front_of(cheap).size(), 2U);
  for (const char* name : {"latency_ms", "prompt_tokens", "generated_tokens", "money", "goal"})
    EXPECT_TRUE(winner_of(cheap).find(name)) << name;

  const Finished people = run_hone(with_goals({"--goal", "score - prompt_tokens/100"}));
  ASSERT_EQ(people.code, 0) << people.err;
  EXPECT_NE(people.out.find("Trade-offs"), std::string::npos) << people.out;
  EXPECT_NE(people.out.find("baseline  <- chosen"), std::string::npos) << people.out;
}

TEST_F(GoalsCommandTest, LimitsKeepOutWhatIsBeyondThem) {
  write_text(folder_ / "task.toml",
             "model = \"" + model() +
                 "\"\nmetric = \"exact_match:label\"\nout = \"o.hone.json\"\n"
                 "goals = [\"score\", \"minimize tokens\"]\nwithin = [\"lm_calls < 2\"]\n"
                 "[program]\nsignature = \"text -> label: enum(positive, negative)\"\n"
                 "[data]\ntrain = \"train.jsonl\"\nval = \"val.jsonl\"\ntest = \"test.jsonl\"\n"
                 "[optimizer]\nname = \"labeled_few_shot\"\n");
  const Finished done = run_hone({"optimize", path("task.toml"), "--json", "--quiet"});
  ASSERT_EQ(done.code, 0) << done.err;
  EXPECT_EQ(winner_of(done).get("score"), Value(1.0)) << done.out;
  const std::string saved = read_text(folder_ / "o.hone.json");
  EXPECT_NE(saved.find("minimize tokens; within lm_calls < 2"), std::string::npos) << saved;

  const Finished beyond =
      run_hone({"optimize", path("task.toml"), "--json", "--within", "generated_tokens < 0.5"});
  ASSERT_EQ(beyond.code, 0) << beyond.err;
  EXPECT_NE(beyond.err.find("no trial stayed within"), std::string::npos) << beyond.err;
}

TEST_F(GoalsCommandTest, TestExamplesCostWhatTheirStepsModelsCost) {
  answer_with(review_answer);  // a hundred prompt tokens a call
  const auto money_with = [&](const std::string& test) {
    write_text(folder_ / "task.toml",
               "model = \"" + model() +
                   "\"\nmetric = \"exact_match:label\"\nout = \"o.hone.json\"\n"
                   "race = false\nthreads = 1\n"
                   "[program]\nsignature = \"text -> label: enum(positive, negative)\"\n"
                   "model = \"big\"\n[models]\nbig = \"openai:" +
                   server_.url() +
                   "#big\"\n[prices]\nbig = {prompt = 10000, generated = 0}\n"
                   "[data]\ntrain = \"train.jsonl\"\nval = \"val.jsonl\"\n" +
                   test + "[optimizer]\nname = \"labeled_few_shot\"\n");
    const Finished done = run_hone({"optimize", path("task.toml"), "--json", "--quiet"});
    EXPECT_EQ(done.code, 0) << done.err;
    return Value::parse_json(done.out).value().get("money").as_double();
  };
  // Six of them before and six after.
  EXPECT_NEAR(money_with("test = \"test.jsonl\"\n") - money_with(""), 12, 1e-6);
}

TEST_F(GoalsCommandTest, AGoalThatNeverHasAValueIsTold) {
  const Finished finished =
      run_hone(with_goals({"--goal", "score / (lm_calls - 1)", "--json", "--quiet"}));
  ASSERT_EQ(finished.code, 0) << finished.err;
  EXPECT_NE(
      finished.err.find("\"score / (lm_calls - 1)\" has no value for the program that came in"),
      std::string::npos)
      << finished.err;
  EXPECT_NE(finished.err.find("has no value for the winner"), std::string::npos) << finished.err;
}

TEST_F(GoalsCommandTest, BadGoalsPointAtTheCharacter) {
  expect_refused(optimize_with("--goal", "score - 0.1*tokns"), {"column 13", "tokens", "^"});
  expect_refused(optimize_with("--within", "latency_ms 200"), {"column 12", "'<'"});
  expect_refused(optimize_with("--goal", "1/0"), {"column 3", "divides by 0"});
  expect_refused(optimize_with("--goal", "0.5"), {"column 1", "prompt_tokens"});
  expect_refused(optimize_with("--goal", "minimize money"), {"money", "no prices"});
  EXPECT_EQ(server_.request_count(), 0U);
}

}  // namespace
}  // namespace hone::tests
