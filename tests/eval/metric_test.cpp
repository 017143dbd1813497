#include "hone/eval/metric.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/parsed.hpp"
#include "eval/outcome_fixture.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;
using testing_eval::ask;
using testing_eval::json;
using testing_eval::score;
using testing_eval::score_of;

TEST(SquadNormalize, DropsCasePunctuationArticlesAndExtraSpace) {
  EXPECT_EQ(squad_normalize("  The Quick,  (brown) fox!\n"), "quick brown fox");
  EXPECT_EQ(squad_normalize("a an the"), "");
  EXPECT_EQ(squad_normalize("Theatre an-other"), "theatre another");
  EXPECT_EQ(squad_normalize("don't"), "dont");
}

TEST(SquadNormalize, KnowsLettersSpacesAndQuotesBeyondAscii) {
  EXPECT_EQ(squad_normalize("ÉCOLE Ÿ Ł"), "école ÿ ł");
  EXPECT_EQ(squad_normalize("ΑΘΗΝΑ ΌΣ"), "αθηνα όσ");
  EXPECT_EQ(squad_normalize("όσ"), squad_normalize("ός"));
  EXPECT_EQ(squad_normalize("МОСКВА Ёж"), "москва ёж");
  EXPECT_EQ(squad_normalize("“the” don’t"), "dont");
  EXPECT_EQ(squad_normalize("the\xC2\xA0sea\xE3\x80\x80side"), "sea side");
  EXPECT_EQ(squad_normalize("東京、日本。"), "東京日本");
}

TEST(SquadNormalize, MendsIllFormedUtf8AndIsIdempotent) {
  const std::string broken = squad_normalize("caf\xC3 \xFF Paris");
  EXPECT_THAT(broken, HasSubstr("paris"));
  for (const char* text : {"The  A. b–c", "ÀÉ—x", "caf\xC3", "Ａｂ！", "ẞ ß", ""}) {
    const std::string once = squad_normalize(text);
    EXPECT_EQ(squad_normalize(once), once) << text;
  }
}

TEST(ExactMatch, ComparesEveryType) {
  const Metric metric = exact_match("x");
  EXPECT_EQ(score_of(metric, "yes", " yes\n"), 1);
  EXPECT_EQ(score_of(metric, "yes", "Yes"), 0);
  EXPECT_EQ(score_of(metric, 3, 3), 1);
  EXPECT_EQ(score_of(metric, 3, 3.0), 1);
  EXPECT_EQ(score_of(metric, 3, 4), 0);
  EXPECT_EQ(score_of(metric, true, true), 1);
  EXPECT_EQ(score_of(metric, true, false), 0);
  EXPECT_EQ(score_of(metric, Value::strings({"a", "b "}), Value::strings({"a", "b"})), 1);
  EXPECT_EQ(score_of(metric, Value::strings({"a", "b"}), Value::strings({"b", "a"})), 0);
  EXPECT_EQ(score_of(metric, Value::strings({"a"}), Value::strings({"a", "a"})), 0);
  EXPECT_EQ(score_of(metric, json(R"({"n": "A ", "k": 1})"), json(R"({"k": 1, "n": "A"})")), 1);
  EXPECT_EQ(score_of(metric, Value(), Value()), 1);
  EXPECT_EQ(score_of(metric, Value(), "null"), 0);
}

TEST(ExactMatch, TakesUntypedDataForNumbers) {
  const Metric metric = exact_match("x");
  EXPECT_EQ(score_of(metric, "42 ", 42), 1);
  EXPECT_EQ(score_of(metric, 0.5, "0.5"), 1);
  EXPECT_EQ(score_of(metric, "true", true), 1);
  EXPECT_EQ(score_of(metric, "43", 42), 0);
}

TEST(ExactMatch, SaysWhatItExpected) {
  const Result<Score> miss = ask(exact_match("x"), R"({"x": "a"})", R"({"x": "b"})");
  EXPECT_EQ(miss.value().feedback, "expected 'a', got 'b'");
  EXPECT_EQ(ask(exact_match("x"), R"({"x": "a"})", R"({"x": "a"})").value().feedback, "");
}

