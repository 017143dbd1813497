#include "hone/text_diff.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <vector>

namespace hone::cli {
namespace {

constexpr std::size_t kMostWords = 2000;

bool is_space(char byte) {
  return std::isspace(static_cast<unsigned char>(byte)) != 0;
}

// Words with the white space after them.
std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  bool in_space = true;
  for (const char byte : text) {
    if (words.empty() || (in_space && !is_space(byte))) words.emplace_back();
    in_space = is_space(byte);
    words.back() += byte;
  }
  return words;
}

// The last word of a text has no space after it, and is the same word all the same.
bool same(std::string_view a, std::string_view b) {
  while (!a.empty() && is_space(a.back())) a.remove_suffix(1);
  while (!b.empty() && is_space(b.back())) b.remove_suffix(1);
  return a == b;
}

std::string marked(const char* open, std::string text, const char* close) {
  std::string space;
  while (!text.empty() && is_space(text.back())) {
    space.insert(space.begin(), text.back());
    text.pop_back();
  }
  return text.empty() ? space : open + text + close + (space.empty() ? " " : space);
}

}  // namespace

std::string word_diff(std::string_view before, std::string_view after) {
  const std::vector<std::string> a = words_of(before);
  const std::vector<std::string> b = words_of(after);
  std::string out;
  std::string gone;
  std::string fresh;
  const auto flush = [&] {
    if (!gone.empty()) out += marked("[-", gone, "-]");
    if (!fresh.empty()) out += marked("{+", fresh, "+}");
    gone.clear();
    fresh.clear();
  };
  std::size_t i = 0;
  std::size_t j = 0;
  if (a.size() <= kMostWords && b.size() <= kMostWords) {
    // length[i][j]: of the longest common subsequence of what begins at i and at j.
    const std::size_t width = b.size() + 1;
    std::vector<std::uint16_t> length((a.size() + 1) * width, 0);
    for (std::size_t x = a.size(); x-- > 0;) {
      for (std::size_t y = b.size(); y-- > 0;) {
        length[x * width + y] =
            same(a[x], b[y]) ? static_cast<std::uint16_t>(length[(x + 1) * width + y + 1] + 1)
                             : std::max(length[(x + 1) * width + y], length[x * width + y + 1]);
      }
    }
    while (i < a.size() && j < b.size()) {
      if (same(a[i], b[j])) {
        flush();
        out += b[j++];
        ++i;
      } else if (length[(i + 1) * width + j] >= length[i * width + j + 1]) {
        gone += a[i++];
      } else {
        fresh += b[j++];
      }
    }
  }
  while (i < a.size()) gone += a[i++];
  while (j < b.size()) fresh += b[j++];
  flush();
  while (!out.empty() && is_space(out.back())) out.pop_back();
  return out;
}

}  // namespace hone::cli
