#include "hone/base/text.hpp"

#include <gtest/gtest.h>

#include <array>
#include <charconv>
#include <cmath>

namespace hone {
namespace {

TEST(Text, TrimSplitJoin) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim("  "), "");
  EXPECT_EQ(split("a,,b", ','), (std::vector<std::string>{"a", "", "b"}));
  EXPECT_EQ(split("", ','), (std::vector<std::string>{""}));
  EXPECT_EQ(join(std::array<std::string, 2>{"a", "b"}, ", "), "a, b");
  EXPECT_EQ(to_lower("ÄBc"), "Äbc");
}

TEST(Utf8, TellsWellFormedBytes) {
  for (const char* good : {"", "plain", "ü", "€", "😀"}) EXPECT_TRUE(is_utf8(good)) << good;
  for (const char* bad :
       {"\x80", "\xC0\xAF", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE2\x82", "a\xFF"}) {
    EXPECT_FALSE(is_utf8(bad));
    EXPECT_TRUE(is_utf8(to_utf8(bad)));
  }
  EXPECT_EQ(to_utf8("a\xFFü"), "a\xEF\xBF\xBDü");
}

TEST(NumberText, ReadsBack) {
  EXPECT_EQ(number_text(0.1), "0.1");
  EXPECT_EQ(number_text(12), "12");
  EXPECT_EQ(number_text(1e30), "1e+30");
  for (const double number : {1.0 / 3, 5e-324, 1.7976931348623157e308, -0.30000000000000004,
                              1.2345678901234567e-6, -9999999999999998.0}) {
    const std::string text = number_text(number);
    double read = 0;
    std::from_chars(text.data(), text.data() + text.size(), read);
    EXPECT_EQ(read, number) << text;
  }
}

TEST(NumberText, HasNoExponentWherePeopleWriteNone) {
  EXPECT_EQ(number_text(300000), "300000");
  EXPECT_EQ(number_text(-1e15), "-1000000000000000");
  EXPECT_EQ(number_text(0.00001), "0.00001");
  EXPECT_EQ(number_text(0), "0");
}

TEST(Glob, StarsRunOverDots) {
  EXPECT_TRUE(glob_match("*.demos", "steps.answer.demos"));
  EXPECT_TRUE(glob_match("a*b*c", "aXXbYbYc"));
  EXPECT_TRUE(glob_match("?x", "ax"));
  EXPECT_TRUE(glob_match("*", ""));
  EXPECT_FALSE(glob_match("*.demos", "demos"));
  EXPECT_FALSE(glob_match("?", ""));
  EXPECT_FALSE(glob_match("a", "ab"));
}

TEST(NearestNames, NearestFirstAndNoneWhenFar) {
  const std::array<std::string, 3> known = {"bootstrap_few_shot", "labeled_few_shot", "random"};
  EXPECT_EQ(nearest_names("bootstrap_fewshot", known, 1),
            (std::vector<std::string>{"bootstrap_few_shot"}));
  EXPECT_EQ(nearest_names("RANDOM", known), (std::vector<std::string>{"random"}));
  EXPECT_TRUE(nearest_names("zzzz", known).empty());
  EXPECT_EQ(did_you_mean("randon", known), "; did you mean random?");
  EXPECT_EQ(did_you_mean("zzzz", known), "");
}

TEST(Shorten, CutsAtACharacter) {
  EXPECT_EQ(shorten("abc", 3), "abc");
  EXPECT_EQ(shorten("abcd", 3), "abc…");
  EXPECT_EQ(shorten("aüb", 2), "a…");
}

}  // namespace
}  // namespace hone