TEST(ExactMatch, AMissingFieldIsAnErrorAndNoZero) {
  const Result<Score> no_label = ask(exact_match("x"), R"({"text": "t"})", R"({"x": 1})");
  ASSERT_FALSE(no_label);
  EXPECT_EQ(no_label.error().kind, ErrorKind::bad_request);
  EXPECT_EQ(no_label.error().text(), "exact_match:x: the example has no field 'x'; it has text");
  EXPECT_FALSE(ask(exact_match("x"), R"({"x": 1})", R"({"y": 1})"));
}

TEST(AnswerExactMatch, NormalizesAndTakesAnyOfAList) {
  const Metric metric = answer_exact_match("x");
  EXPECT_EQ(score_of(metric, "The Eiffel Tower", "eiffel tower."), 1);
  EXPECT_EQ(score_of(metric, Value::strings({"NYC", "New York"}), "new york!"), 1);
  EXPECT_EQ(score_of(metric, Value::strings({"NYC", "New York"}), "york"), 0);
  EXPECT_EQ(score_of(metric, 7, "7"), 1);
  EXPECT_FALSE(ask(metric, R"({"x": []})", R"({"x": "a"})"));
}

TEST(F1Match, CountsSharedWords) {
  const Metric metric = f1_match("x");
  EXPECT_EQ(score_of(metric, "the cat sat", "cat sat"), 1);
  EXPECT_DOUBLE_EQ(score_of(metric, "red green blue", "red"), 0.5);
  EXPECT_DOUBLE_EQ(score_of(metric, "red red", "red red red"), 0.8);
  EXPECT_EQ(score_of(metric, "red", "blue"), 0);
  EXPECT_DOUBLE_EQ(score_of(metric, Value::strings({"blue", "red green"}), "red"), 2.0 / 3);
  EXPECT_EQ(score_of(metric, "the", ""), 1);
  EXPECT_EQ(score_of(metric, "red", ""), 0);
}

TEST(AnswerPassageMatch, FindsWholeWordsInAnyPassage) {
  const Metric metric = answer_passage_match("answer", "passages");
  const auto of = [&](const char* answer, const char* passages) {
    return score(metric, std::string(R"({"answer": )") + answer + "}",
                 std::string(R"({"passages": )") + passages + "}");
  };
  EXPECT_EQ(of(R"("Art")", R"(["nothing", "modern art, they say"])"), 1);
  EXPECT_EQ(of(R"("art")", R"(["start"])"), 0);
  EXPECT_EQ(of(R"(["x", "modern art"])", R"("the Modern Art!")"), 1);
  EXPECT_EQ(of(R"("the")", R"(["the"])"), 0);
}

TEST(Metric, OfTakesAnyCallable) {
  const Metric metric = Metric::of("length", [](const Example& example, const Value& prediction) {
    return example.get("x") == prediction.get("x") ? 0.75 : 0.25;
  });
  EXPECT_EQ(metric.name(), "length");
  EXPECT_EQ(score_of(metric, 1, 1), 0.75);
}

TEST(Metric, ThrownErrorsComeBackAsErrors) {
  const Metric own(
      "own", [](const Outcome&) -> Result<Score> { throw_error(bad_request("there", "no")); });
  EXPECT_EQ(ask(own, "{}", "{}").error().text(), "there: no");
  const Metric other("other",
                     [](const Outcome&) -> Result<Score> { throw std::runtime_error("boom"); });
  EXPECT_EQ(ask(other, "{}", "{}").error().text(), "metric 'other': threw: boom");
}

TEST(Metric, ANumberThatIsNoScoreIsAnError) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    const Metric metric = Metric::of("odd", [bad](const Example&, const Value&) { return bad; });
    const Result<Score> result = ask(metric, "{}", "{}");
    ASSERT_FALSE(result);
    EXPECT_THAT(result.error().text(), HasSubstr("finite number"));
  }
}

