#include "hone/adapter/schema.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

#include "hone/adapter/coerce.hpp"
#include "hone/base/rng.hpp"
#include "hone/base/text.hpp"
#include "hone/core/signature.hpp"

#include "adapter/gbnf.hpp"
#include "adapter/grammar.hpp"
#include "adapter/number_grammar.hpp"
#include "core/parsed.hpp"

namespace hone {
namespace {

TEST(JsonSchema, IsTheStrictSubset) {
  EXPECT_EQ(json_schema(parsed_type("str")).to_json(), R"({"type": "string"})");
  EXPECT_EQ(json_schema(parsed_type("int(0..10)").with_description("a mark")).to_json(),
            R"({"type": "integer", "minimum": 0, "maximum": 10, "description": "a mark"})");
  EXPECT_EQ(json_schema(parsed_type("float(..1.5)")).to_json(),
            R"({"type": "number", "maximum": 1.5})");
  EXPECT_EQ(json_schema(parsed_type("enum(a, b)")).to_json(),
            R"({"type": "string", "enum": ["a", "b"]})");
  EXPECT_EQ(json_schema(parsed_type("optional[bool]")).to_json(),
            R"({"anyOf": [{"type": "boolean"}, {"type": "null"}]})");
  EXPECT_EQ(json_schema(parsed_type("list[str](1..3)")).to_json(),
            R"({"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 3})");
  EXPECT_EQ(json_schema(parsed_type("{a: int, b: optional[str]}")).to_json(),
            R"({"type": "object", "properties": {"a": {"type": "integer"}, )"
            R"("b": {"anyOf": [{"type": "string"}, {"type": "null"}]}}, )"
            R"("required": ["a", "b"], "additionalProperties": false})");
  const Signature signature = Signature::parse("q -> label: enum(a, b), n: int").value();
  EXPECT_EQ(
      json_schema(signature.outputs()).to_json(),
      R"({"type": "object", "properties": {"label": {"type": "string", "enum": ["a", "b"]}, )"
      R"("n": {"type": "integer"}}, "required": ["label", "n"], "additionalProperties": false})");
}

const char* const kTypes[] = {"str",
                              "str(..12)",
                              "str(5..9)",
                              "str(3..)",
                              "str(0..0)",
                              "int",
                              "int(0..10)",
                              "int(-5..5)",
                              "int(17..4203)",
                              "int(..-3)",
                              "int(3..)",
                              "int(100..100)",
                              "float",
                              "float(0..1)",
                              "float(0.25..0.75)",
                              "float(-1.5..2.25)",
                              "float(..0)",
                              "float(10..99.5)",
                              "bool",
                              "enum(low, high)",
                              "enum(\"a\\nb\", \"it's \\\"x\\\"\", plain)",
                              "list[str]",
                              "list[int](2..3)",
                              "list[str](..0)",
                              "list[enum(a, b)](1..1)",
                              "list[list[bool]]",
                              "optional[int]",
                              "optional[str]",
                              "optional[enum(none, some)]",
                              "{name: str, age: int(0..150), tags: list[str]}",
                              "{inner: {x: float(0..1)}, maybe: optional[str(..20)]}"};

TEST(Grammars, MatchOnlyWhatCoercionReads) {
  Rng rng(3);
  for (const char* text : kTypes) {
    const Type of = parsed_type(text);
    const testing::Gbnf json(json_grammar(of));
    const testing::Gbnf plain(text_grammar(of));
    const std::size_t json_bytes = internal::json_slot_grammar(of, {}).max_bytes;
    const std::size_t plain_bytes = internal::text_slot_grammar(of, {}).max_bytes;
    for (int i = 0; i < 200; ++i) {
      const std::string drawn = json.draw(rng);
      EXPECT_LE(drawn.size(), json_bytes) << text;
      const Result<Value> parsed = Value::parse_json(drawn);
      ASSERT_TRUE(parsed) << text << ": " << drawn << ": " << parsed.error().text();
      const Result<Value> read = coerce(of, *parsed, "x");
      ASSERT_TRUE(read) << text << ": " << drawn << ": " << read.error().text();
      EXPECT_TRUE(of.check(*read, "x")) << text << ": " << drawn;
      EXPECT_EQ(*read, *parsed) << text;

      const std::string line = plain.draw(rng);
      EXPECT_LE(line.size(), plain_bytes) << text;
      EXPECT_EQ(line.find('\n'), std::string::npos) << text << ": " << line;
      const Result<Value> value = coerce(of, std::string_view(line), "x");
      ASSERT_TRUE(value) << text << ": " << line << ": " << value.error().text();
      EXPECT_TRUE(of.check(*value, "x")) << text << ": " << line;
    }
  }
}

// Counts the distinct numbers many draws give: the grammar of a small range must reach every one of
// them.
TEST(Grammars, IntegerRangesAreExact) {
  Rng rng(5);
  for (int round = 0; round < 60; ++round) {
    const auto low = static_cast<std::int64_t>(rng.below(2000)) - 1000;
    const auto high = low + static_cast<std::int64_t>(rng.below(round % 2 == 0 ? 12 : 1500));
    Limits limits;
    limits.min = static_cast<double>(low);
    limits.max = static_cast<double>(high);
    const testing::Gbnf grammar("root ::= " + internal::integer_pattern(limits).expression + "\n");
    std::set<std::int64_t> seen;
    for (int i = 0; i < 2000; ++i) {
      const std::string drawn = grammar.draw(rng);
      const std::int64_t number = std::stoll(drawn);
      ASSERT_EQ(std::to_string(number), drawn);
      ASSERT_GE(number, low);
      ASSERT_LE(number, high);
      seen.insert(number);
    }
    if (high - low < 12) {
      EXPECT_EQ(seen.size(), static_cast<std::size_t>(high - low + 1)) << low << ".." << high;
    }
  }
}

TEST(Grammars, RealRangesKeepBothBounds) {
  Rng rng(6);
  for (int round = 0; round < 100; ++round) {
    Limits limits;
    const double scale = round % 3 == 0 ? 1.0 : 50.0;
    limits.min = std::round((rng.uniform() - 0.5) * scale * 1000) / 1000;
    limits.max = *limits.min + std::round(rng.uniform() * scale * 100) / 100;
    const internal::NumberPattern pattern = internal::real_pattern(limits);
    const testing::Gbnf grammar("root ::= " + pattern.expression + "\n");
    bool near_low = false;
    for (int i = 0; i < 300; ++i) {
      const std::string drawn = grammar.draw(rng);
      ASSERT_LE(drawn.size(), pattern.max_bytes);
      const double number = std::stod(drawn);
      ASSERT_GE(number, *limits.min - 1e-12) << drawn;
      ASSERT_LE(number, *limits.max + 1e-12) << drawn;
      near_low = near_low || number < *limits.min + (*limits.max - *limits.min) / 2 + 1e-9;
    }
    EXPECT_TRUE(near_low) << *limits.min << ".." << *limits.max;
  }
}

TEST(Grammars, RealRangesReachLargeNumbers) {
  Rng rng(10);
  Limits limits;
  limits.min = 1e9;
  limits.max = 7.8e9;
  for (int round = 0; round < 2; ++round) {
    const internal::NumberPattern pattern = internal::real_pattern(limits);
    const testing::Gbnf grammar("root ::= " + pattern.expression + "\n");
    for (int i = 0; i < 300; ++i) {
      const std::string drawn = grammar.draw(rng);
      ASSERT_LE(drawn.size(), pattern.max_bytes);
      ASSERT_GE(std::stod(drawn), 1e9) << drawn;
      ASSERT_LE(std::stod(drawn), limits.max.value_or(1e15)) << drawn;
    }
    limits.max.reset();
  }
}

TEST(Grammars, OpenEndedValuesEndWithTheTerminator) {
  Rng rng(8);
  const internal::SlotGrammar number = internal::text_slot_grammar(parsed_type("int"), "\n");
  EXPECT_FALSE(number.has_end);
  EXPECT_TRUE(testing::Gbnf(number.text).draw(rng).ends_with('\n'));
  const internal::SlotGrammar list = internal::text_slot_grammar(parsed_type("list[int]"), "\n");
  EXPECT_TRUE(list.has_end);
  EXPECT_TRUE(testing::Gbnf(list.text).draw(rng).ends_with(']'));
}

TEST(Grammars, StringsAreBoundedInBytesOfAnyScript) {
  Rng rng(9);
  const testing::Gbnf grammar(json_grammar(parsed_type("str(..5)")));
  std::size_t longest = 0;
  for (int i = 0; i < 3000; ++i) {
    const std::string text = Value::parse_json(grammar.draw(rng)).value().as_string();
    EXPECT_TRUE(is_utf8(text));
    longest = std::max(longest, text.size());
  }
  EXPECT_EQ(longest, 5U);
}

}  // namespace
}  // namespace hone
