#include "hone/core/signature.hpp"

#include <gtest/gtest.h>

namespace hone {
namespace {

// The whole message a bad signature gives, place first.
std::string fault_of(std::string_view text) {
  const Result<Signature> parsed = Signature::parse(text);
  EXPECT_FALSE(parsed) << text;
  return parsed ? std::string() : parsed.error().text();
}

TEST(SignatureParse, ReadsFieldsTypesLimitsAndDescriptions) {
  const Signature signature =
      Signature::parse(
          "question, context: list[str](1..3) \"what was found\", age: int(0..120)? -> "
          "answer: str(..200), confidence: enum(low, \"not, sure\"), parts: list[{name: str, size: "
          "float(..1.5)}]",
          "Answer.")
          .value();
  ASSERT_EQ(signature.inputs().size(), 3U);
  EXPECT_EQ(signature.inputs()[0].type, Type::str());
  EXPECT_EQ(signature.inputs()[1].type.description(), "what was found");
  EXPECT_EQ(signature.inputs()[1].type.limits().max_length, 3U);
  EXPECT_EQ(signature.inputs()[2].type.kind(), TypeKind::optional);
  EXPECT_EQ(signature.inputs()[2].type.element().limits().max, 120.0);
  EXPECT_EQ(signature.find("confidence")->type.labels(),
            (std::vector<std::string>{"low", "not, sure"}));
  EXPECT_EQ(signature.find("parts")->type.element().fields()[1].type.limits().max, 1.5);
  EXPECT_EQ(signature.find_output("question"), nullptr);
  EXPECT_EQ(signature.instructions(), "Answer.");
}

TEST(SignatureParse, TextFormReadsBackTheSame) {
  const char* texts[] = {
      "question -> answer",
      "question: str, context: list[str] -> answer: str(..200), confidence: enum(low, high)",
      R"(a: optional[list[int(0..10)]] "some \"quoted\" text", b: bool -> c: {x: float(-1.5..), y: {z: enum(p, q)}})",
      "-> poem: str(10..)",
  };
  for (const char* text : texts) {
    const Signature once = Signature::parse(text).value();
    const Result<Signature> twice = Signature::parse(once.to_string());
    ASSERT_TRUE(twice) << once.to_string() << "\n" << twice.error().text();
    EXPECT_EQ(once, *twice) << once.to_string();
    EXPECT_EQ(once.hash(), twice->hash());
  }
}

TEST(SignatureParse, JsonFormReadsBackTheSame) {
  const Signature signature = Signature::parse(
                                  "q: str \"the question\", n: int(1..) -> a: list[{x: str(..9), "
                                  "y: bool}](..4)?, b: enum(c, d)")
                                  .value();
  EXPECT_EQ(Signature::from_json(signature.to_json(), "signature").value(), signature);
}

TEST(SignatureParse, PointsAtTheCharacterAndSaysWhatItExpected) {
  EXPECT_EQ(fault_of("question: strng -> answer"),
            "signature, column 11: unknown type 'strng'; expected str, int, float, bool, enum(…), "
            "list[…], "
            "optional[…] or {…}; did you mean str?\n"
            "  question: strng -> answer\n"
            "            ^");
  EXPECT_EQ(fault_of("question answer"),
            "signature, column 10: expected '->' between inputs and outputs, found 'a'\n"
            "  question answer\n"
            "           ^");
  EXPECT_EQ(fault_of("question ->"),
            "signature, column 12: expected an output field, found the end\n"
            "  question ->\n"
            "             ^");
}

TEST(SignatureParse, RefusesEveryOtherMistakeToo) {
  const std::pair<const char*, const char*> cases[] = {
      {"", "expected '->'"},
      {"a -> b: enum()", "expected a label"},
      {"a -> b: enum(x, x)", "label 'x' is there twice"},
      {"a -> b: enum(x", "expected ',' or ')'"},
      {"a, a -> b", "field 'a' is there twice"},
      {"a -> a", "field 'a' is there twice"},
      {"a -> b: int(3..1)", "the lower limit is above the upper one"},
      {"a -> b: float(..inf)", "expected a number or ')'"},
      {"a -> b: float(nan..)", "expected a number or '..'"},
      {"a -> b: str(..inf)", "expected a number or ')'"},
      {"a -> b: list[str](..1e30)", "a length must be a whole number from 0, below 2^53"},
      {"a -> b: str(-1..)", "a length must be a whole number from 0, below 2^53"},
      {"a -> b: str(1.5..3)", "a length must be a whole number from 0, below 2^53"},
      {"a -> b: list[int", "expected ']'"},
      {"a -> b: {x: int", "expected ',' or '}'"},
      {"a -> b \"open", "expected a closing \""},
      {"a -> 1b", "expected a field name"},
      {"a -> b c", "expected the end or ','"},
      {"a -> b: optional", "expected '['"},
      {"a: -> b", "expected a type"},
  };
  for (const auto& [text, expected] : cases) {
    const std::string fault = fault_of(text);
    EXPECT_NE(fault.find(expected), std::string::npos) << text << " gave: " << fault;
    EXPECT_EQ(Signature::parse(text).error().kind, ErrorKind::bad_request);
  }
}

TEST(SignatureParse, CaretStaysOnTheLineOfTheMistake) {
  const std::string fault = fault_of("a,\nb: nope -> c");
  EXPECT_NE(fault.find("\n  b: nope -> c\n     ^"), std::string::npos) << fault;
}

TEST(SignatureParse, DeepNestingIsAnErrorAndNotACrash) {
  std::string text = "a -> b: ";
  for (int i = 0; i < 100000; ++i) text += "list[";
  const std::string fault = fault_of(text);
  EXPECT_NE(fault.find("nested"), std::string::npos) << fault.substr(0, 200);
}

TEST(Signature, DefaultInstructionsNameTheFields) {
  EXPECT_EQ(Signature::parse("a, b -> c").value().instructions(),
            "Given the fields `a`, `b`, produce the fields `c`.");
}

TEST(Signature, EditsReturnNewOnesAndRefuseTakenNames) {
  const Signature signature = Signature::parse("question -> answer", "Be brief.").value();
  const Signature longer = signature.insert_output(0, {"reasoning", Type::str()}).value();
  EXPECT_EQ(longer.to_string(), "question: str -> reasoning: str, answer: str");
  EXPECT_EQ(longer.instructions(), "Be brief.");
  EXPECT_EQ(signature.outputs().size(), 1U);
  EXPECT_EQ(longer.remove("reasoning").value(), signature);
  EXPECT_EQ(signature.append_input({"hint", Type::str()}).value().inputs()[1].name, "hint");
  EXPECT_FALSE(signature.append_output({"question", Type::str()}));
  EXPECT_FALSE(signature.append_output({"not a name", Type::str()}));
  EXPECT_FALSE(signature.remove("answer"));
  EXPECT_FALSE(signature.remove("nothing"));
}

TEST(Signature, FieldsHashLeavesInstructionsOut) {
  const Signature signature = Signature::parse("a -> b").value();
  const Signature other = signature.with_instructions("Do it.");
  EXPECT_EQ(signature.fields_hash(), other.fields_hash());
  EXPECT_NE(signature.hash(), other.hash());
}

TEST(Signature, CheckReportsEveryFaultAtOnce) {
  const Signature signature = Signature::parse("a: int, b: list[int], c: str? -> d").value();
  const Result<void> fits = signature.check_inputs(
      Value::object({{"b", Value::list({1, "x"})}, {"extra", 1}}), "example");
  ASSERT_FALSE(fits);
  EXPECT_NE(fits.error().message.find("field 'a' is missing"), std::string::npos)
      << fits.error().message;
  EXPECT_NE(fits.error().message.find("b[1]: expected int, got str"), std::string::npos)
      << fits.error().message;
  EXPECT_TRUE(
      signature.check_inputs(Value::object({{"a", 1}, {"b", Value::list({})}, {"z", 2}}), {}));
}

TEST(Field, LabelIsTheNameInWords) {
  EXPECT_EQ((Field{"search_query", Type::str()}.label()), "Search Query");
}

}  // namespace
}  // namespace hone