TEST(MetricFromSpec, KnowsEveryNameAndAlias) {
  const Signature one = parsed("question -> answer");
  EXPECT_EQ(metric_from_spec("exact_match:answer", one).value().name(), "exact_match:answer");
  EXPECT_EQ(metric_from_spec("exact_match", one).value().name(), "exact_match:answer");
  EXPECT_EQ(metric_from_spec("answer_exact_match", one).value().name(),
            "answer_exact_match:answer");
  EXPECT_EQ(metric_from_spec("f1", one).value().name(), "f1:answer");
  EXPECT_EQ(metric_from_spec("f1_match:answer", one).value().name(), "f1:answer");
  EXPECT_EQ(metric_from_spec("numeric:answer", one).value().name(), "numeric:answer");
  EXPECT_EQ(metric_from_spec("numeric_match", one).value().name(), "numeric:answer");
  EXPECT_EQ(metric_from_spec("judge:answer:is polite: very", one).value().name(),
            "judge:answer:is polite: very");
  EXPECT_EQ(metric_from_spec("judge:is polite", one).value().name(), "judge:answer:is polite");
  EXPECT_EQ(metric_from_spec("numeric:answer:0.5", one).value().name(), "numeric:answer:0.5");
  EXPECT_EQ(metric_from_spec("command:cat", one).value().name(), "command:cat");
  const Signature passages = parsed("question -> passages: list[str], answer");
  EXPECT_EQ(metric_from_spec("answer_passage_match:gold:passages", passages).value().name(),
            "answer_passage_match:gold:passages");
}

TEST(MetricFromSpec, ToleranceOfNumeric) {
  const Signature one = parsed("question -> x");
  EXPECT_EQ(score_of(metric_from_spec("numeric:x:0.1", one).value(), 10, 10.5), 1);
  EXPECT_EQ(score_of(metric_from_spec("numeric", one).value(), 10, 10.5), 0);
  for (const char* bad : {"numeric:x:much", "numeric:x:-1", "numeric:x:nan", "numeric:x:"}) {
    EXPECT_THAT(metric_from_spec(bad, one).error().text(), HasSubstr("no number of at least 0"));
  }
}

TEST(MetricFromSpec, BadOnesSuggestNearNames) {
  const Signature two = parsed("text -> label, reason");
  const auto message = [&](const char* spec) { return metric_from_spec(spec, two).error().text(); };
  EXPECT_THAT(message("exact_mach:label"),
              HasSubstr("there is no metric 'exact_mach'; did you mean exact_match"));
  EXPECT_THAT(message("zzzzzzzzzzzz"), HasSubstr("there are exact_match"));
  EXPECT_THAT(message("exact_match:labl"), HasSubstr("no output 'labl'; did you mean label"));
  EXPECT_THAT(message("exact_match:text"), HasSubstr("no output 'text'"));
  EXPECT_THAT(message("exact_match"), HasSubstr("say which output it compares"));
  EXPECT_THAT(message("exact_match"), HasSubstr("label, reason"));
  EXPECT_THAT(message("judge:label"), HasSubstr("say what a good answer is"));
  EXPECT_THAT(message("judge:labl:is polite"), HasSubstr("; did you mean label"));
  EXPECT_THAT(message("command:"), HasSubstr("no command given"));
  EXPECT_THAT(message("answer_passage_match:label"), HasSubstr("output with passages"));
  EXPECT_THAT(message(""), HasSubstr("there is no metric ''"));
}

TEST(MetricFromSpec, EveryListedNameIsKnown) {
  const Signature one = parsed("question -> answer");
  for (const std::string& name : metric_names()) {
    const Result<Metric> metric = metric_from_spec(name + ":answer:answer", one);
    const std::string error = metric ? std::string() : metric.error().text();
    EXPECT_THAT(error, ::testing::Not(HasSubstr("there is no metric")));
  }
  EXPECT_EQ(metric_names().size(), 7U);
}

}  // namespace
}  // namespace hone
