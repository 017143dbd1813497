#include "hone/adapter/coerce.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>
#include <optional>
#include <utility>

#include "hone/base/text.hpp"

#include "adapter/coercion.hpp"
#include "adapter/field_text.hpp"
#include "adapter/json_repair.hpp"

namespace hone {
namespace internal {
namespace {

using Faults = std::vector<Error>;

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
constexpr std::size_t kShown = 60;  // bytes of a bad value shown in a fault

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_ascii_word(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || is_digit(c);
}

// Where the character that begins at a byte ends. Precondition: `at` is inside the text.
std::size_t character_end(std::string_view text, std::size_t at) {
  const auto lead = static_cast<unsigned char>(text[at]);
  const std::size_t length = lead < 0xC0 ? 1U : lead < 0xE0 ? 2U : lead < 0xF0 ? 3U : 4U;
  return std::min(at + length, text.size());
}

// Where the character that ends before a byte begins. Precondition: `end` is above 0.
std::size_t character_begin(std::string_view text, std::size_t end) {
  std::size_t at = end - 1;
  while (at > 0 && end - at < 4 && static_cast<unsigned char>(text[at]) >= 0x80 &&
         static_cast<unsigned char>(text[at]) < 0xC0)
    --at;
  return at;
}

// The code point that begins at a byte.
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

struct CodeRange {
  std::uint32_t first;
  std::uint32_t last;
};

// Letters and digits of any script: all but the blocks of punctuation, signs and emoji.
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

bool word_before(std::string_view text, std::size_t end) {
  return end > 0 && is_word_code(code_at(text, character_begin(text, end)));
}

bool word_after(std::string_view text, std::size_t at) {
  return at < text.size() && is_word_code(code_at(text, at));
}

std::string quote_text(std::string_view text) {
  std::string shown = "'" + shorten(text, kShown) + "'";
  std::replace(shown.begin(), shown.end(), '\n', ' ');
  return shown;
}

std::optional<Value> fail(Faults& faults, const std::string& where, std::string message) {
  faults.push_back(bad_reply(where, std::move(message)));
  return std::nullopt;
}

// Quotes, emphasis, brackets and sentence ends that models put around a short answer.
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

// Whether an ASCII sign tells labels apart ("-1", "<5%", "C++", "1.0") rather than joins words
// ("top-up"); `left` and `right` are its nearest neighbours that are no blanks.
bool is_telling_sign(char sign, char left, char right) {
  const auto letter = [](char c) {
    return !is_digit(c) && (is_ascii_word(c) || static_cast<unsigned char>(c) >= 0x80);
  };
  switch (sign) {
    case '+':
    case '<':
    case '>':
    case '#':
      return !(letter(left) && letter(right));
    case '-':
      return !(letter(left) && (letter(right) || is_digit(right))) &&
             !(is_digit(left) && letter(right));
    case '.':
    case '/':
      return is_digit(left) && is_digit(right);
    default:
      return false;
  }
}

// Letters, digits and telling signs only, lower case: "Pending top-up" and "pending_top_up" are the
// same label to a model.
std::string squash(std::string_view text) {
  const std::string lower = to_lower(text);
  const std::string_view view = lower;
  std::string out;
  for (std::size_t at = 0; at < view.size();) {
    const std::size_t end = character_end(view, at);
    const std::uint32_t code = code_at(view, at);
    const bool dash = (code >= 0x2010 && code <= 0x2015) || code == 0x2212;
    if (code < 0x80 || dash) {
      const std::string_view before = trim(view.substr(0, at));
      const std::string_view after = trim(view.substr(end));
      const char sign = dash ? '-' : view[at];
      if (is_ascii_word(sign) || is_telling_sign(sign, before.empty() ? ' ' : before.back(),
                                                 after.empty() ? ' ' : after.front()))
        out.push_back(sign);
    } else if (code != 0xA0 && !(code >= 0x2000 && code <= 0x206F)) {  // blanks and quotes
      out += view.substr(at, end - at);
    }
    at = end;
  }
  return out;
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

// Where the word begins that denies what begins at a byte of a lower-case text ("not a bug"); npos
// when none does.
std::size_t denial_before(std::string_view text, std::size_t at) {
  for (int i = 0; i < 2; ++i) {  // twice: an article may stand between
    const std::size_t last =
        at == 0 ? std::string_view::npos : text.find_last_not_of(" \t\"'`*_", at - 1);
    if (last == std::string_view::npos) return last;
    std::size_t begin = last + 1;
    while (begin > 0) {
      const std::size_t previous = character_begin(text, begin);
      const std::uint32_t code = code_at(text, previous);
      if (!is_word_code(code) && code != '\'' && code != 0x2019) break;
      begin = previous;
    }
    const std::string_view word = text.substr(begin, last + 1 - begin);
    if (word == "not" || word == "never" || word == "no" || word == "neither" ||
        word.ends_with("n't") || word.ends_with("n\xE2\x80\x99t"))
      return begin;
    if (word != "a" && word != "an" && word != "the") break;
    at = begin;
  }
  return std::string_view::npos;
}

// The one label that stands in a longer text as a word, longest labels first, each stretch counted
// once; none when the text denies it.
std::optional<std::size_t> only_label_within(std::string_view text,
                                             const std::vector<std::string>& labels) {
  const std::string lower = to_lower(text);
  std::vector<std::size_t> order(labels.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return labels[a].size() > labels[b].size();
  });
  std::vector<bool> covered(lower.size(), false);
  std::optional<std::size_t> found;
  std::vector<std::size_t> denials;
  for (const std::size_t index : order) {
    const std::string label = to_lower(labels[index]);
    for (std::size_t at = lower.find(label); at != std::string::npos;
         at = lower.find(label, at + 1)) {
      const std::size_t end = at + label.size();
      const bool whole = !(word_before(lower, at) && word_after(label, 0)) &&
                         !(word_after(lower, end) && word_before(label, label.size()));
      if (!whole || covered[at]) continue;
      if (found && *found != index) return std::nullopt;
      found = index;
      if (const std::size_t denial = denial_before(lower, at); denial != std::string_view::npos)
        denials.push_back(denial);
      std::fill(covered.begin() + static_cast<std::ptrdiff_t>(at),
                covered.begin() + static_cast<std::ptrdiff_t>(end), true);
    }
  }
  // A denial that belongs to a label itself denies nothing.
  const bool denied = std::any_of(denials.begin(), denials.end(),
                                  [&](std::size_t denial) { return !covered[denial]; });
  return denied ? std::nullopt : found;
}

// Exact matches first, then looser ones, so that labels which differ in case alone stay apart.
std::optional<std::size_t> find_label(std::string_view text,
                                      const std::vector<std::string>& labels) {
  const auto find = [&](const auto& equals) -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (equals(labels[i])) return i;
    }
    return std::nullopt;
  };
  const std::string_view whole = trim(text);
  if (const auto index = find([&](const std::string& label) { return label == text; }))
    return index;
  if (const auto index = find([&](const std::string& label) { return label_text(label) == whole; }))
    return index;
  for (const std::string_view part : {strip_marks(whole), strip_marks(first_line(whole))}) {
    if (part.empty()) continue;
    if (const auto index = find([&](const std::string& label) { return label == part; }))
      return index;
    const std::string lower = to_lower(part);
    if (const auto index = find([&](const std::string& label) { return to_lower(label) == lower; }))
      return index;
    const std::string bare = squash(part);
    if (bare.empty()) continue;
    const auto same = [&](const std::string& label) { return squash(label) == bare; };
    if (std::count_if(labels.begin(), labels.end(), same) == 1) return find(same);
  }
  if (const auto index = only_label_within(first_line(whole), labels)) return index;
  return only_label_within(whole, labels);
}

std::optional<Value> read_label(const Type& type, std::string_view text, const std::string& where,
                                Faults& faults) {
  if (const auto index = find_label(text, type.labels())) return Value(type.labels()[*index]);
  if (trim(text).empty())
    return fail(faults, where, "empty; write one of " + join(type.labels(), ", "));
  return fail(faults, where, labels_fault(trim(text), type.labels()));
}

std::optional<bool> read_truth(std::string_view text) {
  static constexpr std::array<std::string_view, 7> kTrue = {"true", "yes", "1",      "y",
                                                            "t",    "on",  "correct"};
  static constexpr std::array<std::string_view, 7> kFalse = {"false", "no",  "0",        "n",
                                                             "f",     "off", "incorrect"};
  const std::string word = to_lower(strip_marks(text));
  if (std::find(kTrue.begin(), kTrue.end(), word) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), word) != kFalse.end()) return false;
  return std::nullopt;
}

