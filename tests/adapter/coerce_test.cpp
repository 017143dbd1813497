#include "hone/adapter/coerce.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "hone/base/rng.hpp"
#include "hone/core/signature.hpp"

#include "core/parsed.hpp"

namespace hone {
namespace {

struct Case {
  std::string type;
  std::string text;
  std::string json;  // the value, or "fault: " and the whole message
};

std::string shown(const Result<Value>& result) {
  return result ? result->to_json() : "fault: " + result.error().text();
}

class CoerceText : public ::testing::TestWithParam<Case> {};

TEST_P(CoerceText, ReadsWhatIsMeant) {
  const Case& one = GetParam();
  EXPECT_EQ(shown(coerce(parsed_type(one.type), std::string_view(one.text), "x")), one.json)
      << one.type << " from: " << one.text;
}

INSTANTIATE_TEST_SUITE_P(
    Strings, CoerceText,
    ::testing::Values(Case{"str", "  two words \n", R"("two words")"},
                      Case{"str", R"("quoted")", R"("\"quoted\"")"}, Case{"str", "", R"("")"},
                      Case{"str(..3)", "four", "fault: x: may have at most 3 characters, has 4"},
                      Case{"str(2..)", "a", "fault: x: needs at least 2 characters, has 1"},
                      Case{"str", "caf\xE9", "\"caf\xEF\xBF\xBD\""}));

INSTANTIATE_TEST_SUITE_P(
    Numbers, CoerceText,
    ::testing::Values(
        Case{"int", "42", "42"}, Case{"int", " 42.", "42"}, Case{"int", "about 42", "42"},
        Case{"int", "$1,234", "1234"}, Case{"int", "**7**", "7"}, Case{"int", "-3", "-3"},
        Case{"int", "42.0", "42"}, Case{"int", "1e3", "1000"},
        Case{"int", "12 apples.\nBecause 5 + 7 is 12.", "12"},
        Case{"int", "The answer is 12, so 12", "12"},
        Case{"int", "3.5", "fault: x: '3.5' is not a whole number"},
        Case{"int", "2 or 3", "fault: x: '2 or 3' holds several numbers; write only one"},
        Case{"int", "", "fault: x: empty; write a whole number"},
        Case{"int", "many", "fault: x: 'many' is not a whole number"},
        Case{"int", "10-12", "fault: x: '10-12' holds several numbers; write only one"},
        Case{"int(0..10)", "11", "fault: x: 11 is above the most allowed, 10"},
        Case{"int(0..10)", "-1", "fault: x: -1 is below the least allowed, 0"},
        Case{"int", "99999999999999999999",
             "fault: x: '99999999999999999999' is too large for a whole number"},
        Case{"float", "3", "3.0"}, Case{"float", ".5", "0.5"}, Case{"float", "85%", "85.0"},
        Case{"float", "-1.5e-3", "-0.0015"}, Case{"float", "€12.50", "12.5"},
        Case{"float", "£1,234.50", "1234.5"}, Case{"float", "−3.5", "-3.5"},
        Case{"int", "it is −3", "-3"},
        Case{"int", "10−12 gives -2, so 10",
             "fault: x: '10−12 gives -2, so 10' holds several numbers; write only one"},
        Case{"float", "USD12.50", "fault: x: 'USD12.50' is not a number"}, Case{"int", "No.5", "5"},
        Case{"int", "0,125", "fault: x: '0,125' is not a whole number"},
        Case{"int", "1234,567", "fault: x: '1234,567' is not a whole number"},
        Case{"int", "-1,234,567", "-1234567"},
        Case{"float", "inf", "fault: x: 'inf' is not a number"},
        Case{"float(..1)", "1.5", "fault: x: 1.5 is above the most allowed, 1"}));

INSTANTIATE_TEST_SUITE_P(
    SignsAndGroupsOfNumbers, CoerceText,
    ::testing::Values(
        Case{"int", "–5", "-5"}, Case{"int", "‑5", "-5"}, Case{"int", "It is –5 or so.", "-5"},
        Case{"int", "3–5", "fault: x: '3–5' holds several numbers; write only one"},
        Case{"int", "COVID‑19", "19"}, Case{"float", "-$5.20", "-5.2"},
        Case{"float", "−€3", "-3.0"}, Case{"float", "a loss of -£ 1,234.50", "-1234.5"},
        Case{"int", "$3-$5", "fault: x: '$3-$5' holds several numbers; write only one"},
        Case{"int", "1_000 items", "1000"}, Case{"int", "-1_000_000 items", "-1000000"},
        Case{"int", "1_00 items", "fault: x: '1_00 items' holds several numbers; write only one"},
        Case{"int", "step_1_000 took 7 s", "7"},
        Case{"int", "step_2", "fault: x: 'step_2' is not a whole number"}));

INSTANTIATE_TEST_SUITE_P(
    Booleans, CoerceText,
    ::testing::Values(Case{"bool", "True", "true"}, Case{"bool", "yes.", "true"},
                      Case{"bool", "\"no\"", "false"},
                      Case{"bool", "Yes, because it rains", "true"}, Case{"bool", "1", "true"},
                      Case{"bool", "I would say no", "false"},
                      Case{"bool", "yes and no: true", "true"},
                      Case{"bool", "Yes—there is no doubt", "true"},
                      Case{"bool", "On balance, no", "false"}, Case{"bool", "on\nas asked", "true"},
                      Case{"bool", "The claim is not true.",
                           "fault: x: 'The claim is not true.' is neither true nor false"},
                      Case{"bool", "maybe", "fault: x: 'maybe' is neither true nor false"}));

INSTANTIATE_TEST_SUITE_P(
    Labels, CoerceText,
    ::testing::Values(
        Case{"enum(low, high)", "high", R"("high")"}, Case{"enum(low, high)", "HIGH.", R"("high")"},
        Case{"enum(low, high)", "'Low'", R"("low")"},
        Case{"enum(low, high)", "**low**", R"("low")"},
        Case{"enum(low, high)", "The risk is high.", R"("high")"},
        Case{"enum(low, high)", "high\nBecause the low road is closed", R"("high")"},
        Case{"enum(Yes, yes)", "yes", R"("yes")"}, Case{"enum(low, high)", "“high”.", R"("high")"},
        Case{"enum(low, high)", "high—no doubt", R"("high")"},
        Case{"enum(low, high)", "high—the risk isn't low",
             "fault: x: 'high—the risk isn't low' is not one of low, high"},
        Case{"enum(-1, 0, 1)", "+1", R"("1")"},
        Case{"enum(1, 2, 3, 4, 5, 6, 7, 8, 9, 10)", "1.0", R"("1")"},
        Case{"enum(<5%, >5%)", "> 5%", R"(">5%")"}, Case{"enum(C, C++, C#)", "C #", R"("C#")"},
        Case{"enum(a-b, ab)", "A B", "fault: x: 'A B' is not one of a-b, ab"},
        Case{"enum(spam, ham)", "not spam", "fault: x: 'not spam' is not one of spam, ham"},
        Case{"enum(bug, idea)", "It isn’t a bug",
             "fault: x: 'It isn’t a bug' is not one of bug, idea"},
        Case{"enum(spam, not spam)", "not spam, I think", R"("not spam")"},
        Case{"enum(top_up, pending_top_up)", "Pending top-up", R"("pending_top_up")"},
        Case{"enum(card, card lost)", "card lost, I think", R"("card lost")"},
        Case{"enum(low, high)", "medium", "fault: x: 'medium' is not one of low, high"},
        Case{"enum(low, high)", "low or high", "fault: x: 'low or high' is not one of low, high"},
        Case{"enum(low, high)", "", "fault: x: empty; write one of low, high"},
        Case{"enum(low, high)", "hihg", "fault: x: 'hihg' is not one of low, high"},
        Case{"enum(one, two, three, four, five, six, seven, eight, nine)", "nin",
             "fault: x: 'nin' is not one of one, two, three, four, five, six, seven, eight, nine; "
             "did you mean nine, six?"},
        Case{"enum(\"a\\nb\", c)", "\"a\\nb\"", R"("a\nb")"}));

INSTANTIATE_TEST_SUITE_P(
    Lists, CoerceText,
    ::testing::Values(
        Case{"list[str]", R"(["a", "b"])", R"(["a", "b"])"},
        Case{"list[str]", "a, b,c", R"(["a", "b", "c"])"},
        Case{"list[str]", "- a\n- b, c", R"(["a", "b, c"])"},
        Case{"list[str]", "Here you go:\n1. a\n2. b", R"(["a", "b"])"},
        Case{"list[str]", "none", "[]"}, Case{"list[str]", "apple", R"(["apple"])"},
        Case{"list[str]", "```json\n['a', 'b',]\n```", R"(["a", "b"])"},
        Case{"list[int]", "1, 2", "[1, 2]"}, Case{"list[int]", "1,2, 3", "[1, 2, 3]"},
        Case{"list[int]", "1,000, 2,000", "[1000, 2000]"},
        Case{"list[optional[float]]", "$1,234.50, 3,", "[1234.5, 3.0]"},
        Case{"list[int]", "1,000,2,000", "[1, 0, 2, 0]"},  // could be four
        Case{"list[int]", "[1,250, 3]", "[1, 250, 3]"},
        Case{"list[str]", "1,000, 2,000", R"(["1", "000", "2", "000"])"},
        Case{"list[list[int]]", "[[1, 2], [3, 4],]", "[[1, 2], [3, 4]]"},
        Case{"list[int]", "[1, two, x]",
             "fault: x[1]: 'two' is not a whole number; x[2]: 'x' is not a whole number"},
        Case{"list[int](3..)", "[1]", "fault: x: needs at least 3 items, has 1"},
        Case{"list[enum(a, b)]", "[A, b]", R"(["a", "b"])"},
        Case{"list[{n: int}]", "[{n: 1}, {n: 2}]", R"([{"n": 1}, {"n": 2}])"},
        Case{"list[{n: int}]", R"({"n": 1})", R"([{"n": 1}])"},
        Case{"list[{n: int}]", "some", "fault: x: 'some' is not a JSON list"}));

INSTANTIATE_TEST_SUITE_P(
    BracketsOfItems, CoerceText,
    ::testing::Values(
        Case{"list[str]", "[1] Smith 2020\n[2] Jones 2021", R"(["Smith 2020", "Jones 2021"])"},
        Case{"list[str]", "Sources:\n[1] Smith\n[2] Jones", R"(["Smith", "Jones"])"},
        Case{"list[str]", "[ ] buy milk\n[x] call Bob", R"(["buy milk", "call Bob"])"},
        Case{"list[str]", "[Rome](https://a.com)\n[Oslo](https://b.com)",
             "[\"[Rome](https://a.com)\", \"[Oslo](https://b.com)\"]"},
        Case{"list[int]", "[1]\n[2]", "[1, 2]"}, Case{"list[str]", "[ ]", "[]"},
        Case{"list[str]", "[a, b].\nBoth are named.", R"(["a", "b"])"},
        Case{"list[str]", "[\n  \"a\",\n  \"b\"\n]\n```\nBoth are named.", R"(["a", "b"])"},
        Case{"list[str]", "['a]', 'b'] as both are named", R"(["a]", "b"])"},
        Case{"list[str]", R"(["a"] as it is named)", R"(["a"])"},
        Case{"list[str]", "['a'] - as it is named", R"(["a"])"},
        Case{"list[str]", "[\"a\", \"b\"]\n\n[1] Smith", R"(["a", "b"])"},
        Case{"list[str]", "[] (nothing is named)", "[]"},
        Case{"list[int]", "[3, 7]\n\n[1] Smith 2020", "[3, 7]"},
        Case{"list[int]", "[3] because it is the third", "[3]"},
        Case{"list[str]", "[a, b", R"(["a", "b"])"},
        Case{"list[{n: int}]", "[{n: 1}] is all", R"([{"n": 1}])"}));

INSTANTIATE_TEST_SUITE_P(
    OptionalsAndStructs, CoerceText,
    ::testing::Values(Case{"optional[int]", "none", "null"}, Case{"optional[int]", "N/A.", "null"},
                      Case{"optional[int]", "5", "5"}, Case{"optional[str]", "", "null"},
                      Case{"optional[str]", "Nothing", R"("Nothing")"},
                      Case{"optional[enum(none, some)]", "none", R"("none")"},
                      Case{"optional[enum(none, some)]", "null", "null"},
                      Case{"optional[enum(yes, no, unknown)]", "Unknown.", R"("unknown")"},
                      Case{"{name: str, age: int}", R"({"name": "Ann", "age": "7", "x": 1})",
                           R"({"name": "Ann", "age": 7})"},
                      Case{"{name: str, age: int}", "Sure! {name: 'Ann', Age: 7",
                           R"({"name": "Ann", "age": 7})"},
                      Case{"{name: str, age: optional[int]}", R"({"name": "Ann"})",
                           R"({"name": "Ann", "age": null})"},
                      Case{"{name: str, age: int}", R"({"age": "old"})",
                           "fault: x.name: missing; x.age: 'old' is not a whole number"},
                      Case{"{name: str}", "Ann", "fault: x: 'Ann' is not a JSON object"}));

TEST(CoerceValue, TakesTheNearestReading) {
  const auto read = [](std::string_view of, const Value& value) {
    return shown(coerce(parsed_type(of), value, "x"));
  };
  EXPECT_EQ(read("int", "3"), "3");
  EXPECT_EQ(read("int", 3.0), "3");
  EXPECT_EQ(read("float", 3), "3.0");
  EXPECT_EQ(read("str", 42), R"("42")");
  EXPECT_EQ(read("str", " kept "), R"(" kept ")");
  EXPECT_EQ(read("bool", 1), "true");
  EXPECT_EQ(read("enum(1, 2)", 2), R"("2")");
  EXPECT_EQ(read("list[str]", "a"), R"(["a"])");
  EXPECT_EQ(read("optional[str]", "none"), R"("none")");
  EXPECT_EQ(read("str", Value()), "fault: x: null, but a value is needed");
  EXPECT_EQ(read("int", true), "fault: x: expected a whole number, got 'true'");
}

TEST(RepairJson, ReadsWhatModelsWrite) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"a": 1})", R"({"a": 1})"},
      {"Sure:\n```json\n{\"a\": 1}\n```\nHope it helps {smile}", R"({"a": 1})"},
      {"{'a': 'it's', 'b': True, 'c': None,}", R"({"a": "it's", "b": true, "c": null})"},
      {"{a: 1, b: [1 2, 3], // note\n c: x y}", R"({"a": 1, "b": ["1 2", 3], "c": "x y"})"},
      {R"({"a": "he said "hi" to me"})", R"({"a": "he said \"hi\" to me"})"},
      {"{\"a\": \"line\nbreak\"}", R"({"a": "line\nbreak"})"},
      {R"({"a": [1, 2)", R"({"a": [1, 2]})"},
      {R"({"a": "cut)", R"({"a": "cut"})"},
      {R"({"a": "caf\u00e9 \ud83d\ude00"},)", "{\"a\": \"caf\xC3\xA9 \xF0\x9F\x98\x80\"}"},
      {"{\xE2\x80\x9C"
       "a\xE2\x80\x9D: 1}",
       R"({"a": 1})"},
      {"[1, 2, 3,]", "[1, 2, 3]"},
      {"true", "true"},
      {"3.5", "3.5"},
      {"\"x\"", R"("x")"},
      {R"({"answer": "x", "person": {"name": "Ann", "age": 7},})",
       R"({"answer": "x", "person": {"name": "Ann", "age": 7}})"},
      {R"({"answer": "x", "person": {"name": "Ann", "age": 7})",
       R"({"answer": "x", "person": {"name": "Ann", "age": 7}})"},
      {R"(["Paris is the capital [1]", "Rome",])", R"(["Paris is the capital [1]", "Rome"])"},
      {R"({sic} {"a": 1})", R"({"a": 1})"},
      {R"(As {"a": …}: {"a": 1})", R"({"a": 1})"},
      {"```json\n{\"a\": \"x ```b``` y\"}\n```", R"({"a": "x ```b``` y"})"},
      {"[https://a.com, https://b.com]", R"(["https://a.com", "https://b.com"])"},
      {"[#launch, #ai] # two", R"(["#launch", "#ai"])"},
      {"{\"a\": \"x\" // note\n, \"b\": 1}", R"({"a": "x", "b": 1})"},
  };
  for (const auto& [text, json] : cases) {
    EXPECT_EQ(shown(repair_json(text)), json) << text;
  }
  EXPECT_EQ(shown(repair_json("nothing here")), "fault: no JSON in 'nothing here'");
  EXPECT_FALSE(repair_json(""));
}

