#include "hone/adapter/prompt_template.hpp"

#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "hone/adapter/coerce.hpp"
#include "hone/base/rng.hpp"
#include "hone/base/text.hpp"

#include "adapter/gbnf.hpp"

namespace hone {
namespace {

Signature signature_of(std::string_view text) {
  return Signature::parse(text, "Do the task.").value();
}

std::string faults_of(const ParsedReply& parsed) {
  std::string out;
  for (const Error& fault : parsed.faults) out += fault.text() + "\n";
  return out;
}

std::string prompt_text(const PromptTemplate& prompt, const Value& inputs) {
  std::string out;
  const Prompt rendered = prompt.render(inputs);
  for (std::size_t i = 0; i < rendered.size(); ++i) out += rendered[i].text();
  return out;
}

Type random_type(Rng& rng, int depth) {
  static const std::vector<std::string> kScalars = {
      "str",
      "str(..20)",
      "str(2..9)",
      "int",
      "int(0..10)",
      "int(-30..)",
      "float",
      "float(0..1)",
      "bool",
      "enum(low, high)",
      "enum(card, card lost, CARD)",
      "enum(none, a<b & c, \"two\\nlines\", \"\\\"q\\\"\")"};
  const std::size_t pick = rng.below(depth >= 2 ? 6 : 10);
  if (pick == 6) return Type::list(random_type(rng, depth + 1));
  if (pick == 7) return Type::optional(random_type(rng, depth + 1));
  if (pick == 8)
    return Type::structure(
        {{"name", random_type(rng, depth + 1)}, {"b_2", random_type(rng, depth + 1)}});
  return parse_type(kScalars[rng.below(kScalars.size())]).value();
}

Signature random_signature(Rng& rng) {
  static const std::vector<std::string> kNames = {"answer", "label", "search_query", "x1",
                                                  "Reasoning"};
  std::vector<Field> inputs;
  std::vector<Field> outputs;
  if (rng.below(5) > 0) inputs.push_back({"text", Type::str()});
  for (const std::size_t index : rng.sample(kNames.size(), 1 + rng.below(3))) {
    outputs.push_back({kNames[index], random_type(rng, 0)});
  }
  return Signature::make(std::move(inputs), std::move(outputs)).value();
}

std::string free_text(Rng& rng) {
  std::string out;
  for (std::size_t n = rng.below(30); n > 0; --n) out.push_back("ab c,.!?'\"-(){}"[rng.below(15)]);
  const std::string text(trim(out));
  return text == "none" ? "some" : text;
}

struct Drawn {
  std::string reply;
  std::vector<std::string> values;  // what stands in each slot
};

// A reply as an engine that follows the plan would write it.
Drawn draw_reply(const ReplyPlan& plan, Rng& rng) {
  Drawn drawn;
  for (const ReplyPart& part : plan.parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      drawn.reply += forced->text;
      continue;
    }
    std::string value;
    if (const auto* label = std::get_if<LabelSlot>(&part)) {
      value = label->labels[rng.below(label->labels.size())];
      drawn.reply += label->lead;
    } else {
      const auto& slot = std::get<TextSlot>(part);
      drawn.reply += slot.lead;
      value = slot.grammar.empty() ? free_text(rng) : testing::Gbnf(slot.grammar).draw(rng);
      EXPECT_TRUE(!slot.grammar.empty() || !slot.stop.empty());
      EXPECT_LE(value.size(), slot.max_tokens);
      for (const std::string& stop : slot.stop) value = value.substr(0, value.find(stop));
    }
    drawn.reply += value;
    drawn.values.push_back(value);
  }
  return drawn;
}

TEST(PromptTemplate, RepliesThatFollowThePlanAlwaysParse) {
  Rng rng(1);
  for (int round = 0; round < 250; ++round) {
    const Signature signature = random_signature(rng);
    for (const Format format : kFormats) {
      const PromptTemplate prompt(signature, format, {});
      for (int i = 0; i < 4; ++i) {
        const Drawn drawn = draw_reply(*prompt.reply_plan(), rng);
        const ParsedReply parsed = prompt.parse(drawn.reply);
        ASSERT_TRUE(parsed.ok()) << to_string(format) << " " << signature.to_string() << "\n"
                                 << drawn.reply << "\n"
                                 << faults_of(parsed);
        ASSERT_TRUE(signature.check_outputs(parsed.outputs, "outputs")) << drawn.reply;

        // The same values, shown as a demo, read back: rendering and parsing are inverse.
        const PromptTemplate with_demo(signature, format, {parsed.outputs.with("text", "t")});
        const Segments& fixed = with_demo.render(Value::object({{"text", "t"}})).fixed();
        std::string shown = fixed.back().text();
        if (format == Format::completion && !signature.inputs().empty())
          shown = shown.substr(shown.find("\n", 3));
        const ParsedReply again = with_demo.parse(shown);
        ASSERT_TRUE(again.ok()) << to_string(format) << " " << signature.to_string() << "\n"
                                << shown << "\n"
                                << faults_of(again);
        EXPECT_EQ(again.outputs, parsed.outputs)
            << to_string(format) << " " << signature.to_string() << "\n"
            << shown;
      }
    }
  }
}

TEST(PromptTemplate, EveryLabelReadsBackAsItself) {
  const std::vector<std::string> labels = {"low",   "Low",   "card",       "card lost", "a<b",
                                           "x & y", "\"q\"", "two\nlines", " padded ",  "none",
                                           "{",     "true",  "it's",       "[[ x",      "é"};
  const Signature signature =
      Signature::make({{"text", Type::str()}}, {{"label", Type::enumeration(labels)}}).value();
  for (const Format format : kFormats) {
    const PromptTemplate prompt(signature, format, {});
    for (const ReplyPart& part : prompt.reply_plan()->parts) {
      const auto* slot = std::get_if<LabelSlot>(&part);
      if (!slot) continue;
      ASSERT_EQ(slot->labels.size(), labels.size());
      for (std::size_t i = 0; i < labels.size(); ++i) {
        std::string reply;
        for (const ReplyPart& piece : prompt.reply_plan()->parts) {
          const auto* forced = std::get_if<ForcedText>(&piece);
          reply += forced ? forced->text : slot->lead + slot->labels[i];
        }
        EXPECT_EQ(prompt.parse(reply).outputs.get("label"), Value(labels[i]))
            << to_string(format) << reply;
      }
    }
  }
}

TEST(PromptTemplate, StretchesOfRunningTextNeverEndInWhiteSpace) {
  const Signature signature =
      Signature::parse("text, note: optional[str] -> reasoning, label: enum(a, b)",
                       "  Pick one.\n\n")
          .value();
  const PromptTemplate prompt(
      signature, Format::completion,
      {Value::object(
           {{"text", "one \n\n two\n"}, {"note", " "}, {"reasoning", "r\n\ns "}, {"label", "a"}}),
       Value::object({{"text", "only"}, {"label", "b"}})});
  const Prompt rendered = prompt.render(Value::object({{"text", "in\nput "}, {"note", Value()}}));
  std::string whole;
  for (std::size_t i = 0; i < rendered.size(); ++i) {
    const std::string& text = rendered[i].text();
    EXPECT_FALSE(text.ends_with(' ') || text.ends_with('\n')) << text;
    whole += text;
  }
  for (const ReplyPart& part : prompt.reply_plan()->parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      EXPECT_TRUE(forced->text.ends_with(':'));
    }
  }
  EXPECT_EQ(whole,
            "Pick one.\nLabel is one of: a, b."
            "\n\nText: only\nLabel: b"
            "\n\nText: one\n  two\nNote:\nReasoning: r s\nLabel: a"
            "\n\nText: in\n  put\nNote: none");
}

