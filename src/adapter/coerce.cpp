#include "hone/adapter/coerce.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "hone/base/text.hpp"

#include "adapter/coercion.hpp"
#include "adapter/field_text.hpp"
#include "adapter/json_repair.hpp"
#include "adapter/label_reading.hpp"
#include "adapter/words.hpp"

namespace hone {
namespace internal {
namespace {

using Faults = std::vector<Error>;

constexpr std::size_t kShown = 60;  // bytes of a bad value shown in a fault

std::string quote_text(std::string_view text) {
  std::string shown = "'" + shorten(text, kShown) + "'";
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  return shown;
}

std::optional<Value> fail(Faults& faults, const std::string& where, std::string message) {
  faults.push_back(bad_reply(where, std::move(message)));
  return std::nullopt;
}

std::string labels_fault(std::string_view text, const std::vector<std::string>& labels) {
  const std::size_t count = std::min<std::size_t>(labels.size(), 20);
  std::vector<std::string> shown;
  for (std::size_t i = 0; i < count; ++i) shown.push_back(label_text(labels[i]));
  std::string message = quote_text(text) + " is not one of " + join(shown, ", ");
  if (labels.size() > count) message += ", … (" + std::to_string(labels.size()) + " labels)";
  constexpr std::size_t kFew = 8;  // of so many a model finds the right one itself
  return labels.size() > kFew ? message + did_you_mean(text, labels) : message;
}

std::optional<Value> read_label(const Type& type, std::string_view text, const std::string& where,
                                Faults& faults) {
  if (const auto index = find_label(text, type.labels())) return Value(type.labels()[*index]);
  if (trim(text).empty())
    return fail(faults, where, "empty; write one of " + join(type.labels(), ", "));
  return fail(faults, where, labels_fault(trim(text), type.labels()));
}

std::optional<Value> read_boolean(std::string_view text, const std::string& where, Faults& faults) {
  if (const auto truth = find_truth(text)) return Value(*truth);
  return fail(faults, where, quote_text(trim(text)) + " is neither true nor false");
}

bool digit_at(std::string_view text, std::size_t at) {
  return at < text.size() && is_digit(text[at]);
}

// Where the digits of a word end: "v1.25" and "step_2" hold no number. The place itself where the
// digits there are no word's.
std::size_t word_digits_end(std::string_view text, std::size_t begin) {
  const bool joined = begin > 1 && text[begin - 1] == '_' && !is_digit(text[begin - 2]);
  const std::size_t letter = joined ? begin - 1 : begin;
  if (letter == 0 || !is_ascii_word(text[letter - 1])) return begin;
  if (!is_digit(text[begin])) return begin + 1;  // "No.5": only the point is the word's
  std::size_t end = begin + 1;
  while (digit_at(text, end) ||
         (digit_at(text, end + 1) && (text[end] == '.' || text[end] == ',' || text[end] == '_')))
    ++end;
  return end;
}

// Where the number that begins at a byte ends, with its groups, decimals and exponent.
std::size_t number_end(std::string_view text, std::size_t begin) {
  std::size_t end = begin;
  while (end < text.size()) {
    const char c = text[end];
    const bool after_digit = end > begin && is_digit(text[end - 1]);
    const bool sign_next = end + 1 < text.size() && (text[end + 1] == '-' || text[end + 1] == '+');
    const bool exponent =
        after_digit && (c == 'e' || c == 'E') && digit_at(text, sign_next ? end + 2 : end + 1);
    const bool group = after_digit && c == '_' && digit_at(text, end + 1) &&
                       digit_at(text, end + 2) && digit_at(text, end + 3) &&
                       !digit_at(text, end + 4);  // "1_000"
    if (exponent) {
      end += 2;
    } else if (is_digit(c) || group || ((c == '.' || c == ',') && digit_at(text, end + 1))) {
      ++end;
    } else {
      break;
    }
  }
  return end;
}

bool is_currency(std::uint32_t code) {
  return code == '$' || (code >= 0xA2 && code <= 0xA5) || (code >= 0x20A0 && code <= 0x20CF);
}

// Whether a number has a minus before it or before its currency sign; after a word, a digit or a
// bracket it is a hyphen, a dash or the minus of a difference.
bool minus_before(std::string_view text, std::size_t begin) {
  std::size_t at = begin;
  const std::size_t blank = at > 0 && text[at - 1] == ' ' ? at - 1 : at;
  if (blank > 0) {
    const std::size_t currency = character_begin(text, blank);
    if (is_currency(code_at(text, currency))) at = currency;
  }
  if (at == 0) return false;
  const std::size_t sign = character_begin(text, at);
  if (!is_dash_code(code_at(text, sign))) return false;
  return sign == 0 || (!word_before(text, sign) && text[sign - 1] != ')');
}

// Every number in a text, its minus written as "-" before its digits.
std::vector<std::string> numbers_within(std::string_view text) {
  std::vector<std::string> found;
  for (std::size_t at = 0; at < text.size();) {
    if (!digit_at(text, at) && !(text[at] == '.' && digit_at(text, at + 1))) {
      ++at;
      continue;
    }
    const std::size_t word_end = word_digits_end(text, at);
    if (word_end != at) {
      at = word_end;
      continue;
    }
    const std::size_t end = number_end(text, at);
    std::string number = minus_before(text, at) ? "-" : "";
    number += text.substr(at, end - at);
    found.push_back(std::move(number));
    at = end;
  }
  return found;
}

std::optional<Value> keep_number(const Type& type, const Value& number, std::string_view shown,
                                 const std::string& where, Faults& faults) {
  Value value = number;
  if (type.kind() == TypeKind::integer && !number.is_int()) {
    constexpr double kExact =
        9007199254740992.0;  // 2^53: beyond it a double no longer tells integers apart
    const double real = number.as_double();
    if (real != std::floor(real))
      return fail(faults, where, quote_text(shown) + " is not a whole number");
    if (std::abs(real) > kExact)
      return fail(faults, where, quote_text(shown) + " is too large for a whole number");
    value = static_cast<std::int64_t>(real);
  } else if (type.kind() == TypeKind::real) {
    value = number.as_double();
  }
  const Limits& limits = type.limits();
  const double real = value.as_double();
  if (limits.min && real < *limits.min) {
    return fail(faults, where,
                number_text(real) + " is below the least allowed, " + number_text(*limits.min));
  }
  if (limits.max && real > *limits.max) {
    return fail(faults, where,
                number_text(real) + " is above the most allowed, " + number_text(*limits.max));
  }
  return value;
}

std::optional<Value> read_number_text(const Type& type, std::string_view text,
                                      const std::string& where, Faults& faults) {
  const char* const wanted = type.kind() == TypeKind::integer ? "a whole number" : "a number";
  for (const std::string_view part : {trim(text), strip_marks(text)}) {
    if (const auto number = read_number(part))
      return keep_number(type, *number, part, where, faults);
  }
  if (trim(text).empty()) return fail(faults, where, std::string("empty; write ") + wanted);
  std::optional<Value> only;
  for (const std::string_view source : {first_line(text), trim(text)}) {
    only.reset();
    for (const std::string& found : numbers_within(source)) {
      const auto number = read_number(found);
      if (!number) return fail(faults, where, quote_text(trim(text)) + " is not " + wanted);
      if (only && !(*only == *number)) {
        return fail(faults, where,
                    quote_text(trim(text)) + " holds several numbers; write only one");
      }
      only = number;
    }
    if (only) return keep_number(type, *only, trim(text), where, faults);
  }
  return fail(faults, where, quote_text(trim(text)) + " is not " + wanted);
}

std::optional<Value> keep_text(const Type& type, std::string_view text, const std::string& where,
                               Faults& faults) {
  const Limits& limits = type.limits();
  if (limits.min_length && text.size() < *limits.min_length) {
    return fail(faults, where,
                "needs at least " + std::to_string(*limits.min_length) + " characters, has " +
                    std::to_string(text.size()));
  }
  if (limits.max_length && text.size() > *limits.max_length) {
    return fail(faults, where,
                "may have at most " + std::to_string(*limits.max_length) + " characters, has " +
                    std::to_string(text.size()));
  }
  return Value(text);
}

bool is_scalar(const Type& type) {
  return type.kind() != TypeKind::list && type.kind() != TypeKind::structure;
}

// "- a", "* a", "• a", "1. a", "2) a", "[3] a", "[ ] a", "[x] a" without the mark; nothing when the
// line has none.
std::optional<std::string_view> bullet_text(std::string_view line) {
  for (const std::string_view mark :
       {"- ", "* ", "+ ", "\xE2\x80\xA2", "[ ] ", "[] ", "[x] ", "[X] "}) {
    if (line.starts_with(mark)) return trim(line.substr(mark.size()));
  }
  const bool bracket = line.starts_with('[');
  if (bracket) line.remove_prefix(1);
  std::size_t digits = 0;
  while (digit_at(line, digits)) ++digits;
  if (digits == 0 || digits > 3 || digits + 1 >= line.size()) return std::nullopt;
  const std::string_view closing = bracket ? "]" : ".)";
  if (closing.find(line[digits]) == std::string_view::npos) return std::nullopt;
  if (line[digits + 1] != ' ') return std::nullopt;
  return trim(line.substr(digits + 2));
}

// The parts of "1,000, 2,000": of numbers, a comma before a blank parts them where every other one
// groups thousands. Nothing when the line is not written so.
std::vector<std::string_view> grouped_numbers(std::string_view line) {
  std::vector<std::string_view> parts;
  bool grouped = false;
  for (std::size_t at = 0; at < line.size();) {
    const std::size_t end = std::min(line.find(", ", at), line.size());
    std::string_view part = trim(line.substr(at, end - at));
    at = end + 2;
    if (part.ends_with(',')) part = trim(part.substr(0, part.size() - 1));
    if (part.empty()) continue;
    parts.push_back(part);
    const auto commas = std::count(part.begin(), part.end(), ',');
    if (commas == 0) continue;
    const std::vector<std::string> numbers = numbers_within(part);
    if (numbers.size() != 1 || !read_number(numbers.front())) return {};
    if (std::count(numbers.front().begin(), numbers.front().end(), ',') != commas) return {};
    grouped = true;
  }
  if (!grouped || parts.size() < 2) return {};
  return parts;
}

void add_comma_items(Value::List& items, std::string_view line, bool of_numbers) {
  const std::vector<std::string_view> grouped =
      of_numbers ? grouped_numbers(line) : std::vector<std::string_view>();
  for (const std::string_view part : grouped) items.emplace_back(part);
  if (!grouped.empty()) return;
  for (const std::string& item : split(line, ',')) {
    if (!trim(item).empty()) items.emplace_back(trim(item));
  }
}

// Items of a list that is not written as JSON.
Value::List loose_items(std::string_view text, bool of_numbers) {
  Value::List items;
  std::vector<std::string_view> lines;
  bool bullets = false;
  for (std::size_t at = 0; at <= text.size();) {
    const std::size_t end = std::min(text.find('\n', at), text.size());
    const std::string_view line = trim(text.substr(at, end - at));
    if (!line.empty()) {
      lines.push_back(line);
      bullets = bullets || bullet_text(line).has_value();
    }
    at = end + 1;
  }
  for (const std::string_view line : lines) {
    if (bullets) {
      if (const auto item = bullet_text(line)) items.emplace_back(*item);
    } else if (lines.size() > 1) {
      items.emplace_back(trim(line.ends_with(',') ? line.substr(0, line.size() - 1) : line));
    } else {
      add_comma_items(items, line, of_numbers);
    }
  }
  return items;
}

std::optional<Value> coerce_items(const Type& type, const Value::List& items,
                                  const std::string& where, Faults& faults) {
  const Limits& limits = type.limits();
  const std::size_t before = faults.size();
  if (limits.min_length && items.size() < *limits.min_length) {
    fail(faults, where,
         "needs at least " + std::to_string(*limits.min_length) + " items, has " +
             std::to_string(items.size()));
  }
  if (limits.max_length && items.size() > *limits.max_length) {
    fail(faults, where,
         "may have at most " + std::to_string(*limits.max_length) + " items, has " +
             std::to_string(items.size()));
  }
  Value::List read;
  read.reserve(items.size());
  const Type element = type.element();
  for (std::size_t i = 0; i < items.size(); ++i) {
    if (auto item =
            coerce_value(element, items[i], where + "[" + std::to_string(i) + "]", faults)) {
      read.push_back(std::move(*item));
    }
  }
  if (faults.size() != before) return std::nullopt;
  return Value(std::move(read));
}

// Whether the bracket a text begins with is the list, rather than a mark before its first item:
// "[1] Smith 2020", "[ ] buy milk", "[Paris](https://a.com)".
bool begins_with_list(std::string_view text, bool of_numbers) {
  const std::string_view inside = trim(text.substr(1));
  for (const std::string_view quote : {"\"", "'", "\xE2\x80\x9C"}) {
    if (inside.starts_with(quote)) return true;
  }
  const LeadingJson leading = read_leading_json(text);
  const std::string_view rest = text.substr(leading.end);
  const std::size_t line_end = std::min(rest.find('\n'), rest.size());
  if (leading.value.size() < 2 && trim(rest.substr(line_end)).starts_with('[')) return false;
  const std::string_view behind = trim(rest.substr(0, line_end));
  if (behind.find_first_not_of(".,;:!?*'\"`)}") == std::string_view::npos) return true;
  // What is plainly JSON may have a remark behind it; split at commas, its items would keep the
  // brackets.
  if (behind.starts_with("//") || behind.starts_with('#')) return true;
  const bool one_number = of_numbers && leading.value.is_list() && leading.value.size() == 1 &&
                          leading.value.as_list().front().is_number();
  return leading.value.size() > 1 || text.starts_with("[]") || one_number;
}

std::optional<Value> read_list(const Type& type, std::string_view text, const std::string& where,
                               Faults& faults) {
  text = trim(text);
  // A fence after the list is no fence around it.
  const std::string_view inner = text.starts_with('[') ? text : without_fence(text);
  const Type element = strip_optional(type.element());
  const bool of_numbers = element.kind() == TypeKind::integer || element.kind() == TypeKind::real;
  const bool has_bracket = text.find('[') != std::string_view::npos;
  const bool is_json = inner.starts_with('[') ? begins_with_list(inner, of_numbers)
                                              : text.find("[\"") != std::string_view::npos;
  if (has_bracket && (is_json || !is_scalar(element))) {
    if (const auto json = internal::repair_json(text, JsonShape::list); json && json->is_list()) {
      return coerce_items(type, json->as_list(), where, faults);
    }
  }
  if (inner.starts_with('{')) {
    if (const auto json = internal::repair_json(inner, JsonShape::object);
        json && json->is_object()) {
      return coerce_value(type, *json, where, faults);
    }
  }
  if (is_null_word(text)) return coerce_items(type, {}, where, faults);
  if (!is_scalar(element)) return fail(faults, where, quote_text(text) + " is not a JSON list");
  return coerce_items(type, loose_items(inner, of_numbers), where, faults);
}

const Value* find_member(const Value& object, std::string_view name) {
  if (const Value* exact = object.find(name)) return exact;
  const std::string wanted = squash(name);
  for (const auto& [key, value] : object.as_object()) {
    if (squash(key) == wanted) return &value;
  }
  return nullptr;
}

std::optional<Value> coerce_members(const Type& type, const Value& object, const std::string& where,
                                    Faults& faults) {
  Value::Object fields;
  const std::size_t before = faults.size();
  for (const TypeField& field : type.fields()) {
    const std::string place = where.empty() ? field.name : where + "." + field.name;
    const Value* member = find_member(object, field.name);
    if (!member) {
      if (field.type.kind() == TypeKind::optional) {
        fields.emplace_back(field.name, Value());
      } else {
        faults.push_back(missing_fault(place));
      }
      continue;
    }
    if (auto value = coerce_value(field.type, *member, place, faults)) {
      fields.emplace_back(field.name, std::move(*value));
    }
  }
  if (faults.size() != before) return std::nullopt;
  return Value::object(std::move(fields));
}

std::optional<Value> read_structure(const Type& type, std::string_view text,
                                    const std::string& where, Faults& faults) {
  const auto json = internal::repair_json(text, JsonShape::object);
  if (!json || !json->is_object())
    return fail(faults, where, quote_text(trim(text)) + " is not a JSON object");
  return coerce_members(type, *json, where, faults);
}

std::optional<Value> read_optional(const Type& type, std::string_view text,
                                   const std::string& where, Faults& faults) {
  const std::string_view whole = trim(text);
  const Choices choices = choices_of(type);
  if (!choices.labels.empty() && !choices.is_boolean) {
    const std::string bare = to_lower(strip_marks(whole));
    const bool is_label =
        std::any_of(choices.labels.begin(), choices.labels.end(), [&](const std::string& label) {
          return label_text(label) == whole || to_lower(label) == bare;
        });
    if (!is_label && (whole == choices.null || is_null_word(bare))) return Value();
  } else if (strip_optional(type).kind() == TypeKind::str) {
    // "Unknown" or "nothing" may well be the answer; only what cannot be one is no value.
    const std::string lower = to_lower(whole);
    if (lower.empty() || lower == kNullWord || lower == "null" || lower == "n/a") return Value();
  } else if (is_null_word(strip_marks(whole))) {
    return Value();
  }
  return coerce_text(type.element(), text, where, faults);
}

}  // namespace

Error missing_fault(const std::string& where, const std::string& hint) {
  return bad_reply(where, hint.empty() ? "missing" : "missing; " + hint);
}

std::optional<Value> coerce_text(const Type& type, std::string_view text, const std::string& where,
                                 Faults& faults) {
  switch (type.kind()) {
    case TypeKind::str:
      return keep_text(type, trim(text), where, faults);
    case TypeKind::integer:
    case TypeKind::real:
      return read_number_text(type, text, where, faults);
    case TypeKind::boolean:
      return read_boolean(text, where, faults);
    case TypeKind::enumeration:
      return read_label(type, text, where, faults);
    case TypeKind::list:
      return read_list(type, text, where, faults);
    case TypeKind::optional:
      return read_optional(type, text, where, faults);
    case TypeKind::structure:
      return read_structure(type, text, where, faults);
  }
  return std::nullopt;
}

std::optional<Value> coerce_value(const Type& type, const Value& value, const std::string& where,
                                  Faults& faults) {
  if (type.kind() == TypeKind::optional) {
    if (value.is_null()) return value;
    // Within JSON null is null; a string is text, also the string "none", unless it can only mean
    // null.
    if (value.is_string() && type.element().kind() != TypeKind::str) {
      return read_optional(type, value.as_string(), where, faults);
    }
    return coerce_value(type.element(), value, where, faults);
  }
  if (value.is_null()) {
    if (type.kind() == TypeKind::list) return coerce_items(type, {}, where, faults);
    if (type.kind() == TypeKind::enumeration) return read_label(type, "null", where, faults);
    return fail(faults, where, "null, but a value is needed");
  }
  switch (type.kind()) {
    case TypeKind::str:
      return keep_text(type, value.text(), where, faults);
    case TypeKind::integer:
    case TypeKind::real:
      if (value.is_number()) return keep_number(type, value, value.text(), where, faults);
      if (value.is_string()) return read_number_text(type, value.as_string(), where, faults);
      break;
    case TypeKind::boolean:
      if (value.is_bool()) return value;
      if (value.is_string() || value.is_number()) return read_boolean(value.text(), where, faults);
      break;
    case TypeKind::enumeration:
      if (value.is_list() && value.size() == 1)
        return coerce_value(type, value.as_list().front(), where, faults);
      if (!value.is_list() && !value.is_object())
        return read_label(type, value.text(), where, faults);
      break;
    case TypeKind::list:
      if (value.is_list()) return coerce_items(type, value.as_list(), where, faults);
      if (value.is_string()) return read_list(type, value.as_string(), where, faults);
      return coerce_items(type, {value}, where, faults);
    case TypeKind::structure:
      if (value.is_object()) return coerce_members(type, value, where, faults);
      if (value.is_string()) return read_structure(type, value.as_string(), where, faults);
      break;
    case TypeKind::optional:
      break;
  }
  return fail(faults, where,
              "expected " + type_note(type) + ", got " + quote_text(value.to_json()));
}

}  // namespace internal

namespace {

Result<Value> finish(std::optional<Value> value, const std::vector<Error>& faults) {
  if (value) return std::move(*value);
  if (faults.size() == 1) return faults.front();
  std::vector<std::string> texts;
  texts.reserve(faults.size());
  for (const Error& fault : faults) texts.push_back(fault.text());
  return bad_reply({}, join(texts, "; "));
}

}  // namespace

Result<Value> coerce(const Type& type, std::string_view text, std::string_view where) {
  std::vector<Error> faults;
  const std::string repaired = is_utf8(text) ? std::string() : to_utf8(text);
  return finish(
      internal::coerce_text(type, repaired.empty() ? text : repaired, std::string(where), faults),
      faults);
}

Result<Value> coerce(const Type& type, const Value& value, std::string_view where) {
  std::vector<Error> faults;
  return finish(internal::coerce_value(type, value, std::string(where), faults), faults);
}

std::string value_text(const Value& value) {
  return value.is_null() ? std::string(internal::kNullWord) : value.text();
}

}  // namespace hone
