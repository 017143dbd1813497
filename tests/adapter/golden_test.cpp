// Whole prompts and replies of every format, compared byte by byte with the files in tests/golden.
//
// A golden file is a list of sections, each under a line "=== name":
//   signature, instructions, format, demos (a JSON object a line), inputs (JSON), reply (any number
//   of them)
// are what the test reads; prompt, plan and parsed (one after each reply) are what hone makes of
// them. HONE_UPDATE_GOLDEN=1 writes those anew. docs/adapter.md shows some of the sections between
// lines
// "<!-- golden FILE SECTION -->" and "<!-- end -->"; they are held equal in the same way.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "hone/adapter/prompt_template.hpp"
#include "hone/base/file.hpp"
#include "hone/base/text.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

const char kHowToUpdate[] =
    "If the new text is meant, run the test again with HONE_UPDATE_GOLDEN=1 and review the diff.";

bool updating() {
  const char* flag = std::getenv("HONE_UPDATE_GOLDEN");
  return flag && std::string_view(flag) == "1";
}

fs::path source(std::string_view name) {
  return fs::path(HONE_SOURCE_DIR) / name;
}

struct Section {
  std::string name;
  std::string text;  // without the final line end
};

std::vector<Section> read_sections(const std::string& text) {
  std::vector<Section> sections;
  for (const std::string& line : split(text, '\n')) {
    if (line.starts_with("=== ")) {
      sections.push_back({line.substr(4), {}});
    } else if (!sections.empty()) {
      sections.back().text += line + "\n";
    }
  }
  // Every section ends with the line end before the next mark, the last one with the file's.
  for (Section& section : sections) section.text.pop_back();
  if (!sections.empty() && sections.back().text.ends_with('\n')) sections.back().text.pop_back();
  return sections;
}

std::string write_sections(const std::vector<Section>& sections) {
  std::string out;
  for (const Section& section : sections) out += "=== " + section.name + "\n" + section.text + "\n";
  return out;
}

std::string plan_text(const ReplyPlan& plan) {
  std::string out;
  for (const ReplyPart& part : plan.parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      out += "forced " + Value(forced->text).to_json() + "\n";
    } else if (const auto* label = std::get_if<LabelSlot>(&part)) {
      out += "label " + label->field + " lead " + Value(label->lead).to_json() + " labels " +
             Value::strings(label->labels).to_json() + " close " + Value(label->close).to_json() +
             "\n";
    } else if (const auto* slot = std::get_if<TextSlot>(&part)) {
      const auto rules = std::count(slot->grammar.begin(), slot->grammar.end(), '\n');
      out += "text " + slot->field + " lead " + Value(slot->lead).to_json() + " stop " +
             Value::strings(slot->stop).to_json() + " max_tokens " +
             std::to_string(slot->max_tokens) + " grammar ";
      out += rules == 0   ? "none\n"
             : rules > 12 ? std::to_string(rules) + " rules\n"
                          : "\n" + slot->grammar;
    }
  }
  out += "stop " + Value::strings(plan.stop).to_json();
  return out;
}

std::string parsed_text(const ParsedReply& parsed) {
  std::string out = parsed.outputs.to_json();
  for (const Error& fault : parsed.faults) out += "\nfault " + fault.text();
  return out;
}

// The sections as hone makes them now.
std::vector<Section> regenerate(const std::vector<Section>& sections) {
  const auto get = [&](std::string_view name) {
    for (const Section& section : sections) {
      if (section.name == name) return section.text;
    }
    return std::string();
  };
  std::vector<Value> demos;
  for (const std::string& line : split(get("demos"), '\n')) {
    if (!line.empty()) demos.push_back(Value::parse_json(line, "demos").value());
  }
  const Signature signature = Signature::parse(get("signature"), get("instructions")).value();
  const PromptTemplate prompt(signature, parse_format(get("format")).value(), demos);
  std::string dump = prompt.render(Value::parse_json(get("inputs"), "inputs").value()).dump();
  if (dump.ends_with('\n')) dump.pop_back();

  std::vector<Section> out;
  for (const Section& section : sections) {
    if (section.name == "prompt" || section.name == "plan" || section.name == "parsed") continue;
    out.push_back(section);
    if (section.name == "inputs") {
      out.push_back({"prompt", dump});
      out.push_back({"plan", plan_text(*prompt.reply_plan())});
    } else if (section.name == "reply") {
      out.push_back({"parsed", parsed_text(prompt.parse(section.text))});
    }
  }
  return out;
}