TEST(RepairJson, TakesThousandsInAnObjectForOneNumber) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {R"({"price": 1,250})", R"({"price": 1250})"},
      {"{price: -1,250,300.50 // in all\n}", R"({"price": -1250300.5})"},
      {"{a: 1,250, b: 2}", R"({"a": 1250, "b": 2})"},
      {R"({"a": 1,250,"b": 2,)", R"({"a": 1250, "b": 2})"},
      {R"([{"a": 1,250 }, {"a": 3,000)", R"([{"a": 1250}, {"a": 3000}])"},
      {"{a: 1,250: 2}", R"({"a": 1, "250": 2})"},
      {"{a: 1,b: 2}", R"({"a": 1, "b": 2})"},
      {"{a: [1,250, 3]}", R"({"a": [1, 250, 3]})"},
  };
  for (const auto& [text, json] : cases) EXPECT_EQ(shown(repair_json(text)), json) << text;
  for (const char* cut : {"{a: 1,25}", "{a: 0,125}", "{a: $1,250}", "{a: 1,250 USD}",
                          "{a: 1,250,30}", "[{a: 1, 250, b: 2}]"}) {
    EXPECT_FALSE(repair_json(cut)) << cut;
  }
}

TEST(RepairJson, ReadsTheFenceBeforeWhatComesAfterIt) {
  const std::string after = "It is not {\"label\": \"negative\"}.";
  EXPECT_EQ(shown(repair_json("```json\n{'label': 'positive',}\n```\n" + after)),
            R"({"label": "positive"})");
  // A fence without JSON says nothing.
  EXPECT_EQ(shown(repair_json("```python\ns = {x}\n```\n" + after)), R"({"label": "negative"})");
}

