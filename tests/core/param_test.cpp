#include "hone/core/param.hpp"

#include <gtest/gtest.h>

namespace hone {
namespace {

std::vector<Param> some_params() {
  return {
      {"answer.instructions", TextDomain{}, "Answer.", {}},
      {"answer.demos", DemoDomain{Signature::parse("q -> a: int").value()}, Value::list({}), {}},
      {"answer.format", ChoiceDomain{{"chat", "json"}}, "chat", {}},
      {"answer.lm.temperature", RealDomain{0, 1.5}, 0.0, {}},
      {"search.k", IntDomain{1, 9}, 3, {}}};
}

TEST(Candidate, IsAValueWithAContentHash) {
  const Candidate one = Candidate().with("b", 1).with("a", "x");
  const Candidate other = Candidate().with("a", "x").with("b", 1);
  EXPECT_EQ(one, other);
  EXPECT_EQ(one.hash(), other.hash());
  EXPECT_NE(one.hash(), one.with("b", 2).hash());
  EXPECT_NE(one.hash(), one.without("b").hash());
  EXPECT_EQ(one.with(Candidate().with("b", 5)).find("b")->as_int(), 5);
  EXPECT_EQ(one.find("c"), nullptr);
  EXPECT_EQ(Candidate::from_json(one.to_json(), "c").value(), one);
  EXPECT_FALSE(Candidate::from_json(1, "c"));
}

TEST(CheckCandidate, TakesValuesInsideTheirDomains) {
  const std::vector<Param> params = some_params();
  const Candidate good =
      Candidate()
          .with("answer.instructions", "x")
          .with("answer.demos", Value::list({Value::object({{"q", "1+1"}, {"a", 2}})}))
          .with("answer.format", "json")
          .with("answer.lm.temperature", 1)
          .with("search.k", 9);
  EXPECT_TRUE(check_candidate(good, params));
}

TEST(CheckCandidate, ReportsEveryFaultWithNearNames) {
  const std::vector<Param> params = some_params();
  const Result<void> fits =
      check_candidate(Candidate()
                          .with("answer.instruction", "x")
                          .with("answer.format", "yaml")
                          .with("answer.lm.temperature", 2.0)
                          .with("search.k", 2.5)
                          .with("answer.demos", Value::list({Value::object({{"a", "two"}})})),
                      params);
  ASSERT_FALSE(fits);
  const std::string& message = fits.error().message;
  for (const char* expected :
       {"no parameter 'answer.instruction'; did you mean answer.instructions",
        "\"yaml\" is not one of", "2.0 is not a number in 0..1.5", "2.5 is not an int in 1..9",
        "in a demo, a: expected int"}) {
    EXPECT_NE(message.find(expected), std::string::npos) << expected << "\n" << message;
  }
}

TEST(CheckDomain, DemosMayLackFieldsButNotHaveOthers) {
  const Domain demos = DemoDomain{Signature::parse("q -> a").value()};
  EXPECT_TRUE(check_domain(demos, Value::list({Value::object({{"q", "x"}})}), "d"));
  EXPECT_FALSE(check_domain(demos, Value::list({Value::object({{"z", "x"}})}), "d"));
  EXPECT_FALSE(check_domain(demos, Value::list({1}), "d"));
  EXPECT_FALSE(check_domain(demos, "x", "d"));
}

}  // namespace
}  // namespace hone