// The lines around the first difference, with its number.
std::string difference(const std::string& expected, const std::string& actual) {
  const std::vector<std::string> want = split(expected, '\n');
  const std::vector<std::string> got = split(actual, '\n');
  std::size_t at = 0;
  while (at < want.size() && at < got.size() && want[at] == got[at]) ++at;
  std::string out = "first difference in line " + std::to_string(at + 1) + "\n";
  for (std::size_t i = at < 2 ? 0 : at - 2; i < at; ++i) out += "    " + want[i] + "\n";
  for (std::size_t i = at; i < std::min(at + 4, want.size()); ++i) out += "  - " + want[i] + "\n";
  for (std::size_t i = at; i < std::min(at + 4, got.size()); ++i) out += "  + " + got[i] + "\n";
  return out;
}

void expect_file(const fs::path& path, const std::string& before, const std::string& now) {
  if (before == now) return;
  if (updating()) {
    ASSERT_TRUE(write_file(path, now));
    return;
  }
  ADD_FAILURE() << path.filename().string() << ": " << difference(before, now) << kHowToUpdate;
}

std::vector<fs::path> golden_files() {
  std::vector<fs::path> files;
  for (const auto& entry : fs::directory_iterator(source("tests/golden"))) {
    if (entry.path().extension() == ".txt") files.push_back(entry.path());
  }
  std::sort(files.begin(), files.end());
  return files;
}

class Golden : public ::testing::TestWithParam<fs::path> {};

TEST_P(Golden, PromptsAndRepliesStayAsTheyAre) {
  const std::string before = read_file(GetParam()).value();
  expect_file(GetParam(), before, write_sections(regenerate(read_sections(before))));
}

INSTANTIATE_TEST_SUITE_P(Files, Golden, ::testing::ValuesIn(golden_files()), [](const auto& file) {
  std::string name = file.param.stem().string();
  std::replace_if(
      name.begin(), name.end(), [](char c) { return !isalnum(static_cast<unsigned char>(c)); },
      '_');
  return name;
});

TEST(GoldenDocs, TheManualShowsTheGoldenTexts) {
  const fs::path path = source("docs/adapter.md");
  const std::string before = read_file(path).value();
  std::string now;
  std::size_t shown = 0;
  std::size_t at = 0;
  for (;;) {
    const std::size_t mark = before.find("<!-- golden ", at);
    if (mark == std::string::npos) break;
    const std::size_t line_end = before.find('\n', mark);
    const std::size_t end = before.find("<!-- end -->", mark);
    ASSERT_TRUE(line_end < end && end != std::string::npos) << "a golden mark without its end";
    const std::vector<std::string> words = split(before.substr(mark, line_end - mark), ' ');
    ASSERT_EQ(words.size(), 5U);
    std::string text;
    for (const Section& section :
         read_sections(read_file(source("tests/golden/" + words[2] + ".txt")).value())) {
      if (section.name == words[3]) text = section.text;
    }
    EXPECT_FALSE(text.empty()) << words[2] << " has no section " << words[3];
    now += before.substr(at, line_end + 1 - at) + "```text\n" + text + "\n```\n";
    at = end;
    ++shown;
  }
  now += before.substr(at);
  EXPECT_GE(shown, kFormats.size());
  expect_file(path, before, now);
}

}  // namespace
}  // namespace hone
