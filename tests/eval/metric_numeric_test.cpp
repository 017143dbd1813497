#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "eval/metrics/numeric.hpp"
#include "eval/outcome_fixture.hpp"

namespace hone {
namespace {

using testing_eval::ask;
using testing_eval::score_of;

TEST(LastNumber, ReadsNumbersAsPeopleWriteThem) {
  const std::pair<const char*, double> cases[] = {
      {"42", 42},
      {"about 42.", 42},
      {"$1,234.50", 1234.5},
      {"1,234,567 people", 1234567},
      {"-7", -7},
      {"it is -7.25 degrees", -7.25},
      {"-$5", -5},
      {"$-5", -5},
      {"\xE2\x88\x92"
       "3",
       -3},  // the minus sign of typesetters
      {"5-10", 10},
      {"covid-19", 19},
      {"(3)-4", 4},
      {"1, 2, 3", 3},
      {"1,2,3", 3},
      {"10,20", 20},
      {"0,500", 500},
      {"12,3456", 3456},
      {".5", 0.5},
      {"3.14.", 3.14},
      {"1.5e3", 1500},
      {"2E-2", 0.02},
      {"3e", 3},
      {"3e5m", 5},
      {"50% of 80 is 40%", 40},
      {"#### 18", 18},
      {"€1,000", 1000},
      {"-€1,000", -1000},
      {"007", 7},
      {"x=-2", -2},
      {"x ≈-5", -5},
      {"“-5”", -5},
      {"it is\u00a0-5", -5},
      {"größe-5", 5},
      {"модель-5", 5},
      {"12€-15€", 15},
      {"20°-30°", 30},
      {"“covid”-19", 19},
      {"→-3", -3},
  };
  for (const auto& [text, number] : cases) {
    ASSERT_TRUE(last_number(text).has_value()) << text;
    EXPECT_DOUBLE_EQ(*last_number(text), number) << text;
  }
}

TEST(LastNumber, IsNoneWithoutDigitsOrTooLarge) {
  for (const char* text : {"", "none", ".", "-", "$", "..", "1e999"}) {
    EXPECT_FALSE(last_number(text).has_value()) << text;
  }
}

TEST(NumericMatch, ComparesNumbersAndTexts) {
  const Metric metric = numeric_match("x");
  EXPECT_EQ(score_of(metric, 42, "The answer is 42."), 1);
  EXPECT_EQ(score_of(metric, "$1,234.50", 1234.5), 1);
  EXPECT_EQ(score_of(metric, "#### 18", "6 + 12 = 18"), 1);
  EXPECT_EQ(score_of(metric, 3, 3.0), 1);
  EXPECT_EQ(score_of(metric, 3, -3), 0);
  EXPECT_EQ(score_of(metric, Value::numbers({1, 2}), "2"), 1);
  EXPECT_EQ(score_of(metric, 42, "forty-two"), 0);
  EXPECT_EQ(score_of(metric, 42, Value()), 0);
}

TEST(NumericMatch, ToleranceIsRelativeAboveOneAndAbsoluteBelow) {
  const Metric metric = numeric_match("x", 0.01);
  EXPECT_EQ(score_of(metric, 1000, 1009), 1);
  EXPECT_EQ(score_of(metric, 1000, 1011), 0);
  EXPECT_EQ(score_of(metric, 0.001, 0.009), 1);
  EXPECT_EQ(score_of(metric, 0, 0.02), 0);
}

TEST(NumericMatch, FeedbackNamesTheNumber) {
  EXPECT_EQ(ask(numeric_match("x"), R"({"x": 4})", R"({"x": "it is 5"})").value().feedback,
            "expected the number 4, got 5");
  EXPECT_THAT(ask(numeric_match("x"), R"({"x": 4})", R"({"x": "many"})").value().feedback,
              ::testing::HasSubstr("no number in 'many'"));
}

TEST(NumericMatch, AnExampleWithoutNumberIsAnError) {
  const Result<Score> result = ask(numeric_match("x"), R"({"x": "none"})", R"({"x": 1})");
  ASSERT_FALSE(result);
  EXPECT_EQ(result.error().text(), "numeric:x: the example's field 'x' holds no number: 'none'");
}

}  // namespace
}  // namespace hone
