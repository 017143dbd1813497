#include "hone/core/value.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace hone {
namespace {

TEST(ValueJson, ReadsBackWhatItWrote) {
  for (const char* text :
       {"null", "true", "-12", "9223372036854775807", "0.1", "1e+30", "\"a\\nb\\u0001\"", "[]",
        "{}", R"({"b": [1, 2.5, {"c": null}], "a": "ü"})"}) {
    const Value value = Value::parse_json(text).value();
    EXPECT_EQ(Value::parse_json(value.to_json()).value(), value) << text;
    EXPECT_EQ(Value::parse_json(value.to_json(2)).value(), value) << text;
    EXPECT_EQ(value.to_json(), text);
  }
}

TEST(ValueJson, KeepsTheOrderOfFields) {
  EXPECT_EQ(Value::parse_json(R"({"z": 1, "a": 2})").value().to_json(), R"({"z": 1, "a": 2})");
}

TEST(ValueJson, RealsStayReals) {
  EXPECT_EQ(Value(1.0).to_json(), "1.0");
  EXPECT_EQ(Value::parse_json("1.0").value().kind(), ValueKind::real);
  EXPECT_EQ(Value(std::numeric_limits<double>::quiet_NaN()).to_json(), "null");
}

TEST(ValueJson, RepairsIllFormedText) {
  EXPECT_EQ(Value("a\xFF").to_json(), "\"a\xEF\xBF\xBD\"");
}

TEST(ValueJson, FaultNamesFileLineAndColumn) {
  const Result<Value> value = Value::parse_json("{\n  \"a\": 1,\n  oops\n}", "settings.json");
  ASSERT_FALSE(value);
  EXPECT_EQ(value.error().kind, ErrorKind::bad_request);
  EXPECT_EQ(value.error().where, "settings.json");
  EXPECT_NE(value.error().message.find("line 3"), std::string::npos) << value.error().message;
}

TEST(ValueJson, RefusesTextThatIsNoJson) {
  for (const char* text : {"", "{", "[1,]", "nul", "1 2", "\"open", "{\"a\": NaN}"}) {
    EXPECT_FALSE(Value::parse_json(text)) << text;
  }
}

TEST(ValueJson, DeepNestingIsAnErrorAndNotACrash) {
  EXPECT_FALSE(Value::parse_json(std::string(100000, '[')));
  std::string text(150, '[');
  text += std::string(150, ']');
  EXPECT_TRUE(Value::parse_json(text));
}

TEST(Value, ObjectsAreEqualInAnyOrder) {
  EXPECT_EQ(Value::object({{"a", 1}, {"b", 2}}), Value::object({{"b", 2}, {"a", 1.0}}));
  EXPECT_FALSE(Value::object({{"a", 1}}) == Value::object({{"b", 1}}));
  EXPECT_FALSE(Value("1") == Value(1));
}

TEST(Value, EditsLeaveTheOriginalAlone) {
  const Value value = Value::object({{"a", 1}, {"b", 2}});
  EXPECT_EQ(value.with("a", 3).to_json(), R"({"a": 3, "b": 2})");
  EXPECT_EQ(value.without("a").to_json(), R"({"b": 2})");
  EXPECT_EQ(value.to_json(), R"({"a": 1, "b": 2})");
  EXPECT_EQ(Value().with("a", 1).to_json(), R"({"a": 1})");
  EXPECT_TRUE(value.get("c").is_null());
  EXPECT_EQ(value.find("c"), nullptr);
}

TEST(Value, LaterFieldsReplaceEarlierOnesInPlace) {
  EXPECT_EQ(Value::object({{"a", 1}, {"b", 2}, {"a", 3}}).to_json(), R"({"a": 3, "b": 2})");
}

TEST(Value, HashTellsValuesApart) {
  EXPECT_NE(Value("ab").hash(), Value::list({"a", "b"}).hash());
  EXPECT_NE(Value::list({"ab", "c"}).hash(), Value::list({"a", "bc"}).hash());
  EXPECT_EQ(Value::object({{"a", 1}}).hash(), Value::parse_json("{\"a\":1}").value().hash());
}

TEST(Value, EqualValuesHaveEqualHashes) {
  EXPECT_EQ(Value(1).hash(), Value(1.0).hash());
  EXPECT_EQ(Value::object({{"a", 1}, {"b", 2}}).hash(), Value::object({{"b", 2}, {"a", 1}}).hash());
}

TEST(Value, TextShowsStringsAsTheyAre) {
  EXPECT_EQ(Value("a b").text(), "a b");
  EXPECT_EQ(Value::list({1, "x"}).text(), R"([1, "x"])");
}

}  // namespace
}  // namespace hone
