// Keeps README and docs true: their C++ is compiled, their TOML is read, their commands exist.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/file.hpp"
#include "hone/base/text.hpp"
#include "hone/optimize/optimizer.hpp"
#include "hone/program/program_file.hpp"

namespace hone {
namespace {

const std::filesystem::path kRoot = HONE_SOURCE_DIR;

constexpr std::string_view kTenPassages = R"({"text": "one"}
{"text": "two"}
{"text": "three"}
{"text": "four"}
{"text": "five"}
{"text": "six"}
{"text": "seven"}
{"text": "eight"}
{"text": "nine"}
{"text": "ten"}
)";

struct Block {
  std::string file;
  std::size_t line;
  std::string text;
};

std::vector<std::filesystem::path> pages() {
  std::vector<std::filesystem::path> out{kRoot / "README.md"};
  for (const auto& entry : std::filesystem::directory_iterator(kRoot / "docs")) {
    if (entry.path().extension() == ".md") out.push_back(entry.path());
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<Block> blocks(std::string_view language) {
  std::vector<Block> out;
  for (const auto& page : pages()) {
    std::ifstream in(page);
    std::string line;
    bool inside = false;
    for (std::size_t number = 1; std::getline(in, line); ++number) {
      if (!inside && line == "```" + std::string(language)) {
        inside = true;
        out.push_back({page.filename().string(), number, {}});
      } else if (inside && line.starts_with("```")) {
        inside = false;
      } else if (inside) {
        out.back().text += line + "\n";
      }
    }
  }
  return out;
}

std::string without_space(std::string_view text) {
  std::string out;
  std::copy_if(text.begin(), text.end(), std::back_inserter(out),
               [](char c) { return c != ' ' && c != '\n' && c != '\t'; });
  return out;
}

TEST(Docs, EveryCppSnippetIsCompiled) {
  std::vector<std::string> sources;
  for (const char* folder : {"tests/docs", "examples"}) {
    for (const auto& entry : std::filesystem::directory_iterator(kRoot / folder)) {
      if (entry.path().extension() != ".cpp") continue;
      sources.push_back(without_space(read_file(entry.path()).value()));
    }
  }
  const std::vector<Block> snippets = blocks("cpp");
  EXPECT_FALSE(snippets.empty());
  for (const Block& block : snippets) {
    // A snippet may leave out what stands between two parts of it: parts are divided by a line "//
    // …".
    std::string rest = block.text;
    while (!rest.empty()) {
      const std::size_t cut = rest.find("// …\n");
      const std::string part = without_space(rest.substr(0, cut));
      rest = cut == std::string::npos ? std::string()
                                      : rest.substr(cut + std::string_view("// …\n").size());
      const bool is_compiled = std::any_of(
          sources.begin(), sources.end(),
          [&](const std::string& source) { return source.find(part) != std::string::npos; });
      EXPECT_TRUE(is_compiled) << block.file << ":" << block.line
                               << ": put this into tests/docs/snippets_test.cpp:\n"
                               << block.text;
    }
  }
}

TEST(Docs, EveryTomlBlockIsReadAndItsProgramIsBuilt) {
  for (const Block& block : blocks("toml")) {
    const std::filesystem::path folder = ::testing::TempDir();
    const std::filesystem::path file = folder / "hone_docs_block.toml";
    ASSERT_TRUE(write_file(file, block.text));
    // What blocks name as a corpus.
    ASSERT_TRUE(write_file(folder / "passages.jsonl", kTenPassages));
    const Result<Value> read = read_toml(file);
    ASSERT_TRUE(read) << block.file << ":" << block.line << ": " << read.error().text();
    if (const Value* program = read->find("program")) {
      const Result<Program> built = program_from_config(*program, block.file, {}, folder);
      EXPECT_TRUE(built) << block.file << ":" << block.line << ": " << built.error().text();
    }
    if (const Value* optimizer = read->find("optimizer")) {
      const Result<std::unique_ptr<Optimizer>> made =
          make_optimizer(optimizer->get("name").text(), optimizer->without("name"));
      EXPECT_TRUE(made) << block.file << ":" << block.line << ": " << made.error().text();
    }
    std::filesystem::remove(file);
    std::filesystem::remove(folder / "passages.jsonl");
  }
}

}  // namespace
}  // namespace hone
