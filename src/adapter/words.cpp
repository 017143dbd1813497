#include "adapter/words.hpp"

#include <algorithm>
#include <array>

#include "hone/base/text.hpp"

namespace hone::internal {
namespace {

constexpr std::string_view kQuoteMarks = "\"'`*_";
// The same of two characters: “a”, ‘a’, „a“, «a».
struct MarkPair {
  std::string_view open;
  std::string_view close;
};
constexpr std::array<MarkPair, 4> kMarkPairs = {{{"\xE2\x80\x9C", "\xE2\x80\x9D"},
                                                 {"\xE2\x80\x98", "\xE2\x80\x99"},
                                                 {"\xE2\x80\x9E", "\xE2\x80\x9C"},
                                                 {"\xC2\xAB", "\xC2\xBB"}}};

struct CodeRange {
  std::uint32_t first;
  std::uint32_t last;
};

}  // namespace

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_ascii_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

std::size_t character_end(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0xC0 ? 1U : lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U;
  return std::min(at + length, text.size());
}

std::size_t character_begin(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && end - at < 4 && static_cast<unsigned char>(text[at]) >= 0x80 &&
         static_cast<unsigned char>(text[at]) < 0xC0)
    --at;
  return at;
}

std::uint32_t code_at(std::string_view text, std::size_t at) {
  const auto byte = [&](std::size_t i) -> std::uint32_t {
    return i < text.size() ? static_cast<unsigned char>(text[i]) : 0U;
  };
  const auto tail = [&](std::size_t i) -> std::uint32_t { return byte(i) & 0x3FU; };
  const std::uint32_t lead = byte(at);
  if (lead < 0xC0U) return lead;
  if (lead < 0xE0U) return ((lead & 0x1FU) << 6U) | tail(at + 1);
  if (lead < 0xF0U) return ((lead & 0x0FU) << 12U) | (tail(at + 1) << 6U) | tail(at + 2);
  return ((lead & 0x07U) << 18U) | (tail(at + 1) << 12U) | (tail(at + 2) << 6U) | tail(at + 3);
}

bool is_word_code(std::uint32_t code) {
  constexpr std::array<CodeRange, 9> kSigns = {{{0xA0, 0xBF},
                                                {0x2000, 0x206F},
                                                {0x20A0, 0x20CF},
                                                {0x2190, 0x2BFF},
                                                {0x3000, 0x303F},
                                                {0xFE00, 0xFE0F},
                                                {0xFF00, 0xFF0F},
                                                {0xFF1A, 0xFF20},
                                                {0x1F000, 0x1FFFF}}};
  if (code < 0x80) return is_ascii_word(static_cast<char>(code));
  if (code == 0xAA || code == 0xBA) return true;  // ª and º
  return std::none_of(kSigns.begin(), kSigns.end(), [&](const CodeRange& range) {
    return code >= range.first && code <= range.last;
  });
}

bool is_dash_code(std::uint32_t code) {
  return code == '-' || (code >= 0x2010 && code <= 0x2015) || code == 0x2212;
}

bool word_before(std::string_view text, std::size_t end) {
  return end > 0 && is_word_code(code_at(text, character_begin(text, end)));
}

bool word_after(std::string_view text, std::size_t at) {
  return at < text.size() && is_word_code(code_at(text, at));
}

std::string_view strip_marks(std::string_view text) {
  text = trim(text);
  for (bool changed = true; changed && !text.empty();) {
    changed = false;
    if (std::string_view(".,;:!").find(text.back()) != std::string_view::npos && text.size() > 1) {
      text = trim(text.substr(0, text.size() - 1));
      changed = true;
    }
    if (text.size() < 2) continue;
    const char first = text.front();
    const char last = text.back();
    const bool same = first == last && kQuoteMarks.find(first) != std::string_view::npos;
    const bool brackets = (first == '(' && last == ')') || (first == '[' && last == ']') ||
                          (first == '<' && last == '>') || (first == '{' && last == '}');
    if (same || brackets) {
      text = trim(text.substr(1, text.size() - 2));
      changed = true;
    }
    for (const auto& [open, close] : kMarkPairs) {
      if (text.size() <= open.size() + close.size() || !text.starts_with(open) ||
          !text.ends_with(close))
        continue;
      text = trim(text.substr(open.size(), text.size() - open.size() - close.size()));
      changed = true;
    }
  }
  return text;
}

std::string_view first_line(std::string_view text) {
  text = trim(text);
  return trim(text.substr(0, text.find('\n')));
}

}  // namespace hone::internal
