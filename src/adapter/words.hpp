// Characters and words of replies, in UTF-8 of any script.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace hone::internal {

bool is_digit(char c);
// A letter of English or a digit.
bool is_ascii_word(char c);

// Where the character that begins at a byte ends. Precondition: `at` is inside the text.
std::size_t character_end(std::string_view text, std::size_t at);
// Where the character that ends before a byte begins. Precondition: `end` is above 0.
std::size_t character_begin(std::string_view text, std::size_t end);
// The code point that begins at a byte; bytes that are no UTF-8 give some code point.
std::uint32_t code_at(std::string_view text, std::size_t at);

// Letters and digits of any script: all but the blocks of punctuation, signs and emoji.
bool is_word_code(std::uint32_t code);
// A hyphen, dash or minus of any width.
bool is_dash_code(std::uint32_t code);
// Whether a letter or digit ends before, or begins at, a byte.
bool word_before(std::string_view text, std::size_t end);
bool word_after(std::string_view text, std::size_t at);

// Without the quotes, emphasis, brackets and sentence ends that models put around a short answer.
std::string_view strip_marks(std::string_view text);

// The first line that is not blank, trimmed.
std::string_view first_line(std::string_view text);

}  // namespace hone::internal