TEST(PromptTemplate, SharesTheFixedPart) {
  const PromptTemplate prompt(signature_of("text -> label: enum(a, b)"), Format::chat, {});
  EXPECT_EQ(&prompt.render(Value::object({{"text", "1"}})).fixed(),
            &prompt.render(Value::object({{"text", "2"}})).fixed());
}

TEST(PromptTemplate, SortsDemosByWhatTheyHave) {
  const Signature signature = signature_of("a, b -> c, d");
  const std::vector<Value> demos = {
      Value::object({{"a", "full-a"}, {"b", "full-b"}, {"c", "full-c"}, {"d", "full-d"}}),
      Value::object({{"a", "part-a"}, {"c", "part-c"}}), Value::object({{"a", "no output"}}),
      Value::object({{"c", "no input"}}), "no object"};
  for (const Format format : kFormats) {
    const std::string text = prompt_text(PromptTemplate(signature, format, demos),
                                         Value::object({{"a", "1"}, {"b", "2"}}));
    EXPECT_LT(text.find("part-a"), text.find("full-a")) << to_string(format);
    EXPECT_NE(text.find("part-c"), std::string::npos);
    EXPECT_NE(text.find("full-d"), std::string::npos);
    EXPECT_EQ(text.find("no output"), std::string::npos);
    EXPECT_EQ(text.find("no input"), std::string::npos);
    EXPECT_EQ(text.find("no object"), std::string::npos);
  }
}

