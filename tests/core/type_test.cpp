#include "hone/core/type.hpp"

#include <gtest/gtest.h>

#include <limits>

#include "hone/core/signature.hpp"

namespace hone {
namespace {

std::string fault_of(const char* type, const Value& value) {
  const Result<void> fits = parse_type(type).value().check(value, "x");
  return fits ? std::string() : fits.error().message;
}

TEST(TypeCheck, TakesWhatFits) {
  EXPECT_EQ(fault_of("int", 3), "");
  EXPECT_EQ(fault_of("float", 3), "");
  EXPECT_EQ(fault_of("float(0..1)", 0.5), "");
  EXPECT_EQ(fault_of("bool", true), "");
  EXPECT_EQ(fault_of("enum(a, b)", "b"), "");
  EXPECT_EQ(fault_of("optional[int]", Value()), "");
  EXPECT_EQ(fault_of("list[str](1..2)", Value::list({"a", "b"})), "");
  EXPECT_EQ(fault_of("{a: int, b: str?}", Value::object({{"a", 1}})), "");
}

TEST(TypeChoices, AreInTheOrderOfLabelScores) {
  const auto choices = [](const char* type) {
    std::string texts;
    for (const Value& value : parse_type(type).value().choices()) texts += value.to_json() + " ";
    return texts;
  };
  EXPECT_EQ(choices("enum(b, a)"), "\"b\" \"a\" ");
  EXPECT_EQ(choices("bool"), "true false ");
  EXPECT_EQ(choices("optional[enum(b, null)]"), "\"b\" \"null\" null ");
  EXPECT_EQ(choices("optional[optional[bool]]"), "true false null ");
  EXPECT_EQ(choices("int(0..1)"), "");
  EXPECT_EQ(choices("optional[str]"), "");
  EXPECT_EQ(choices("list[bool]"), "");
}

TEST(TypeCheck, SaysWhatIsWrongAndWhere) {
  EXPECT_EQ(fault_of("int", 3.5), "x: expected int, got float 3.5");
  EXPECT_EQ(fault_of("int(0..10)", 11), "x: 11 is above the most allowed, 10");
  EXPECT_EQ(fault_of("str(..2)", "abc"), "x: may have at most 2 characters, has 3");
  EXPECT_EQ(fault_of("list[int](1..)", Value::list({})), "x: needs at least 1 items, has 0");
  EXPECT_EQ(fault_of("enum(low, high)", "hihg"),
            "x: 'hihg' is not one of low, high; did you mean high?");
  EXPECT_EQ(fault_of("{a: {b: int}}", Value::object({{"a", Value::object({})}})), "x.a.b: missing");
  EXPECT_EQ(fault_of("list[{a: int}]", Value::list({Value::object({{"a", "1"}})})),
            "x[0].a: expected int, got str \"1\"");
}

TEST(TypeCheck, RefusesNumbersThatAreNotFinite) {
  EXPECT_EQ(fault_of("float(0..1)", std::numeric_limits<double>::quiet_NaN()),
            "x: nan is not a finite number");
  EXPECT_EQ(fault_of("float", std::numeric_limits<double>::infinity()),
            "x: inf is not a finite number");
}

TEST(TypeCheck, ReportsEveryFault) {
  EXPECT_EQ(fault_of("{a: int, b: bool}", Value::object({{"a", "x"}})),
            "x.a: expected int, got str \"x\"; x.b: missing");
}

TEST(TypeCheck, LongLabelListsAreShortened) {
  const std::string fault = fault_of("enum(a, b, c, d, e, f, g, h, i, j)", "zzzzzzzz");
  EXPECT_NE(fault.find("a, b, c, d, e, f, g, h, … (10 labels)"), std::string::npos) << fault;
}

TEST(TypeJson, KeepsDescriptionsAndLimits) {
  const Type type = Type::structure(
      {{"n", Type::integer().with_limits({0, 5, {}, {}}).with_description("how many")},
       {"l", Type::list(Type::enumeration({"a", "b"}))}});
  EXPECT_EQ(Type::from_json(type.to_json(), "t").value(), type);
}

TEST(TypeJson, RefusesWhatIsNoType) {
  for (const char* json :
       {R"({})", R"({"kind": "text"})", R"({"kind": "enum"})", R"({"kind": "list"})",
        R"({"kind": "enum", "labels": ["a", "a"]})", R"({"kind": "struct", "fields": [1]})"}) {
    const Result<Type> type = Type::from_json(Value::parse_json(json).value(), "answer");
    ASSERT_FALSE(type) << json;
    EXPECT_EQ(type.error().where.substr(0, 6), "answer") << json;
  }
}

TEST(Type, EnumerationRefusesBadLabels) {
  EXPECT_THROW(Type::enumeration({}), Exception);
  EXPECT_THROW(Type::enumeration({"a", "a"}), Exception);
  EXPECT_THROW(Type::enumeration({""}), Exception);
}

TEST(Type, LabelsOfAnyTextSurviveTheTextForm) {
  const Type type = Type::enumeration(
      {"plain", "two words", "a, b", "(x)", "it's", "50%", "\"q\"", " edge ", "a\nb"});
  const Result<Type> read = parse_type(type.to_string());
  ASSERT_TRUE(read) << type.to_string() << "\n" << read.error().text();
  EXPECT_EQ(*read, type);
}

}  // namespace
}  // namespace hone
