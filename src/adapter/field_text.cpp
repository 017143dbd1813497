#include "adapter/field_text.hpp"

#include <algorithm>
#include <array>

#include "hone/base/text.hpp"

namespace hone::internal {
namespace {

constexpr std::array<std::string_view, 10> kNullWords = {
    kNullWord, "null",    "nil",       "n/a",          "na",
    "nothing", "unknown", "not given", "not supplied", "not applicable"};

std::string range_note(const Limits& limits) {
  const auto text = [](double bound) { return number_text(bound); };
  if (limits.min && limits.max) return " from " + text(*limits.min) + " to " + text(*limits.max);
  if (limits.min) return " of at least " + text(*limits.min);
  if (limits.max) return " of at most " + text(*limits.max);
  return {};
}

std::string length_note(const Limits& limits, const std::string& unit) {
  if (limits.min_length && limits.max_length) {
    return std::to_string(*limits.min_length) + " to " + std::to_string(*limits.max_length) + " " +
           unit;
  }
  if (limits.min_length) return "at least " + std::to_string(*limits.min_length) + " " + unit;
  if (limits.max_length) return "at most " + std::to_string(*limits.max_length) + " " + unit;
  return {};
}

std::string labels_note(const Type& type) {
  std::vector<std::string> labels;
  for (const std::string& label : type.labels()) labels.push_back(label_text(label));
  return join(labels, ", ");
}

}  // namespace

bool is_null_word(std::string_view text) {
  return text.empty() ||
         std::find(kNullWords.begin(), kNullWords.end(), to_lower(text)) != kNullWords.end();
}

std::string label_text(std::string_view label) {
  const bool plain = trim(label) == label && !label.empty() && is_utf8(label) &&
                     std::none_of(label.begin(), label.end(),
                                  [](char c) { return static_cast<unsigned char>(c) < 0x20; }) &&
                     std::string_view("\"'`").find(label.front()) == std::string_view::npos;
  return plain ? std::string(label) : Value(label).to_json();
}

Choices choices_of(const Type& type) {
  Choices choices;
  const Type value_type = strip_optional(type);
  for (const Value& value : value_type.choices()) choices.labels.push_back(value.text());
  choices.is_boolean = value_type.kind() == TypeKind::boolean;
  if (type.kind() == TypeKind::optional && !choices.labels.empty()) {
    std::size_t next = 0;
    const auto taken = [&](const std::string& word) {
      return std::any_of(choices.labels.begin(), choices.labels.end(),
                         [&](const std::string& label) { return to_lower(label) == word; });
    };
    do {
      choices.null = next < kNullWords.size() ? std::string(kNullWords[next]) : choices.null + "_";
      ++next;
    } while (taken(choices.null));
  }
  return choices;
}

std::string json_sketch(const Type& type, bool list_labels) {
  std::string sketch;
  switch (type.kind()) {
    case TypeKind::str:
      sketch = "text";
      break;
    case TypeKind::integer:
      sketch = "whole number";
      break;
    case TypeKind::real:
      sketch = "number";
      break;
    case TypeKind::boolean:
      sketch = "true or false";
      break;
    case TypeKind::enumeration: {
      std::vector<std::string> labels;
      for (const std::string& label : type.labels()) labels.push_back(Value(label).to_json());
      sketch = list_labels ? join(labels, " or ") : "label";
      break;
    }
    case TypeKind::list:
      sketch = "[" + json_sketch(type.element(), list_labels) + ", …]";
      break;
    case TypeKind::optional:
      return json_sketch(type.element(), list_labels) + " or null";
    case TypeKind::structure: {
      std::vector<std::string> fields;
      for (const TypeField& field : type.fields()) {
        fields.push_back(Value(field.name).to_json() + ": " + json_sketch(field.type, list_labels));
      }
      sketch = "{" + join(fields, ", ") + "}";
      break;
    }
  }
  sketch += range_note(type.limits());
  const std::string length =
      length_note(type.limits(), type.kind() == TypeKind::list ? "items" : "characters");
  if (!length.empty()) sketch += " of " + length;
  if (!type.description().empty()) sketch += " (" + type.description() + ")";
  return sketch;
}

std::string plain_text(const Type& type, const Value& value) {
  if (value.is_null()) {
    const Choices choices = choices_of(type);
    return choices.null.empty() ? std::string(kNullWord) : choices.null;
  }
  std::string text = strip_optional(type).kind() == TypeKind::enumeration && value.is_string()
                         ? label_text(value.as_string())
                         : value.text();
  return is_utf8(text) ? text : to_utf8(text);
}

Type strip_optional(const Type& type) {
  return type.kind() == TypeKind::optional ? strip_optional(type.element()) : type;
}

std::string type_name(const Type& type) {
  switch (type.kind()) {
    case TypeKind::str:
      return "text";
    case TypeKind::integer:
      return "whole number";
    case TypeKind::real:
      return "number";
    case TypeKind::boolean:
      return "true or false";
    case TypeKind::enumeration:
      return "label";
    case TypeKind::list:
      return "list of " + type_name(type.element());
    case TypeKind::optional:
      return type_name(type.element()) + ", optional";
    case TypeKind::structure:
      return "object";
  }
  return "text";
}

std::string type_note(const Type& type, bool list_labels) {
  switch (type.kind()) {
    case TypeKind::str: {
      const std::string length = length_note(type.limits(), "characters");
      return length.empty() ? std::string() : "text of " + length;
    }
    case TypeKind::integer:
      return "a whole number" + range_note(type.limits());
    case TypeKind::real:
      return "a number" + range_note(type.limits());
    case TypeKind::boolean:
      return "true or false";
    case TypeKind::enumeration:
      return list_labels ? "exactly one of: " + labels_note(type) : "exactly one label";
    case TypeKind::list: {
      const std::string length = length_note(type.limits(), "items");
      const std::string sketch =
          json_sketch(type.with_limits({}).with_description({}), list_labels);
      return "a JSON list" + (length.empty() ? std::string() : " of " + length) + ": " + sketch;
    }
    case TypeKind::optional: {
      const Choices choices = choices_of(type);
      const std::string null = choices.null.empty() ? std::string(kNullWord) : choices.null;
      const std::string note = type_note(type.element(), list_labels);
      return (note.empty() ? "text" : note) + ", or " + null;
    }
    case TypeKind::structure:
      return "a JSON object: " + json_sketch(type.with_description({}), list_labels);
  }
  return {};
}

}  // namespace hone::internal
