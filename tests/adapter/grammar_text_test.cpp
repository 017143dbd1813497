#include "adapter/grammar_text.hpp"

#include <gtest/gtest.h>

#include <string>

#include "hone/core/type.hpp"
#include "hone/core/value.hpp"

#include "adapter/grammar.hpp"

namespace hone::internal {
namespace {

std::string text_of(const std::string& grammar, const std::string& wish) {
  return GrammarText::parse(grammar).value().write(wish);
}

TEST(GrammarText, FollowsTheWishAsFarAsTheGrammarAllows) {
  EXPECT_EQ(text_of("root ::= [a-z ]* \"\\n\"", "so it goes"), "so it goes\n");
  EXPECT_EQ(text_of("root ::= [a-z]{2,4}", "abcdef"), "abcd");
  EXPECT_EQ(text_of("root ::= [a-z]{2,4}", ""), "aa");
  EXPECT_EQ(text_of("root ::= \"yes\" | \"no\"", "no"), "no");
  EXPECT_EQ(text_of("root ::= item (\", \" item)?\nitem ::= [^,]+", "one, two"), "one, two");
}

TEST(GrammarText, TakesTheShortestWayWhereNothingFits) {
  EXPECT_EQ(text_of("root ::= \"-\"? [0-9]+ | \"none\"", "words"), "1");
  EXPECT_EQ(text_of("root ::= a\na ::= \"(\" a \")\" | \"x\"", "?"), "x");
}

TEST(GrammarText, WritesValuesOfEveryTypeThatReadBack) {
  Limits few;
  few.min_length = 1;
  few.max_length = 3;
  Limits line;
  line.min_length = 1;
  line.max_length = 60;
  for (const Type& type :
       {Type::integer(), Type::real(), Type::boolean(), Type::list(Type::str()).with_limits(few),
        Type::list(Type::integer()), Type::optional(Type::real())}) {
    const std::string text =
        text_of(json_slot_grammar(type, "").text, "some words that are wished for");
    EXPECT_TRUE(Value::parse_json(text)) << text;
  }
  const std::string grammar = text_slot_grammar(Type::str().with_limits(line), "\n").text;
  EXPECT_EQ(text_of(grammar, "look at the last digit"), "look at the last digit\n");
  EXPECT_LE(text_of(grammar, std::string(500, 'x')).size(), 61U);
}

TEST(GrammarText, RefusesWhatItCannotRead) {
  EXPECT_FALSE(GrammarText::parse("root ::= absent"));
  EXPECT_FALSE(GrammarText::parse("rule ::= \"x\""));
  EXPECT_FALSE(GrammarText::parse("root ::= \"x\" root"));
  EXPECT_FALSE(GrammarText::parse("root ::= (\"x\""));
}

}  // namespace
}  // namespace hone::internal
