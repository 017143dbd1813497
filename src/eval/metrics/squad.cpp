#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "hone/base/text.hpp"
#include "hone/eval/metric.hpp"

namespace hone {
namespace {

// Decodes one character; precondition: `text` is well-formed UTF-8 and not empty.
char32_t take_character(std::string_view& text) {
  const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  std::size_t length = 1;
  char32_t code = first;
  if (first >= 0xF0) {
    length = 4;
    code = first & 0x07U;
  } else if (first >= 0xE0) {
    length = 3;
    code = first & 0x0FU;
  } else if (first >= 0xC0) {
    length = 2;
    code = first & 0x1FU;
  }
  for (std::size_t i = 1; i < length; ++i) code = (code << 6) | (byte(i) & 0x3FU);
  text.remove_prefix(length);
  return code;
}

void append_character(std::string& out, char32_t code) {
  const auto tail = [&](int shift) {
    out += static_cast<char>(0x80U | ((static_cast<std::uint32_t>(code) >> shift) & 0x3FU));
  };
  if (code < 0x80) {
    out += static_cast<char>(code);
  } else if (code < 0x800) {
    out += static_cast<char>(0xC0U | (code >> 6));
    tail(0);
  } else if (code < 0x10000) {
    out += static_cast<char>(0xE0U | (code >> 12));
    tail(6);
    tail(0);
  } else {
    out += static_cast<char>(0xF0U | (code >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

bool in(char32_t c, char32_t low, char32_t high) {
  return c >= low && c <= high;
}

// Blocks where capitals and small letters alternate, the capital first.
bool is_capital_at_even(char32_t c) {
  return in(c, 0x100, 0x137) || in(c, 0x14A, 0x177) || in(c, 0x1DE, 0x1EF) || in(c, 0x1F8, 0x21F) ||
         in(c, 0x222, 0x233) || in(c, 0x460, 0x481) || in(c, 0x48A, 0x4BF) || in(c, 0x4D0, 0x52F) ||
         in(c, 0x1E00, 0x1E95) || in(c, 0x1EA0, 0x1EFF);
}
bool is_capital_at_odd(char32_t c) {
  return in(c, 0x139, 0x148) || in(c, 0x179, 0x17E) || in(c, 0x1CD, 0x1DC) || in(c, 0x4C1, 0x4CE);
}

// Small letters of Latin, Greek, Cyrillic, Armenian and full-width capitals, whatever the locale:
// what the C library does depends on the machine's settings, and a score must not.
char32_t small_letter(char32_t c) {
  if (c < 0x80) return in(c, 'A', 'Z') ? c + 32 : c;
  if (in(c, 0xC0, 0xDE)) return c == 0xD7 ? c : c + 32;
  if (c == 0x130) return 'i';
  if (c == 0x178) return 0xFF;
  if (c == 0x386) return 0x3AC;
  if (in(c, 0x388, 0x38A)) return c + 37;
  if (c == 0x38C) return 0x3CC;
  if (in(c, 0x38E, 0x38F)) return c + 63;
  if (in(c, 0x391, 0x3AB)) return c == 0x3A2 ? c : c + 32;
  if (c == 0x3C2) return 0x3C3;  // a sigma at a word's end is still a sigma
  if (in(c, 0x400, 0x40F)) return c + 80;
  if (in(c, 0x410, 0x42F)) return c + 32;
  if (in(c, 0x531, 0x556)) return c + 48;
  if (c == 0x1E9E) return 0xDF;
  if (in(c, 0xFF21, 0xFF3A)) return c + 32;
  if (is_capital_at_even(c)) return c % 2 == 0 ? c + 1 : c;
  if (is_capital_at_odd(c)) return c % 2 == 1 ? c + 1 : c;
  return c;
}

bool is_white(char32_t c) {
  return c == ' ' || in(c, 0x09, 0x0D) || c == 0x85 || c == 0xA0 || c == 0x1680 ||
         in(c, 0x2000, 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F || c == 0x205F ||
         c == 0x3000;
}

// ASCII punctuation as in the original, and what stands for it in other scripts and in typeset
// text; marks that show nothing (soft hyphen, zero-width space, byte-order mark) go with it.
bool is_dropped(char32_t c) {
  return in(c, 0x21, 0x2F) || in(c, 0x3A, 0x40) || in(c, 0x5B, 0x60) || in(c, 0x7B, 0x7E) ||
         c == 0xA1 || c == 0xA7 || c == 0xAB || c == 0xAD || c == 0xB6 || c == 0xB7 || c == 0xBB ||
         c == 0xBF || in(c, 0x200B, 0x2027) || in(c, 0x2030, 0x205E) || c == 0x2060 ||
         in(c, 0x3001, 0x3003) || in(c, 0x3008, 0x3011) || in(c, 0x3014, 0x301F) || c == 0x30FB ||
         c == 0xFEFF || in(c, 0xFF01, 0xFF0F) || in(c, 0xFF1A, 0xFF20) || in(c, 0xFF3B, 0xFF40) ||
         in(c, 0xFF5B, 0xFF65);
}

bool is_article(std::string_view word) {
  return word == "a" || word == "an" || word == "the";
}

}  // namespace

std::string squad_normalize(std::string_view text) {
  const std::string utf8 = to_utf8(text);
  std::string out;
  std::string word;
  const auto end_word = [&] {
    if (!word.empty() && !is_article(word)) {
      if (!out.empty()) out += ' ';
      out += word;
    }
    word.clear();
  };
  for (std::string_view rest = utf8; !rest.empty();) {
    const char32_t c = take_character(rest);
    if (is_white(c)) {
      end_word();
    } else if (!is_dropped(c)) {
      append_character(word, small_letter(c));
    }
  }
  end_word();
  return out;
}

}  // namespace hone