std::optional<Value> read_boolean(std::string_view text, const std::string& where, Faults& faults) {
  if (const auto truth = read_truth(text)) return Value(*truth);
  // "Yes, because …": the first word, then the only such word anywhere.
  const std::string_view line = strip_marks(first_line(text));
  std::size_t end = 0;
  while (word_after(line, end)) end = character_end(line, end);
  const std::string first = to_lower(line.substr(0, end));
  constexpr std::array<std::string_view, 6> kAnswers = {"true", "false",   "yes",
                                                        "no",   "correct", "incorrect"};
  // "On balance, no": other words of truth count only where they are the whole line.
  const bool answers =
      end == line.size() || std::find(kAnswers.begin(), kAnswers.end(), first) != kAnswers.end();
  if (end > 1 && answers) {
    if (const auto truth = read_truth(first)) return Value(*truth);
  }
  if (const auto index = only_label_within(text, {"true", "false", "yes", "no"}))
    return Value(*index % 2 == 0);
  return fail(faults, where, quote_text(trim(text)) + " is neither true nor false");
}

// Every number in a text; a sign counts only where it is no hyphen or minus between words.
std::vector<std::string_view> numbers_within(std::string_view text) {
  std::vector<std::string_view> found;
  for (std::size_t i = 0; i < text.size();) {
    const bool starts =
        is_digit(text[i]) || (text[i] == '.' && i + 1 < text.size() && is_digit(text[i + 1]));
    if (!starts) {
      ++i;
      continue;
    }
    const std::size_t letter = i > 1 && text[i - 1] == '_' ? i - 1 : i;  // also "step_2"
    if (letter > 0 && is_ascii_word(text[letter - 1])) {
      const auto goes_on = [&] {
        if (i >= text.size()) return false;
        const bool joint = text[i] == '.' || text[i] == ',';
        return is_digit(text[i]) || (joint && i + 1 < text.size() && is_digit(text[i + 1]));
      };
      // All of it belongs to the word: the end of "v1.25" is no number of its own, "No.5" is one.
      const bool all = is_digit(text[i]);
      do {
        ++i;
      } while (all && goes_on());
      continue;
    }
    std::size_t begin = i;
    for (const std::string_view sign : {"-", "\xE2\x88\x92"}) {  // U+2212, the minus of print
      if (!text.substr(0, i).ends_with(sign)) continue;
      const std::size_t at = i - sign.size();
      if (at == 0 || (!word_before(text, at) && text[at - 1] != ')')) begin = at;
    }
    while (i < text.size()) {
      const bool digit_next = i + 1 < text.size() && is_digit(text[i + 1]);
      const bool exponent =
          (text[i] == 'e' || text[i] == 'E') && i > begin && is_digit(text[i - 1]) &&
          (digit_next || (i + 2 < text.size() && (text[i + 1] == '-' || text[i + 1] == '+') &&
                          is_digit(text[i + 2])));
      if (exponent) {
        i += 2;
      } else if (is_digit(text[i]) || ((text[i] == '.' || text[i] == ',') && digit_next)) {
        ++i;
      } else {
        break;
      }
    }
    found.push_back(text.substr(begin, i - begin));
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
    for (const std::string_view found : numbers_within(source)) {
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

// "- a", "* a", "• a", "1. a", "2) a" without the mark; nothing when the line has none.
std::optional<std::string_view> bullet_text(std::string_view line) {
  for (const std::string_view mark : {"- ", "* ", "+ ", "\xE2\x80\xA2"}) {
    if (line.starts_with(mark)) return trim(line.substr(mark.size()));
  }
  std::size_t digits = 0;
  while (digits < line.size() && is_digit(line[digits])) ++digits;
  if (digits == 0 || digits > 3 || digits + 1 >= line.size()) return std::nullopt;
  if ((line[digits] != '.' && line[digits] != ')') || line[digits + 1] != ' ') return std::nullopt;
  return trim(line.substr(digits + 2));
}

// Items of a list that is not written as JSON.
Value::List loose_items(std::string_view text) {
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
      for (const std::string& item : split(line, ',')) {
        if (!trim(item).empty()) items.emplace_back(trim(item));
      }
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

std::optional<Value> read_list(const Type& type, std::string_view text, const std::string& where,
                               Faults& faults) {
  text = trim(text);
  const std::string_view inner = without_fence(text);
  const Type element = strip_optional(type.element());
  const bool has_bracket = text.find('[') != std::string_view::npos;
  if (has_bracket && (inner.starts_with('[') || !is_scalar(element) ||
                      text.find("[\"") != std::string_view::npos)) {
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
  return coerce_items(type, loose_items(inner), where, faults);
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
    const bool is_label =
        std::any_of(choices.labels.begin(), choices.labels.end(), [&](const std::string& label) {
          return label_text(label) == whole || to_lower(label) == to_lower(strip_marks(whole));
        });
    if (!is_label && (whole == choices.null || is_null_word(strip_marks(whole)))) return Value();
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