TEST(PromptTemplate, LeavesLongLabelListsOutOfCompletion) {
  std::vector<std::string> labels;
  for (int i = 0; i < 77; ++i) labels.push_back("label_" + std::to_string(i));
  const Signature signature =
      Signature::make({{"text", Type::str()}}, {{"label", Type::enumeration(labels)}}, "Route it.")
          .value();
  const Value inputs = Value::object({{"text", "x"}});
  EXPECT_EQ(prompt_text(PromptTemplate(signature, Format::completion, {}), inputs),
            "Route it.\n\nText: x");
  EXPECT_NE(prompt_text(PromptTemplate(signature, Format::chat, {}), inputs).find("label_76"),
            std::string::npos);
}

TEST(PromptTemplate, PutsIllFormedInputRight) {
  for (const Format format : kFormats) {
    const PromptTemplate prompt(signature_of("text -> label: enum(a, b)"), format, {});
    EXPECT_TRUE(is_utf8(prompt_text(prompt, Value::object({{"text", "caf\xE9"}}))))
        << to_string(format);
    EXPECT_EQ(prompt.parse("\xE9\xFF").faults.size(), 1U);
  }
}

TEST(PromptTemplate, FieldsWithTheSameLabelGoByTheirNames) {
  const Signature signature =
      Signature::make({{"text", Type::str()}}, {{"Text", Type::str()}}, "Copy.").value();
  const PromptTemplate prompt(signature, Format::completion, {});
  EXPECT_EQ(std::get<ForcedText>(prompt.reply_plan()->parts.front()).text, "\nText:");
  EXPECT_EQ(prompt_text(prompt, Value::object({{"text", "x"}})), "Copy.\n\ntext: x");
}