TEST(RepairJson, KeepsWellFormedJsonExactly) {
  Rng rng(7);
  for (int i = 0; i < 300; ++i) {
    std::string text;
    for (std::size_t n = rng.below(30); n > 0; --n)
      text.push_back("ab\"\\{}[],:'\n `/#"[rng.below(17)]);
    const Value value =
        Value::object({{"k", text}, {"list", Value::list({1, 2.5, Value(), text})}});
    EXPECT_EQ(repair_json(value.to_json()).value(), value);
    EXPECT_EQ(repair_json("Here it is: " + value.to_json() + " That is all.").value(), value);
  }
}

TEST(RepairJson, EndsOnAnyBytes) {
  Rng rng(11);
  for (int i = 0; i < 3000; ++i) {
    std::string text;
    for (std::size_t n = rng.below(60); n > 0; --n) {
      text.push_back(rng.below(3) == 0 ? static_cast<char>(rng.below(256))
                                       : "{}[]\"':,\\`\n1a/"[rng.below(15)]);
    }
    if (const auto value = repair_json(text)) {
      EXPECT_TRUE(Value::parse_json(value->to_json())) << text;
    }
    for (const char* of :
         {"int", "bool", "enum(a, b)", "list[str]", "optional[float]", "{a: int, b: list[str]}"}) {
      const Result<Value> read = coerce(parsed_type(of), std::string_view(text), "x");
      if (read) {
        EXPECT_TRUE(parsed_type(of).check(*read, "x")) << of << " from " << text;
      }
      if (!read) {
        EXPECT_FALSE(read.error().message.empty());
      }
    }
  }
  EXPECT_TRUE(repair_json(std::string(100000, '[')));
  EXPECT_TRUE(repair_json(std::string(100000, '{')));
}

