// How types, labels and absent values are worded in prompts; formats and coercion must agree on
// these.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hone/core/type.hpp"
#include "hone/core/value.hpp"

namespace hone::internal {

// Words that mean "no value" for an optional, lower case. The first one is what prompts show.
bool is_null_word(std::string_view text);
inline constexpr std::string_view kNullWord = "none";

// A label as it stands in plain text: as it is, or as a JSON string where it holds what a line of
// text cannot (line breaks, quotes or white space at its ends).
std::string label_text(std::string_view label);

// The choices of a type whose values are known texts: an enum, a bool, or an optional of one.
// `null` is the text for an optional's absent value, chosen so that it is none of the labels; empty
// when the type is no optional.
struct Choices {
  std::vector<std::string> labels;  // without the null one
  std::string null;
  bool is_boolean = false;
};
// No labels when the type is none of these.
Choices choices_of(const Type& type);

// A type in a word or two for lists of fields: "text", "whole number", "list of numbers".
std::string type_name(const Type& type);

// What a value must look like, for instructions: "a whole number from 0 to 10", "exactly one of:
// low, high". Empty for a str without limits. With `list_labels` false, labels are not listed ("one
// label").
std::string type_note(const Type& type, bool list_labels = true);

// A value inside JSON in as few words as a model needs: [text, …], "low" or "high".
std::string json_sketch(const Type& type, bool list_labels = true);

// A value in plain text, as a reply would hold it: labels through label_text(), null as the type's
// null word.
std::string plain_text(const Type& type, const Value& value);

// The type of an optional's value, or the type itself.
Type strip_optional(const Type& type);

}  // namespace hone::internal
