// The commands of README and docs: their words are ones the command knows, their files are there.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "hone/base/text.hpp"

#include "apps/child_process.hpp"

namespace hone::tests {
namespace {

namespace fs = std::filesystem;

using Words = std::vector<std::string>;

const fs::path kRoot = HONE_SOURCE_DIR;

struct DocsCommand {
  std::string place;
  Words words;  // as a shell would see them, quotes aside
};

// Lines of ```sh blocks that begin with `hone`, with what a backslash carries on.
std::vector<DocsCommand> commands_of(const fs::path& page) {
  std::vector<DocsCommand> out;
  std::ifstream in(page);
  bool inside = false;
  std::string whole;
  std::string line;
  for (std::size_t number = 1; std::getline(in, line); ++number) {
    if (line.starts_with("```")) inside = line == "```sh";
    if (!inside) continue;
    const bool goes_on = line.ends_with('\\');
    if (goes_on) line.pop_back();
    whole += line;
    if (goes_on) continue;
    if (whole.starts_with("hone ")) {
      out.push_back({page.filename().string() + ":" + std::to_string(number),
                     split(whole.substr(0, whole.find(" # ")), ' ')});
    }
    whole.clear();
  }
  return out;
}

class Helps {
 public:
  const std::string& of(const Words& command) {
    const std::string key = join(command, " ");
    const auto found = known_.find(key);
    if (found != known_.end()) return found->second;
    Words words = command;
    words.emplace_back("--help");
    const Finished finished = run_hone(words);
    EXPECT_EQ(finished.code, 0) << key << ": " << finished.err;
    return known_.emplace(key, finished.out).first->second;
  }

 private:
  std::map<std::string, std::string> known_;
};

TEST(DocsCommands, AreOnesTheCommandKnows) {
  std::vector<fs::path> pages = {kRoot / "README.md"};
  for (const auto& entry : fs::directory_iterator(kRoot / "docs")) {
    if (entry.path().extension() == ".md") pages.push_back(entry.path());
  }
  Helps helps;
  std::size_t checked = 0;
  for (const fs::path& page : pages) {
    for (const DocsCommand& command : commands_of(page)) {
      const Words& words = command.words;
      ASSERT_GE(words.size(), 2U) << command.place;
      const bool is_nested = words[1] == "models" || words[1] == "study";
      const Words name(words.begin() + 1, words.begin() + (is_nested ? 3 : 2));
      const std::string& help = helps.of(name);
      for (const std::string& word : words) {
        if (word.starts_with("--")) {
          EXPECT_NE(help.find(word), std::string::npos)
              << command.place << ": hone " << join(name, " ") << " knows no " << word;
        }
        if (word.starts_with("examples/")) {
          EXPECT_TRUE(fs::exists(kRoot / word.substr(0, word.find('"'))))
              << command.place << ": there is no " << word;
        }
      }
      ++checked;
    }
  }
  EXPECT_GT(checked, 15U);
}

}  // namespace
}  // namespace hone::tests
