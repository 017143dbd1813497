#include "adapter/json_repair.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>

#include "hone/adapter/coerce.hpp"
#include "hone/base/text.hpp"

#include "adapter/utf8.hpp"

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
      std::string name = read_name();
      skip_space();
      Value value;
      if (!at_end() && (peek() == ':' || peek() == '=')) {
        at_ += starts_with("=>") ? 2U : 1U;
        skip_space();
        if (!at_end() && peek() != ',' && peek() != '}') value = read(depth + 1);
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
};

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
  std::size_t open = std::string_view::npos;
};

// Of the first few brackets, one that opens well-formed JSON is the one meant, but none inside a
// flawed value; the number is bounded so that a reply of brackets only stays cheap.
JsonSearch search_json(std::string_view text, JsonShape shape) {
  constexpr int kTries = 8;
  JsonSearch search;
  search.open = find_open(text, shape, 0);
  std::size_t at = search.open;
  bool flawed = false;
  for (int i = 0; i < kTries && at != std::string_view::npos; ++i) {
    const std::size_t end = balanced_end(text, at);
    if (end != std::string_view::npos) {
      if (Result<Value> strict = Value::parse_json(text.substr(at, end - at))) {
        search.value = std::move(*strict);
        return search;
      }
    }
    if (opens_json(text, at)) {
      if (!flawed) search.open = at;
      flawed = true;
      if (end == std::string_view::npos || text[at] == '[') return search;
      shape = JsonShape::object;  // a sketch of the layout may stand before the object itself
    }
    at = find_open(text, shape, end == std::string_view::npos ? at + 1 : end);
  }
  return search;
}

}  // namespace

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
  constexpr std::string_view kMinus = "\xE2\x88\x92";  // U+2212, the minus of print
  if (text.starts_with(kMinus)) {
    plain.push_back('-');
    text.remove_prefix(kMinus.size());
  }
  const auto digit = [&](std::size_t at) {
    return at < text.size() && text[at] >= '0' && text[at] <= '9';
  };
  // Thousands stand in groups only after one to three digits: "0,125" is no whole number.
  const std::size_t start = text.starts_with('-') ? 1U : 0U;
  std::size_t group = start;
  while (digit(group)) ++group;
  if (group == start || group - start > 3 || text[start] == '0') group = std::string_view::npos;
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
  // Well-formed JSON of either text comes first: a fence may be cut at one inside a string.
  JsonSearch in_fence = search_json(inner, shape);
  if (in_fence.value) return std::move(*in_fence.value);
  JsonSearch in_whole = fence_first ? search_json(whole, shape) : JsonSearch{};
  if (in_whole.value) return std::move(*in_whole.value);
  if (in_fence.open != std::string_view::npos) {
    return LenientReader(inner.substr(in_fence.open)).read();
  }
  if (in_whole.open != std::string_view::npos) {
    return LenientReader(whole.substr(in_whole.open)).read();
  }
  if (shape != JsonShape::any) {
    return bad_reply({}, std::string("no JSON ") +
                             (shape == JsonShape::object ? "object" : "list") + " in '" +
                             shorten(whole, 60) + "'");
  }
  const std::string lower = to_lower(inner);
  if (lower == "true") return Value(true);
  if (lower == "false") return Value(false);
  if (lower == "none") return Value();
  if (std::optional<Value> number = read_number(inner)) return *number;
  for (const QuotePair& quote : kQuotes) {
    if (inner.starts_with(quote.open)) return LenientReader(inner).read();
  }
  return bad_reply({}, "no JSON in '" + shorten(whole, 60) + "'");
}

}  // namespace internal

Result<Value> repair_json(std::string_view text) {
  return internal::repair_json(text, internal::JsonShape::any);
}

}  // namespace hone