TEST(ValueText, IsPlain) {
  EXPECT_EQ(value_text("as it is"), "as it is");
  EXPECT_EQ(value_text(42), "42");
  EXPECT_EQ(value_text(0.5), "0.5");
  EXPECT_EQ(value_text(true), "true");
  EXPECT_EQ(value_text(Value()), "none");
  EXPECT_EQ(value_text(Value::strings({"a", "b"})), R"(["a", "b"])");
}

// The value as JSON, or "fault".
std::string read_as(std::string_view type, std::string_view text) {
  const Result<Value> result = coerce(parsed_type(type), text, "x");
  return result ? result->to_json() : "fault";
}

TEST(CoerceLabels, ALetterIsNoArticleOrPronoun) {
  const auto read = [](std::string_view text) { return read_as("enum(A, B, C, D)", text); };
  EXPECT_EQ(read("Let me think about this as a chemist would.\n\nC"), R"("C")");
  EXPECT_EQ(read("This is a trick question."), "fault");
  EXPECT_EQ(read("A trick question."), "fault");
  EXPECT_EQ(read("The answer is C, a city."), R"("C")");
  EXPECT_EQ(read("A chemist would say C"), "fault") << "or is A meant?";
  EXPECT_EQ(read("A gives a clearer answer than B."), "fault");
  EXPECT_EQ(read("A outperforms B"), "fault");
  EXPECT_EQ(read("Assistant A's answer is clearer than B."), "fault");
  EXPECT_EQ(read("A provides more detail"), R"("A")");
  EXPECT_EQ(read("b) Paris"), R"("B")");
  EXPECT_EQ(read("a) Paris"), R"("A")");
  EXPECT_EQ(read("(c) because of the tides"), R"("C")");
  EXPECT_EQ(read("The answer is A."), R"("A")");
  EXPECT_EQ(read("A is right."), R"("A")");
  EXPECT_EQ(read("A"), R"("A")");
  EXPECT_EQ(read("a."), R"("A")");  // nothing else is said
  EXPECT_EQ(read("Option A fits better than option B"), "fault");
  EXPECT_EQ(read("A or B"), "fault");
  EXPECT_EQ(read_as("enum(I, II, III)", "I think II"), R"("II")");
  EXPECT_EQ(read_as("enum(I, II, III)", "I'd say III"), R"("III")");
  EXPECT_EQ(read_as("enum(I, II, III)", "It is I."), R"("I")");
  EXPECT_EQ(read_as("enum(I, II, III)", "Stage I disease"), R"("I")");
  EXPECT_EQ(read_as("enum(I, II)", "This is a type I error, not a type II error."), "fault");
  EXPECT_EQ(read_as("enum(A, B)", "Response a is better than response b."), "fault");
  EXPECT_EQ(read_as("enum(a, b)", "It is a trap"), "fault");
  EXPECT_EQ(read_as("enum(a, b)", "The answer is B."), R"("b")");
}

