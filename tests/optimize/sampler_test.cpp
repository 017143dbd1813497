#include "hone/optimize/samplers/sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "hone/optimize/samplers/tpe.hpp"
#include "hone/testing/sampler_conformance.hpp"

namespace hone {
namespace {

using ::testing::IsEmpty;

TEST(Sampler, RandomKeepsTheRules) {
  EXPECT_THAT(testing::check_sampler(make_random_sampler), IsEmpty());
}

TEST(Sampler, GridKeepsTheRules) {
  const auto make = [](const Space& space, std::uint64_t seed) {
    return make_grid_sampler(space, seed);
  };
  EXPECT_THAT(testing::check_sampler(make, {.is_random = true, .learns = false, .ends = true}),
              IsEmpty());
}

TEST(Sampler, TpeKeepsTheRules) {
  const auto make = [](const Space& space, std::uint64_t seed) {
    return make_tpe_sampler(space, seed);
  };
  EXPECT_THAT(testing::check_sampler(make, {.is_random = true, .learns = true, .ends = true}),
              IsEmpty());
}

TEST(Sampler, TheKitFindsASamplerThatBreaksTheRules) {
  class Stubborn final : public Sampler {
   public:
    std::string_view name() const override { return "stubborn"; }
    std::optional<Candidate> ask() override { return Candidate().with("kind", "none"); }
    void tell(const Candidate&, std::optional<double>) override {}
  };
  const auto make = [](const Space&, std::uint64_t) -> Result<std::unique_ptr<Sampler>> {
    return std::make_unique<Stubborn>();
  };
  EXPECT_GE(testing::check_sampler(make).size(), 3U);
}

TEST(Sampler, AGridHoldsTheEndsOfARangeAndItsSteps) {
  const Space space({{"rate", RealDomain{0.01, 1, true}, 0.1, {}}});
  const auto grid = make_grid_sampler(space, 1, {.steps = 3, .shuffle = false}).value();
  std::vector<double> values;
  while (const auto candidate = grid->ask()) values.push_back(candidate->find("rate")->as_double());
  ASSERT_EQ(values.size(), 3U);
  EXPECT_DOUBLE_EQ(values[0], 0.01);
  EXPECT_NEAR(values[1], 0.1, 1e-12);
  EXPECT_DOUBLE_EQ(values[2], 1.0);
}

TEST(Sampler, AGridTooLargeIsRefused) {
  std::vector<Param> params;
  for (int i = 0; i < 10; ++i)
    params.push_back({"x" + std::to_string(i), RealDomain{0, 1, false}, 0, {}});
  const auto grid = make_grid_sampler(Space(params), 1);
  ASSERT_FALSE(grid);
  EXPECT_NE(grid.error().message.find("100000"), std::string::npos);
}

TEST(Sampler, TpeGoesWhereScoresAreHigh) {
  const Space space({{"x", RealDomain{0, 1, false}, 0, {}},
                     {"kind", ChoiceDomain{{"a", "b", "c", "d"}}, "a", {}}});
  const auto sampler = make_tpe_sampler(space, 4).value();
  int near = 0;
  for (int i = 0; i < 60; ++i) {
    const Candidate candidate = *sampler->ask();
    const double x = candidate.find("x")->as_double();
    const bool is_c = candidate.find("kind")->as_string() == "c";
    if (i >= 30) near += is_c && std::abs(x - 0.8) < 0.2 ? 1 : 0;
    sampler->tell(candidate, (is_c ? 1.0 : 0.0) - std::abs(x - 0.8));
  }
  EXPECT_GE(near, 15) << "3 of 30 by chance";
}

TEST(Sampler, TpeLearnsInsideAnAlternativeFromTheTrialsThatHadIt) {
  // Two branches; "deep" is the better one, and only near its own optimum.
  const Space space({{"kind", ChoiceDomain{{"deep", "wide"}}, "wide", {}},
                     {"deep.x", RealDomain{0, 1, false}, 0, Condition{"kind", "deep"}},
                     {"deep.style", ChoiceDomain{{"a", "b", "c"}}, "a", Condition{"kind", "deep"}},
                     {"wide.y", RealDomain{0, 1, false}, 0, Condition{"kind", "wide"}}});
  const auto sampler = make_tpe_sampler(space, 4).value();
  int near = 0;
  for (int i = 0; i < 80; ++i) {
    const Candidate candidate = *sampler->ask();
    double score = 0.3;
    if (candidate.find("kind")->as_string() == "deep") {
      const double x = candidate.find("deep.x")->as_double();
      const bool is_b = candidate.find("deep.style")->as_string() == "b";
      EXPECT_FALSE(candidate.find("wide.y"));
      score = (is_b ? 1.0 : 0.0) - std::abs(x - 0.7);
      if (i >= 40) near += is_b && std::abs(x - 0.7) < 0.2 ? 1 : 0;
    } else {
      EXPECT_FALSE(candidate.find("deep.x"));
    }
    sampler->tell(candidate, score);
  }
  EXPECT_GE(near, 20) << "3 of 40 by chance";
}

TEST(Sampler, TpeAsksABatchOfDifferentPoints) {
  const Space space({{"x", RealDomain{0, 1, false}, 0, {}}});
  const auto sampler = make_tpe_sampler(space, 4).value();
  for (int i = 0; i < 20; ++i) {
    const Candidate candidate = *sampler->ask();
    sampler->tell(candidate, -candidate.find("x")->as_double());
  }
  std::set<double> seen;
  for (int i = 0; i < 8; ++i) seen.insert(sampler->ask()->find("x")->as_double());
  EXPECT_EQ(seen.size(), 8U);
}

TEST(Sampler, TpeDoesNotRepeatItselfWhereThereIsTooMuchToCount) {
  // 27,000 points, and all but a few of what was told is near one of them.
  const Space space({{"a", IntDomain{0, 29}, 0, {}},
                     {"b", IntDomain{0, 29}, 0, {}},
                     {"c", IntDomain{0, 29}, 0, {}}});
  const auto sampler = make_tpe_sampler(space, 3).value();
  std::set<std::string> asked;
  for (int i = 0; i < 150; ++i) {
    const Candidate candidate = *sampler->ask();
    EXPECT_TRUE(asked.insert(candidate.to_json().to_json()).second) << i;
    double distance = 0;
    for (const char* name : {"a", "b", "c"})
      distance += std::abs(static_cast<double>(candidate.find(name)->as_int()) - 5);
    sampler->tell(candidate, -distance);
  }
}

TEST(Sampler, EveryTpeOptionChangesWhatIsAsked) {
  const Space space({{"x", RealDomain{0, 1, false}, 0, {}}, {"n", IntDomain{0, 9}, 0, {}}});
  const auto sequence = [&](const TpeOptions& options) {
    const auto sampler = make_tpe_sampler(space, 4, options).value();
    std::string out;
    for (int i = 0; i < 60; ++i) {
      const Candidate candidate = *sampler->ask();
      out += candidate.to_json().to_json();
      sampler->tell(candidate, -std::abs(candidate.find("x")->as_double() - 0.4));
    }
    return out;
  };
  const std::string usual = sequence({});
  EXPECT_NE(sequence({.startup = 3}), usual);
  EXPECT_NE(sequence({.candidates = 3}), usual);
  EXPECT_NE(sequence({.good_share = 0.4}), usual);
  EXPECT_NE(sequence({.most_good = 2}), usual);
  const Space finite({{"n", IntDomain{0, 3}, 0, {}}});
  const auto repeats = make_tpe_sampler(finite, 1, {.skip_repeats = false}).value();
  for (int i = 0; i < 20; ++i) EXPECT_TRUE(repeats->ask());
}

}  // namespace
}  // namespace hone
