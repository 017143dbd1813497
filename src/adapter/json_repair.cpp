#include "adapter/json_repair.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "hone/adapter/coerce.hpp"
#include "hone/base/text.hpp"

#include "adapter/utf8.hpp"
#include "adapter/words.hpp"

namespace hone {
namespace internal {
namespace {

constexpr int kMaxDepth = 100;

bool is_space(char c) {
  return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Quotes a model may open a string with, and what ends it.
struct QuotePair {
  std::string_view open;
  std::string_view close;
};
constexpr std::array<QuotePair, 4> kQuotes = {
    {{"\"", "\""}, {"'", "'"}, {"`", "`"}, {"\xE2\x80\x9C", "\xE2\x80\x9D"}}};

// Reads one value from the start of a text and takes every departure from JSON the way a person
// would mean it.
class LenientReader {
 public:
  explicit LenientReader(std::string_view text) : text_(text) {}

  Value read(int depth = 0) {
    skip_space();
    if (at_end()) return {};
    if (depth < kMaxDepth) {
      if (peek() == '{') return read_object(depth);
      if (peek() == '[') return read_list(depth);
    }
    if (const QuotePair* quote = quote_here()) return read_string(*quote);
    return read_bare();
  }

  // Where reading stopped.
  std::size_t position() const { return at_; }
  // Whether a comma stands inside a number in a way that leaves open which number is meant.
  bool has_cut_number() const { return has_cut_number_; }

 private:
  bool at_end() const { return at_ >= text_.size(); }
  char peek() const { return text_[at_]; }
  bool starts_with(std::string_view part) const { return text_.substr(at_).starts_with(part); }

  void skip_space() {
    while (!at_end()) {
      if (is_space(peek())) {
        ++at_;
      } else if (starts_with("//") || comment_mark()) {
        const std::size_t end = text_.find('\n', at_);
        at_ = end == std::string_view::npos ? text_.size() : end;
      } else if (starts_with("/*")) {
        const std::size_t end = text_.find("*/", at_ + 2);
        at_ = end == std::string_view::npos ? text_.size() : end + 2;
      } else if (starts_with("...")) {
        at_ += 3;
      } else {
        return;
      }
    }
  }

  // "#ai" is text, "# note" a comment.
  bool comment_mark() const {
    return peek() == '#' && (at_ + 1 >= text_.size() || is_space(text_[at_ + 1]));
  }

  void skip_commas() {
    skip_space();
    while (!at_end() && (peek() == ',' || peek() == ';')) {
      ++at_;
      skip_space();
    }
  }

  const QuotePair* quote_here() const {
    for (const QuotePair& quote : kQuotes) {
      if (starts_with(quote.open)) return &quote;
    }
    return nullptr;
  }

  Value read_object(int depth) {
    Value::Object fields;
    ++at_;
    for (;;) {
      skip_commas();
      if (at_end() || peek() == ']') break;
      if (peek() == '}') {
        ++at_;
        break;
      }
      const std::size_t before = at_;
      const bool is_bare = !quote_here();
      std::string name = read_name();
      skip_space();
      Value value;
      if (!at_end() && (peek() == ':' || peek() == '=')) {
        at_ += starts_with("=>") ? 2U : 1U;
        skip_space();
        if (!at_end() && peek() != ',' && peek() != '}') value = read_member(depth + 1);
      } else if (is_bare && is_rest_of_number(name, before)) {
        has_cut_number_ = true;
      }
      if (at_ == before) ++at_;  // a stray character must not hold the reader up
      if (!name.empty()) fields.emplace_back(std::move(name), std::move(value));
    }
    return Value::object(std::move(fields));
  }

  std::string read_name() {
    if (const QuotePair* quote = quote_here()) return read_string(*quote);
    const std::size_t begin = at_;
    while (!at_end() && std::string_view(":=,}{[]\n\"").find(peek()) == std::string_view::npos)
      ++at_;
    return std::string(trim(text_.substr(begin, at_ - begin)));
  }

  // Digits without a ':' are no key but what a comma cut off a number: "1,25", "$1,250",
  // "1,250 USD".
  bool is_rest_of_number(std::string_view name, std::size_t begin) const {
    if (name.empty() || !is_digit(name.front())) return false;
    const bool behind_digit = begin > 1 && text_[begin - 1] == ',' && is_digit(text_[begin - 2]);
    return behind_digit || std::all_of(name.begin(), name.end(), is_digit);
  }

  // The value of an object's member. A key must follow the comma there, so "1,250" is one number;
  // in a list it may be two.
  Value read_member(int depth) {
    const std::size_t end = grouped_end();
    if (const std::optional<Value> number = read_number(text_.substr(at_, end - at_))) {
      at_ = end;
      return *number;
    }
    return read(depth);
  }

  // Where the number with groups of thousands ends that begins here and is a member's whole value;
  // the place itself where none does.
  std::size_t grouped_end() const {
    const auto digits = [&](std::size_t from) {
      const std::size_t end = text_.find_first_not_of("0123456789", from);
      return std::min(end, text_.size()) - std::min(from, text_.size());
    };
    std::size_t at = at_;
    if (!at_end() && is_dash_code(code_at(text_, at))) at = character_end(text_, at);
    const std::size_t first = digits(at);
    if (first == 0 || first > 3) return at_;
    at += first;
    const std::size_t groups = at;
    while (at < text_.size() && text_[at] == ',' && digits(at + 1) == 3) at += 4;
    if (at == groups) return at_;
    if (at < text_.size() && text_[at] == '.') at += 1 + digits(at + 1);
    return ends_member(text_.substr(at)) ? at : at_;
  }

  // Whether a member's value is over before this: the object or the line ends, or a comma comes
  // that parts no more digits.
  static bool ends_member(std::string_view rest) {
    const std::size_t begin = rest.find_first_not_of(" \t\r");
    if (begin == std::string_view::npos) return true;
    rest.remove_prefix(begin);
    if (rest.front() == ',') return rest.size() == 1 || !is_digit(rest[1]);
    return std::string_view("}]\n").find(rest.front()) != std::string_view::npos ||
           rest.starts_with("//") || rest.starts_with("/*") || rest.starts_with("# ");
  }

  Value read_list(int depth) {
    Value::List items;
    ++at_;
    for (;;) {
      skip_commas();
      if (at_end() || peek() == '}') break;
      if (peek() == ']') {
        ++at_;
        break;
      }
      const std::size_t before = at_;
      items.push_back(read(depth + 1));
      if (at_ == before) ++at_;
    }
    return Value(std::move(items));
  }

  // A quote ends the string only where JSON could go on after it: models forget to escape inner
  // quotes.
  bool ends_string(std::size_t after) const {
    const std::size_t begin = after;
    while (after < text_.size() &&
           (text_[after] == ' ' || text_[after] == '\t' || text_[after] == '\r'))
      ++after;
    if (after >= text_.size()) return true;
    const std::string_view rest = text_.substr(after);
    if (after > begin && (rest.starts_with("//") || rest.starts_with("/*"))) return true;
    return std::string_view(",:}]\n").find(rest.front()) != std::string_view::npos;
  }

  std::string read_string(const QuotePair& quote) {
    std::string out;
    at_ += quote.open.size();
    while (!at_end()) {
      if (starts_with(quote.close) && ends_string(at_ + quote.close.size())) {
        at_ += quote.close.size();
        return out;
      }
      if (peek() == '\\' && at_ + 1 < text_.size()) {
        ++at_;
        read_escape(out);
      } else {
        out.push_back(text_[at_++]);
      }
    }
    while (!out.empty() && is_space(out.back())) out.pop_back();
    return out;
  }

  void read_escape(std::string& out) {
    const char c = text_[at_++];
    switch (c) {
      case 'n':
        out.push_back('\n');
        return;
      case 't':
        out.push_back('\t');
        return;
      case 'r':
        out.push_back('\r');
        return;
      case 'b':
        out.push_back('\b');
        return;
      case 'f':
        out.push_back('\f');
        return;
      case 'u': {
        std::optional<std::uint32_t> code = read_hex();
        if (!code) {
          out += "\\u";
          return;
        }
        if (*code >= 0xD800 && *code < 0xDC00 && starts_with("\\u")) {
          at_ += 2;
          const std::optional<std::uint32_t> low = read_hex();
          if (low && *low >= 0xDC00 && *low < 0xE000) {
            code = 0x10000U + ((*code - 0xD800U) << 10U) + (*low - 0xDC00U);
          }
        }
        append_utf8(out, *code >= 0xD800 && *code < 0xE000 ? 0xFFFDU : *code);
        return;
      }
      case '"':
      case '\'':
      case '\\':
      case '/':
      case '`':
        out.push_back(c);
        return;
      default:  // "\d" of a regular expression or a path: the model meant both characters
        out.push_back('\\');
        out.push_back(c);
    }
  }

  std::optional<std::uint32_t> read_hex() {
    if (at_ + 4 > text_.size()) return std::nullopt;
    std::uint32_t code = 0;
    const char* const begin = text_.data() + at_;
    const auto read = std::from_chars(begin, begin + 4, code, 16);
    if (read.ec != std::errc() || read.ptr != begin + 4) return std::nullopt;
    at_ += 4;
    return code;
  }

  Value read_bare() {
    const std::size_t begin = at_;
    const auto comments = [&] {  // the "//" of a URL does not
      return starts_with("//") && at_ > begin && is_space(text_[at_ - 1]);
    };
    while (!at_end() && std::string_view(",}]\n").find(peek()) == std::string_view::npos &&
           !comments())
      ++at_;
    const std::string_view word = trim(text_.substr(begin, at_ - begin));
    const std::string lower = to_lower(word);
    if (lower == "true") return true;
    if (lower == "false") return false;
    if (lower.empty() || lower == "null" || lower == "none" || lower == "nil" ||
        lower == "undefined" || lower == "nan") {
      return {};
    }
    if (std::optional<Value> number = read_number(word)) return *number;
    return word;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  bool has_cut_number_ = false;
};

Result<Value> read_leniently(std::string_view text) {
  LenientReader reader(text);
  Value value = reader.read();
  if (!reader.has_cut_number()) return value;
  return bad_reply(
      {}, "a comma inside a number in '" + shorten(text, 60) + "'; write numbers without commas");
}

// A text without brackets that is one value all the same.
std::optional<Value> read_lone_value(std::string_view text) {
  const std::string lower = to_lower(text);
  if (lower == "true") return Value(true);
  if (lower == "false") return Value(false);
  if (lower == "none") return Value();
  if (std::optional<Value> number = read_number(text)) return number;
  for (const QuotePair& quote : kQuotes) {
    if (text.starts_with(quote.open)) return LenientReader(text).read();
  }
  return std::nullopt;
}

// Where the value that begins at a bracket ends, were it well formed; npos when it never closes.
std::size_t balanced_end(std::string_view text, std::size_t begin) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = begin; i < text.size(); ++i) {
    const char c = text[i];
    if (in_string) {
      if (c == '\\') {
        ++i;
      } else if (c == '"') {
        in_string = false;
      }
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      ++depth;
    } else if (c == '}' || c == ']') {
      if (--depth == 0) return i + 1;
    }
  }
  return std::string_view::npos;
}

std::size_t find_open(std::string_view text, JsonShape shape, std::size_t from) {
  switch (shape) {
    case JsonShape::object:
      return text.find('{', from);
    case JsonShape::list:
      return text.find('[', from);
    case JsonShape::any:
      return text.find_first_of("{[", from);
  }
  return std::string_view::npos;
}

// A bracket that goes on as JSON does: a value begins there, however flawed it is.
bool opens_json(std::string_view text, std::size_t open) {
  const std::string_view rest = trim(text.substr(open + 1));
  if (rest.empty()) return false;
  for (const QuotePair& quote : kQuotes) {
    if (rest.starts_with(quote.open)) return true;
  }
  if (text[open] == '[') {  // "[[ ## name ## ]]" is a mark of the chat format
    return rest.front() == '{' || (rest.front() == '[' && !trim(rest.substr(1)).starts_with('#'));
  }
  const std::size_t end =
      rest.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-");
  return end != std::string_view::npos && end > 0 && rest[end] == ':';
}

// What a text holds: the first well-formed value, else where to read leniently.
struct JsonSearch {
  std::optional<Value> value;
  std::size_t open = std::string_view::npos;  // where either begins
  bool is_flawed = false;                     // JSON goes on behind a bracket, but not well formed
};

// Of the first few brackets, one that opens well-formed JSON is the one meant, but none inside a
// flawed value; the number is bounded so that a reply of brackets only stays cheap.
JsonSearch search_json(std::string_view text, JsonShape shape) {
  constexpr int kTries = 8;
  JsonSearch search;
  search.open = find_open(text, shape, 0);
  std::size_t at = search.open;
  for (int i = 0; i < kTries && at != std::string_view::npos; ++i) {
    const std::size_t end = balanced_end(text, at);
    if (end != std::string_view::npos) {
      if (Result<Value> strict = Value::parse_json(text.substr(at, end - at))) {
        search.value = std::move(*strict);
        search.open = at;
        return search;
      }
    }
    if (opens_json(text, at)) {
      if (!search.is_flawed) search.open = at;
      search.is_flawed = true;
      if (end == std::string_view::npos || text[at] == '[') return search;
      shape = JsonShape::object;  // a sketch of the layout may stand before the object itself
    }
    at = find_open(text, shape, end == std::string_view::npos ? at + 1 : end);
  }
  return search;
}

}  // namespace

LeadingJson read_leading_json(std::string_view text) {
  LenientReader reader(text);
  LeadingJson leading;
  leading.value = reader.read();
  leading.end = reader.position();
  return leading;
}

std::string_view without_fence(std::string_view text) {
  text = trim(text);
  const std::size_t open = text.find("```");
  if (open == std::string_view::npos) return text;
  const std::size_t line_end = text.find('\n', open);
  if (line_end == std::string_view::npos) {
    const std::size_t close = text.find("```", open + 3);
    return close == std::string_view::npos ? text : trim(text.substr(open + 3, close - open - 3));
  }
  const std::size_t close = text.find("```", line_end);
  const std::size_t length = close == std::string_view::npos ? close : close - line_end;
  return trim(text.substr(line_end, length));
}

std::optional<Value> read_number(std::string_view text) {
  text = trim(text);
  if (text.starts_with('+')) text.remove_prefix(1);
  if (text.empty()) return std::nullopt;
  std::string plain;
  plain.reserve(text.size() + 1);
  if (is_dash_code(code_at(text, 0))) {
    plain.push_back('-');
    text.remove_prefix(character_end(text, 0));
  }
  const auto digit = [&](std::size_t at) { return at < text.size() && is_digit(text[at]); };
  // Thousands stand in groups only after one to three digits: "0,125" is no whole number.
  std::size_t group = 0;
  while (digit(group)) ++group;
  if (group == 0 || group > 3 || text.front() == '0') group = std::string_view::npos;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool groups = i == group && (text[i] == ',' || text[i] == '_') && digit(i + 1) &&
                        digit(i + 2) && digit(i + 3) && !digit(i + 4);
    if (groups) {
      group = i + 4;
    } else {
      plain.push_back(text[i]);
    }
  }
  const char* const end = plain.data() + plain.size();
  std::int64_t integer = 0;
  if (const auto read = std::from_chars(plain.data(), end, integer);
      read.ec == std::errc() && read.ptr == end) {
    return Value(integer);
  }
  const char first = plain.front() == '-' && plain.size() > 1 ? plain[1] : plain.front();
  if ((first < '0' || first > '9') && first != '.') return std::nullopt;  // not "inf", not "nan"
  double real = 0;
  const auto read = std::from_chars(plain.data(), end, real);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(real)) return std::nullopt;
  return Value(real);
}

