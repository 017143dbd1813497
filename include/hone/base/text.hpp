// Small text tools that messages and prompts share.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

std::string_view trim(std::string_view text);  // ASCII white space at both ends
std::vector<std::string> split(std::string_view text, char separator);
std::string join(std::span<const std::string> parts, std::string_view separator);
std::string to_lower(std::string_view text);  // ASCII letters only
// True when bytes are well-formed UTF-8 (no overlong forms, no surrogates).
bool is_utf8(std::string_view bytes);
// Replaces every ill-formed byte by U+FFFD, so that what goes into JSON or a prompt is always
// UTF-8.
std::string to_utf8(std::string_view bytes);
// Number as text that reads back the same: in plain digits, as people and grammars write numbers
// ("0.1", "300000"), and with an exponent below 1e-6 and from 1e16 on ("1e+30").
std::string number_text(double number);
// Glob with `*` (any run, dots included) and `?` (one character).
bool glob_match(std::string_view pattern, std::string_view text);
// Up to `count` of `known` nearest to `name` by edit distance, nearest first; empty when none is
// near.
std::vector<std::string> nearest_names(std::string_view name, std::span<const std::string> known,
                                       std::size_t count = 3);
// ": did you mean a, b?" for messages about unknown names; empty when nothing is near.
std::string did_you_mean(std::string_view name, std::span<const std::string> known);
// First `limit` bytes, cut at a character border, with "…" when something was cut.
std::string shorten(std::string_view text, std::size_t limit);

}  // namespace hone