TEST(ReplyPlan, ScoresLabelsAndBooleansAndBoundsTheRest) {
  const PromptTemplate one(signature_of("text -> label: enum(a, b)"), Format::completion, {});
  ASSERT_EQ(one.reply_plan()->parts.size(), 2U);
  EXPECT_TRUE(one.reply_plan()->is_single_choice());
  const auto& label = std::get<LabelSlot>(one.reply_plan()->parts[1]);
  EXPECT_EQ(label.lead, " ");
  EXPECT_EQ(label.labels, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(label.close, "\n");

  const PromptTemplate json(signature_of("text -> label: optional[enum(a, b)], ok: bool, why"),
                            Format::json, {});
  const auto& parts = json.reply_plan()->parts;
  ASSERT_EQ(parts.size(), 7U);
  EXPECT_EQ(std::get<ForcedText>(parts[0]).text, R"({"label":)");
  EXPECT_EQ(std::get<LabelSlot>(parts[1]).labels,
            (std::vector<std::string>{"\"a\"", "\"b\"", "null"}));
  EXPECT_EQ(std::get<LabelSlot>(parts[3]).labels, (std::vector<std::string>{"true", "false"}));
  EXPECT_EQ(std::get<TextSlot>(parts[5]).lead, " \"");
  EXPECT_FALSE(std::get<TextSlot>(parts[5]).grammar.empty());
  EXPECT_EQ(std::get<ForcedText>(parts[6]).text, "}");
  EXPECT_TRUE(json.reply_plan()->json_schema.is_object());

  const PromptTemplate number(signature_of("text -> n: int(0..99)"), Format::chat, {});
  const auto& slot = std::get<TextSlot>(number.reply_plan()->parts[1]);
  EXPECT_EQ(slot.stop, std::vector<std::string>{"\n"});
  EXPECT_EQ(slot.max_tokens, 3U);
  EXPECT_TRUE(number.reply_plan()->json_schema.is_null());
}

struct Lenient {
  Format format;
  std::string reply;
  std::string outputs;  // JSON, or the faults
};

class LenientParse : public ::testing::TestWithParam<Lenient> {};

TEST_P(LenientParse, ReadsRemoteModels) {
  const PromptTemplate prompt(signature_of("text -> why, label: enum(low, high)"),
                              GetParam().format, {});
  const ParsedReply parsed = prompt.parse(GetParam().reply);
  EXPECT_EQ(parsed.ok() ? parsed.outputs.to_json() : faults_of(parsed), GetParam().outputs)
      << GetParam().reply;
}

const char kGood[] = R"({"why": "rain", "label": "high"})";

INSTANTIATE_TEST_SUITE_P(
    Chat, LenientParse,
    ::testing::Values(
        Lenient{Format::chat,
                "[[ ## why ## ]]\nrain\n\n[[ ## label ## ]]\nhigh\n\n[[ ## completed ## ]]\n",
                kGood},
        Lenient{Format::chat, "Sure!\n[[ ## why ## ]] rain\n[[ ## label ## ]] High.", kGood},
        Lenient{Format::chat,
                "[[##Why##]]\nrain\n[[ ## label ## ]]\n\"high\" [[ ## completed ## ]] bye", kGood},
        Lenient{Format::chat, "rain\n\n[[ ## label ## ]]\nhigh", kGood},
        Lenient{Format::chat,
                "[[ ## why ## ]]\nrain\n[[ ## label ## ]]\nhigh\n[[ ## text ## ]]\nmore\n[[ ## "
                "label ## ]]\nlow",
                kGood},
        Lenient{Format::chat, "```json\n{\"why\": \"rain\", \"label\": \"high\"}\n```", kGood},
        Lenient{Format::chat, "**Why:** rain\n**Label:** high", kGood},
        Lenient{Format::chat, "[[ ## why ## ]]\nrain",
                "label: missing; write it below the line [[ ## label ## ]]\n"},
        Lenient{Format::chat, "",
                "why: missing; write it below the line [[ ## why ## ]]\n"
                "label: missing; write it below the line [[ ## label ## ]]\n"}));

INSTANTIATE_TEST_SUITE_P(
    Completion, LenientParse,
    ::testing::Values(Lenient{Format::completion, "\nWhy: rain\nLabel: high", kGood},
                      Lenient{Format::completion,
                              " rain\nLabel: high\n\nText: another\nWhy: sun\nLabel: low", kGood},
                      Lenient{Format::completion, "- **why**: rain\n- **LABEL**: `high`", kGood},
                      Lenient{Format::completion, kGood, kGood},
                      Lenient{Format::completion, "Why: **rain** falls\n**Label: ** high",
                              R"({"why": "**rain** falls", "label": "high"})"},
                      Lenient{Format::completion, "**Why: rain**\n- **Label: high**", kGood},
                      Lenient{Format::completion, "**Why:** rain\n**Label:** high", kGood},
                      Lenient{Format::completion, "**Why: 2**3 and x**\nLabel: high",
                              R"({"why": "2**3 and x**", "label": "high"})"},
                      Lenient{Format::completion, "Why: rain\nLabel: medium",
                              "label: 'medium' is not one of low, high\n"},
                      Lenient{Format::completion, "\nWhy: rain",
                              "label: missing; write a line that begins with \"Label:\"\n"}));

INSTANTIATE_TEST_SUITE_P(
    Json, LenientParse,
    ::testing::Values(
        Lenient{Format::json, kGood, kGood},
        Lenient{Format::json, "Here [1]:\n```json\n{'why': 'rain', 'Label': 'HIGH',}\n```", kGood},
        Lenient{Format::json, R"({"why": "rain", "label": "high)", kGood},
        Lenient{Format::json, "why: rain\nlabel: high", kGood},
        Lenient{Format::json, R"({"why": "rain"})",
                "label: missing; give the JSON object the key \"label\"\n"},
        Lenient{Format::json, R"({"why": null, "label": 3})",
                "why: null, but a value is needed\nlabel: '3' is not one of low, high\n"}));

INSTANTIATE_TEST_SUITE_P(
    Xml, LenientParse,
    ::testing::Values(
        Lenient{Format::xml, "<why>rain</why>\n<label>high</label>", kGood},
        Lenient{Format::xml, "Sure.\n<output><why>\nrain\n</why><Label>High</Label></output>",
                kGood},
        Lenient{Format::xml, "<why>rain\n<label>high</la", kGood},
        Lenient{Format::xml, kGood, kGood},
        Lenient{Format::xml, "<why>a &lt; b &amp; c < d</why><label>low</label>",
                R"({"why": "a < b & c < d", "label": "low"})"},
        Lenient{Format::xml,
                "<why>I would put <label>low</label> but no</why>\n<label>high</label>",
                R"({"why": "I would put <label>low</label> but no", "label": "high"})"},
        Lenient{Format::xml, "<label>high</label>\n<why>rain</why>", kGood},
        Lenient{Format::xml, "<why>rain</why>", "label: missing; write it as <label>…</label>\n"}));

TEST(PromptTemplate, XmlWithoutAClosingTagKeepsTheTagsOfAValue) {
  const PromptTemplate prompt(signature_of("q -> answer"), Format::xml, {});
  const auto answer = [&](std::string_view reply) {
    return prompt.parse(reply).outputs.get("answer");
  };
  EXPECT_EQ(answer("<answer>Use <b>bold</b> text"), Value("Use <b>bold</b> text"));
  EXPECT_EQ(answer("<answer>Use <b>bold</b>\n</ans"), Value("Use <b>bold</b>"));
  EXPECT_EQ(answer("<output><answer>Yes</output>"), Value("Yes"));
}

TEST(PromptTemplate, XmlTellsNamesApartThatDifferInCase) {
  const PromptTemplate prompt(signature_of("q -> Label, label"), Format::xml, {});
  for (const char* reply :
       {"<Label>a</Label>\n<label>b</label>", "<label>b</label>\n<Label>a</Label>"}) {
    EXPECT_EQ(prompt.parse(reply).outputs.to_json(), R"({"Label": "a", "label": "b"})") << reply;
  }
}

TEST(PromptTemplate, ASingleOutputNeedsNoMarks) {
  for (const Format format : kFormats) {
    const PromptTemplate prompt(signature_of("text -> label: enum(low, high)"), format, {});
    EXPECT_EQ(prompt.parse("High.").outputs.get("label"), Value("high")) << to_string(format);
    EXPECT_EQ(prompt.parse("The label is: \"low\"").outputs.get("label"), Value("low"))
        << to_string(format);
  }
  // Where JSON was asked for, prose is no answer.
  EXPECT_FALSE(
      PromptTemplate(signature_of("q -> a"), Format::json, {}).parse("I cannot do that.").ok());
}

TEST(PromptTemplate, JsonNeverCutsANumberAtItsComma) {
  const PromptTemplate prompt(signature_of("item -> price: int"), Format::json, {});
  EXPECT_EQ(prompt.parse(R"({"price": 1,250})").outputs.get("price"), Value(1250));
  EXPECT_FALSE(prompt.parse(R"({"price": 1,25})").ok());
}

TEST(PromptTemplate, ParseSurvivesAnyBytes) {
  Rng rng(2);
  static const std::vector<std::string> kPieces = {
      "[[ ## ", "label", " ## ]]",  "<",   "</",   ">",    "why", ":",  "\n",    "{",
      "}",      "\"",    "Label: ", "```", "\xFF", "high", ",",   "[[", "\\u12", "none"};
  for (const Format format : kFormats) {
    const PromptTemplate prompt(
        signature_of("text -> why: list[str], label: enum(low, high), n: optional[int]"), format,
        {});
    for (int i = 0; i < 2000; ++i) {
      std::string reply;
      for (std::size_t n = rng.below(25); n > 0; --n) reply += kPieces[rng.below(kPieces.size())];
      const ParsedReply parsed = prompt.parse(reply);
      EXPECT_EQ(parsed.ok(), parsed.outputs.size() == 3U) << reply;
      if (parsed.ok()) {
        EXPECT_TRUE(prompt.signature().check_outputs(parsed.outputs, "outputs")) << reply;
      }
    }
  }
}

TEST(PromptTemplate, FaultMessageNamesEveryFault) {
  const std::string text = PromptTemplate::fault_message(
      {bad_reply("a", "missing"), bad_reply("b", "'x' is not a number")});
  EXPECT_EQ(text,
            "Your last reply cannot be used:\n- a: missing\n- b: 'x' is not a number\n"
            "Write the whole reply again in the layout asked for, with this mended.");
}

TEST(Formats, NamesReadBack) {
  for (const Format format : kFormats) EXPECT_EQ(parse_format(to_string(format)).value(), format);
  EXPECT_EQ(
      parse_format("jsn").error().text(),
      "format: unknown format 'jsn'; did you mean json? (formats: chat, completion, json, xml)");
}

}  // namespace
}  // namespace hone