Result<Value> repair_json(std::string_view raw, JsonShape shape) {
  const std::string repaired = is_utf8(raw) ? std::string() : to_utf8(raw);
  const std::string_view whole = trim(repaired.empty() ? raw : std::string_view(repaired));
  const auto fits = [&](const Value& value) {
    return shape == JsonShape::any ||
           (shape == JsonShape::object ? value.is_object() : value.is_list());
  };
  if (Result<Value> strict = Value::parse_json(whole); strict && fits(*strict)) return strict;

  const std::string_view fenced = without_fence(whole);
  const bool fence_first =
      whole.find("```") < find_open(whole, shape, 0);  // else the fence is inside a string
  const std::string_view inner = fence_first ? fenced : whole;
  JsonSearch in_fence = search_json(inner, shape);
  if (in_fence.value) return std::move(*in_fence.value);
  JsonSearch in_whole = fence_first ? search_json(whole, shape) : JsonSearch{};
  // Flawed JSON in a fence is the answer, not what comes after it. Well-formed JSON that begins
  // inside the fence says that the fence was cut at one inside a string.
  const auto fence_end = static_cast<std::size_t>(inner.data() - whole.data()) + inner.size();
  const bool fence_holds_json = in_fence.is_flawed || in_fence.open == 0;
  if (in_whole.value && (!fence_holds_json || in_whole.open < fence_end)) {
    return std::move(*in_whole.value);
  }
  if (in_fence.open != std::string_view::npos) return read_leniently(inner.substr(in_fence.open));
  if (in_whole.open != std::string_view::npos) return read_leniently(whole.substr(in_whole.open));
  if (shape != JsonShape::any) {
    return bad_reply({}, std::string("no JSON ") +
                             (shape == JsonShape::object ? "object" : "list") + " in '" +
                             shorten(whole, 60) + "'");
  }
  if (std::optional<Value> value = read_lone_value(inner)) return std::move(*value);
  return bad_reply({}, "no JSON in '" + shorten(whole, 60) + "'");
}

}  // namespace internal

Result<Value> repair_json(std::string_view text) {
  return internal::repair_json(text, internal::JsonShape::any);
}

}  // namespace hone