TEST(CoerceLabels, ADeniedLabelIsNoAnswer) {
  for (const char* denied :
       {"non-toxic", "not-toxic", "non toxic", "It is non-toxic.", "This is not really toxic.",
        "This isn't a very toxic text", "It is never toxic", "not “toxic”", "'not toxic'"}) {
    EXPECT_EQ(read_as("enum(toxic, safe)", denied), "fault") << denied;
  }
  const auto read = [](std::string_view text) { return read_as("enum(spam, ham)", text); };
  EXPECT_EQ(read("This is not really spam."), "fault");
  EXPECT_EQ(read("I have not seen this before, it is spam"), R"("spam")");
  EXPECT_EQ(read("This is not legitimate but spam"), R"("spam")");
  EXPECT_EQ(read("No doubt spam"), R"("spam")");
  EXPECT_EQ(read("There is no sign of spam"), "fault");
  EXPECT_EQ(read("It is not only spam but fraud"), R"("spam")");
  EXPECT_EQ(read("Spam - the sender does not hide that it is not ham"), R"("spam")");
  EXPECT_EQ(read("The sender does not understand spam"), R"("spam")");
  EXPECT_EQ(read_as("enum(low, medium, high)", "Low - Medium"), "fault");
  EXPECT_EQ(read_as("enum(billing, billing - refund)", "Billing - refund: it came twice"),
            R"("billing - refund")");
  EXPECT_EQ(read_as("enum(spam, not spam)", "This is not spam."), R"("not spam")");
  EXPECT_EQ(read_as("enum(toxic, non-toxic)", "non-toxic"), R"("non-toxic")");
  EXPECT_EQ(read_as("enum(toxic, non-toxic)", "The text is non-toxic."), R"("non-toxic")");
  EXPECT_EQ(read_as("enum(toxic, non-toxic)", "The text is toxic."), R"("toxic")");
}

