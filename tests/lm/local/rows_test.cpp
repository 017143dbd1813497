#include "lm/local/rows.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
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

}  // namespace
}  // namespace hone::local
