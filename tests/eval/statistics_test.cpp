#include "eval/statistics.hpp"

#include <gtest/gtest.h>

#include <vector>

#include "hone/base/rng.hpp"

namespace hone {
namespace {

TEST(Moments, MeanAndSampleVariance) {
  const std::vector<double> values = {1e9 + 1, 1e9 + 2, 1e9 + 3, 1e9 + 4};
  EXPECT_DOUBLE_EQ(moments_of(values).mean, 1e9 + 2.5);
  EXPECT_NEAR(moments_of(values).variance, 5.0 / 3, 1e-9);
  EXPECT_EQ(moments_of({}).count, 0U);
  EXPECT_EQ(moments_of(std::vector<double>{7}).variance, 0);
}

// Reference values of the next two come from R: prop.test(correct = FALSE), t.test, pt, binom.test.
TEST(WilsonInterval, AgreesWithTheTables) {
  const auto [low, high] = wilson_interval(45, 50);
  EXPECT_NEAR(low, 0.7864, 5e-4);
  EXPECT_NEAR(high, 0.9565, 5e-4);
  EXPECT_EQ(wilson_interval(0, 10).first, 0);
  EXPECT_NEAR(wilson_interval(0, 10).second, 0.2775, 5e-4);
  EXPECT_EQ(wilson_interval(10, 10).second, 1);
  EXPECT_EQ(wilson_interval(0, 0), (std::pair<double, double>(0, 1)));
}

TEST(MeanInterval, ChoosesByTheScores) {
  EXPECT_EQ(mean_interval(std::vector<double>{1, 0, 1, 1}), wilson_interval(3, 4));
  const auto [low, high] = mean_interval(std::vector<double>{0.5, 1.5, 2.5, 3.5});
  EXPECT_NEAR(low, 2 - 3.182446 * 0.6454972, 1e-5);
  EXPECT_NEAR(high, 2 + 3.182446 * 0.6454972, 1e-5);
  EXPECT_EQ(mean_interval(std::vector<double>{0.5}), (std::pair<double, double>(0.5, 0.5)));
}

TEST(WilsonInterval, CoversTheTruthInMostSamples) {
  Rng rng(7);
  int covered = 0;
  for (int run = 0; run < 2000; ++run) {
    const double truth = rng.uniform();
    std::size_t hits = 0;
    for (int i = 0; i < 40; ++i) hits += rng.uniform() < truth ? 1 : 0;
    const auto [low, high] = wilson_interval(hits, 40);
    covered += low <= truth && truth <= high ? 1 : 0;
  }
  EXPECT_GT(covered, 1860);
  EXPECT_LT(covered, 1960);
}

TEST(StudentCdf, AgreesWithTheTables) {
  EXPECT_NEAR(student_cdf(0, 5), 0.5, 1e-12);
  EXPECT_NEAR(student_cdf(1, 1), 0.75, 1e-12);
  EXPECT_NEAR(student_cdf(-2.570582, 5), 0.025, 1e-7);
  EXPECT_NEAR(student_cdf(2.042272, 30), 0.975, 1e-7);
  EXPECT_NEAR(student_cdf(1.959964, 1e7), 0.975, 1e-6);
  EXPECT_NEAR(student_quantile_95(5), 2.570582, 1e-6);
  EXPECT_NEAR(normal_cdf(1.644854), 0.95, 1e-6);
}

TEST(PairedTTest, AgreesWithTheTables) {
  // Student's sleep data (1908).
  const std::vector<double> sleep = {-1.2, -2.4, -1.3, -1.3, 0, -1.0, -1.8, -0.8, -4.6, -1.4};
  EXPECT_NEAR(paired_t_test(sleep), 0.002833, 1e-6);
  EXPECT_NEAR(paired_t_test_less(sleep), 0.0014165, 1e-6);
}

TEST(PairedTTest, WithoutSpreadOrData) {
  EXPECT_EQ(paired_t_test_less(std::vector<double>{-1, -1, -1}), 0);
  EXPECT_EQ(paired_t_test_less(std::vector<double>{1, 1}), 1);
  EXPECT_EQ(paired_t_test_less(std::vector<double>{0, 0, 0}), 0.5);
  EXPECT_EQ(paired_t_test_less(std::vector<double>{-1}), 1);
  EXPECT_EQ(paired_t_test({}), 1);
}

TEST(SignTest, IsTheExactBinomial) {
  const std::vector<double> lost = {-1, -1, -1, -1, -1, 0, 0, 1};
  EXPECT_NEAR(sign_test_less(lost), 7.0 / 64, 1e-12);
  EXPECT_NEAR(sign_test(lost), 14.0 / 64, 1e-12);
  EXPECT_EQ(sign_test(std::vector<double>{0, 0}), 1);
  EXPECT_EQ(sign_test(std::vector<double>{1, -1}), 1);
  EXPECT_NEAR(sign_test_less(std::vector<double>(10, -0.1)), 1.0 / 1024, 1e-12);
}

TEST(Tests, KeepTheirLevelWhenThereIsNoDifference) {
  Rng rng(11);
  int t_rejections = 0;
  int sign_rejections = 0;
  constexpr int kRuns = 4000;
  for (int run = 0; run < kRuns; ++run) {
    std::vector<double> differences(30);
    for (double& d : differences) d = rng.normal();
    t_rejections += paired_t_test_less(differences) < 0.05 ? 1 : 0;
    sign_rejections += sign_test_less(differences) < 0.05 ? 1 : 0;
  }
  EXPECT_NEAR(t_rejections, kRuns * 0.05, 45);
  EXPECT_LE(sign_rejections, kRuns * 0.05 + 45);
}

}  // namespace
}  // namespace hone