TEST(CoerceLabels, ADigitIsNoPartOfAnotherNumber) {
  const auto read = [](std::string_view text) { return read_as("enum(1, 2, 3, 4, 5)", text); };
  for (const char* other :
       {"0.5", "4.7", "-5", "−5", "–5", "4/5", "1,5", "about .5", "It is -5.", "It is 4.5"}) {
    EXPECT_EQ(read(other), "fault") << other;
  }
  EXPECT_EQ(read("Rating: 4."), R"("4")");
  EXPECT_EQ(read("Rating—4, because it is good"), R"("4")");
  EXPECT_EQ(read("I rate it 4.0."), R"("4")");
  EXPECT_EQ(read("3-5"), "fault");
  EXPECT_EQ(read("5/5"), R"("5")");
  EXPECT_EQ(read("Rating: 5/5"), R"("5")");
  EXPECT_EQ(read("1/5"), "fault");
  EXPECT_EQ(read("4.5 out of 5"), "fault");
  EXPECT_EQ(read("3 - 4"), "fault");
  EXPECT_EQ(read_as("enum(0, 1, 2)", "-1"), "fault");
  EXPECT_EQ(read_as("enum(0, 1)", "1.0"), R"("1")");
  EXPECT_EQ(read_as("enum(-1, 0, 1)", "It is -1."), R"("-1")");
}

