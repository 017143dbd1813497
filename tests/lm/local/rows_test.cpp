#include "lm/local/kernels/rows.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "hone/base/rng.hpp"

namespace hone::local {
namespace {

std::vector<float> random_row(std::size_t size, std::uint64_t seed) {
  Rng rng(seed);
  std::vector<float> row(size);
  for (float& x : row) x = static_cast<float>(rng.normal() * 6);
  return row;
}

TEST(Rows, LogSumExpEqualsTheDefinition) {
  for (const std::size_t size : {1U, 31U, 32U, 33U, 1024U, 49152U}) {
    const auto row = random_row(size, size);
    double sum = 0;
    for (const float x : row) sum += std::exp(static_cast<double>(x));
    EXPECT_NEAR(log_sum_exp(row), std::log(sum), 1e-5) << size;
  }
}

TEST(Rows, LogSumExpDoesNotOverflowOrVanish) {
  EXPECT_NEAR(log_sum_exp(std::vector<float>(100, 3000.0F)), 3000 + std::log(100.0), 1e-4);
  EXPECT_NEAR(log_sum_exp(std::vector<float>{0.0F, -std::numeric_limits<float>::infinity()}), 0.0,
              1e-6);
}

TEST(Rows, LogSumExpOfDamagedRowsIsNaN) {
  auto row = random_row(100, 1);
  row[77] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_TRUE(std::isnan(log_sum_exp(row)));
  EXPECT_TRUE(
      std::isnan(log_sum_exp(std::vector<float>(3, -std::numeric_limits<float>::infinity()))));
}

TEST(Rows, ArgmaxIsTheFirstOfEquals) {
  auto row = random_row(5000, 2);
  row[123] = row[124] = row[4999] = 1e6F;
  EXPECT_EQ(argmax(row), 123U);
}

TEST(Rows, ArgmaxReportsNaNWhereverItIs) {
  for (const std::size_t place : {0U, 31U, 64U, 99U}) {
    auto row = random_row(100, 3);
    row[place] = std::numeric_limits<float>::quiet_NaN();
    EXPECT_EQ(argmax(row), row.size()) << place;
  }
}

TEST(Rows, LargestComeInOrder) {
  auto row = random_row(3000, 4);
  row[7] = row[2000] = row[9] = 50;  // equals
  std::vector<std::size_t> sorted(row.size());
  std::iota(sorted.begin(), sorted.end(), std::size_t{0});
  std::stable_sort(sorted.begin(), sorted.end(),
                   [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
  for (const std::size_t count : {0U, 1U, 2U, 128U, 3000U, 5000U}) {
    const std::vector<std::size_t> expected(
        sorted.begin(), sorted.begin() + static_cast<std::ptrdiff_t>(std::min(count, row.size())));
    EXPECT_EQ(largest(row, count), expected) << count;
  }
}

TEST(Rows, DrawsFollowTheSoftmax) {
  const auto row = random_row(1500, 5);
  const float top = row[argmax(row)];
  for (const double temperature : {0.5, 1.0, 4.0}) {
    double total = 0;
    for (const float x : row)
      total += std::exp((static_cast<double>(x) - static_cast<double>(top)) / temperature);
    // The draw is the inverse of the cumulative weights.
    Rng rng(6);
    for (int i = 0; i < 200; ++i) {
      const double share = rng.uniform();
      const std::size_t drawn = draw_softmax(row, top, temperature, share);
      double below = 0;
      for (std::size_t k = 0; k < drawn; ++k) {
        below += std::exp((static_cast<double>(row[k]) - static_cast<double>(top)) / temperature);
      }
      const double own =
          std::exp((static_cast<double>(row[drawn]) - static_cast<double>(top)) / temperature);
      EXPECT_LE(below / total, share + 1e-5);
      EXPECT_GE((below + own) / total, share - 1e-5);
    }
  }
  EXPECT_EQ(draw_softmax(std::vector<float>{1.0F}, 1.0F, 1, 0.999), 0U);
}

TEST(Rows, WhatIsImpossibleIsNeverDrawn) {
  constexpr float kNever = -std::numeric_limits<float>::infinity();
  std::vector<float> row(50, kNever);
  row[7] = row[29] = row[41] = 2.0F;
  for (const double temperature : {1e-300, 1.0, 1e46}) {
    EXPECT_EQ(draw_softmax(row, 2.0F, temperature, 0.1), 7U) << temperature;
    EXPECT_EQ(draw_softmax(row, 2.0F, temperature, 0.5), 29U) << temperature;
    EXPECT_EQ(draw_softmax(row, 2.0F, temperature, 0.9), 41U) << temperature;
  }
}

TEST(Rows, ArgmaxOfNothingPossibleIsTheFirst) {
  EXPECT_EQ(argmax(std::vector<float>(50, -std::numeric_limits<float>::infinity())), 0U);
}

}  // namespace
}  // namespace hone::local