TEST(CoerceBooleans, TheFirstWordCountsOnlyWhereItAnswers) {
  const auto read = [](std::string_view text) { return read_as("bool", text); };
  EXPECT_EQ(read("True or False: False"), "false");
  EXPECT_EQ(read("Yes/No: No"), "false");
  EXPECT_EQ(read("Correct answer: no"), "false");
  EXPECT_EQ(read("Correct: no"), "false");
  EXPECT_EQ(read("No doubt about it: true"), "true");
  EXPECT_EQ(read("Yes or no? No."), "fault");
  EXPECT_EQ(read("No, the claim is true of cats only"), "false");
  EXPECT_EQ(read("No: it is not true"), "false");
  EXPECT_EQ(read("Yes - no one objects"), "true");
  EXPECT_EQ(read("True because no one objects"), "true");
  EXPECT_EQ(read("Yes I think it is true"), "true");
  EXPECT_EQ(read("This is not really true"), "fault");
  EXPECT_EQ(read("Yes (no issues found)"), "true");
  EXPECT_EQ(read("Correct (the text says so)"), "true");
  EXPECT_EQ(read("No this is not true"), "false");
  EXPECT_EQ(read("Yes there are no errors"), "true");
  EXPECT_EQ(read("There is no evidence that the claim is false."), "fault");
}

}  // namespace
}  // namespace hone
