#include <algorithm>
#include <cctype>
#include <charconv>
#include <cmath>
#include <set>

#include "hone/base/text.hpp"
#include "hone/core/signature.hpp"

namespace hone {
namespace {

// A recursive-descent parser of the string form; the grammar is in docs/core.md. The first fault
// wins and is kept with its column.
class Parser {
 public:
  explicit Parser(std::string_view text) : text_(text) {}

  Result<std::pair<std::vector<Field>, std::vector<Field>>> signature() {
    std::vector<Field> inputs = fields();
    if (!failed_ && !take("->")) fail("'->' between inputs and outputs");
    std::vector<Field> outputs;
    if (!failed_) outputs = fields();
    if (!failed_ && outputs.empty()) fail("an output field");
    end();
    if (failed_) return fault();
    return std::pair(std::move(inputs), std::move(outputs));
  }

  Result<Type> only_type() {
    Type parsed = type();
    end();
    if (failed_) return fault();
    return parsed;
  }

 private:
  static constexpr int kMaxDepth = 50;

  static bool is_name_start(char c) {
    return std::isalpha(static_cast<unsigned char>(c)) || c == '_';
  }
  static bool is_name_char(char c) {
    return std::isalnum(static_cast<unsigned char>(c)) || c == '_';
  }

  void skip_space() {
    while (at_ < text_.size() && std::isspace(static_cast<unsigned char>(text_[at_]))) ++at_;
  }
  char peek() {
    skip_space();
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  bool take(std::string_view token) {
    skip_space();
    if (!text_.substr(at_).starts_with(token)) return false;
    at_ += token.size();
    return true;
  }
  void fail(std::string expected) {
    if (failed_) return;
    skip_space();
    failed_ = true;
    fault_at_ = at_;
    expected_ = std::move(expected);
  }
  void reject(std::size_t at, std::string message) {
    if (failed_) return;
    failed_ = true;
    fault_at_ = at;
    message_ = std::move(message);
  }
  void end() {
    if (!failed_ && peek() != '\0') fail("the end or ','");
  }
  Error fault() const {
    const std::size_t line_start = fault_at_ == 0 ? 0
                                   : text_.rfind('\n', fault_at_ - 1) == std::string_view::npos
                                       ? 0
                                       : text_.rfind('\n', fault_at_ - 1) + 1;
    const std::size_t line_end = std::min(text_.find('\n', line_start), text_.size());
    const std::string line(text_.substr(line_start, line_end - line_start));
    std::string what = message_;
    if (what.empty()) {
      what = "expected " + expected_ + ", found " +
             (fault_at_ < text_.size() ? "'" + std::string(1, text_[fault_at_]) + "'"
                                       : std::string("the end"));
    }
    return bad_request(
        "signature, column " + std::to_string(fault_at_ + 1),
        what + "\n  " + line + "\n  " + std::string(fault_at_ - line_start, ' ') + "^");
  }

  std::string name(const char* expected) {
    skip_space();
    const std::size_t start = at_;
    if (at_ < text_.size() && is_name_start(text_[at_])) {
      while (at_ < text_.size() && is_name_char(text_[at_])) ++at_;
    } else {
      fail(expected);
    }
    return std::string(text_.substr(start, at_ - start));
  }

  std::vector<Field> fields() {
    std::vector<Field> out;
    if (peek() == '-' || peek() == '\0') return out;
    std::set<std::string> seen;
    do {
      skip_space();
      const std::size_t start = at_;
      Field field;
      field.name = name("a field name");
      if (!failed_ && !seen.insert(field.name).second) {
        reject(start, "field '" + field.name + "' is there twice");
      }
      if (!failed_ && take(":")) field.type = type();
      if (!failed_ && peek() == '"') field.type = field.type.with_description(quoted());
      if (failed_) return out;
      out.push_back(std::move(field));
    } while (take(","));
    return out;
  }

  // Types are walked by recursion everywhere, so their depth must not grow with what a user wrote.
  Type type() {
    skip_space();
    if (depth_ >= kMaxDepth) {
      reject(at_, "types may be nested at most " + std::to_string(kMaxDepth) + " deep");
      return Type::str();
    }
    ++depth_;
    Type out = type_at_depth();
    --depth_;
    return out;
  }

  Type type_at_depth() {
    static const std::vector<std::string> known = {"str",  "int",  "float",   "bool",
                                                   "enum", "list", "optional"};
    if (peek() == '{') return structure();
    skip_space();
    const std::size_t start = at_;
    const std::string word =
        name("a type (str, int, float, bool, enum(…), list[…], optional[…], {…})");
    if (failed_) return Type::str();
    Type out = Type::str();
    if (word == "str") {
      out = Type::str().with_limits(length_limits());
    } else if (word == "int") {
      out = Type::integer().with_limits(number_limits());
    } else if (word == "float") {
      out = Type::real().with_limits(number_limits());
    } else if (word == "bool") {
      out = Type::boolean();
    } else if (word == "enum") {
      out = enumeration();
    } else if (word == "list") {
      Type element = Type::str();
      if (take("[")) {
        element = type();
        if (!failed_ && !take("]")) fail("']'");
      }
      if (!failed_) out = Type::list(element).with_limits(length_limits());
    } else if (word == "optional") {
      if (!take("[")) fail("'['");
      if (!failed_) out = Type::optional(type());
      if (!failed_ && !take("]")) fail("']'");
    } else {
      reject(start, "unknown type '" + word +
                        "'; expected str, int, float, bool, enum(…), list[…], " +
                        "optional[…] or {…}" + did_you_mean(word, known));
    }
    while (!failed_ && take("?")) out = Type::optional(out);
    return out;
  }

  Type enumeration() {
    std::vector<std::string> labels;
    if (!take("(")) fail("'(' and the labels");
    while (!failed_) {
      skip_space();
      const std::size_t start = at_;
      std::string label;
      if (peek() == '"' || peek() == '\'') {
        label = quoted();
      } else {
        while (at_ < text_.size() && text_[at_] != ',' && text_[at_] != ')')
          label.push_back(text_[at_++]);
        label = std::string(trim(label));
      }
      if (failed_) break;
      if (label.empty()) {
        at_ = start;
        fail("a label");
        break;
      }
      if (std::find(labels.begin(), labels.end(), label) != labels.end()) {
        reject(start, "label '" + label + "' is there twice");
        break;
      }
      labels.push_back(std::move(label));
      if (take(")")) return Type::enumeration(std::move(labels));
      if (!take(",")) fail("',' or ')'");
    }
    return Type::str();
  }

  Type structure() {
    take("{");
    std::vector<TypeField> members;
    std::set<std::string> seen;
    do {
      skip_space();
      const std::size_t start = at_;
      TypeField member{name("a field name"), Type::str()};
      if (!failed_ && !seen.insert(member.name).second) {
        reject(start, "field '" + member.name + "' is there twice");
      }
      if (!failed_ && take(":")) member.type = type();
      if (!failed_ && peek() == '"') member.type = member.type.with_description(quoted());
      if (failed_) return Type::str();
      members.push_back(std::move(member));
    } while (take(","));
    if (!take("}")) fail("',' or '}'");
    return Type::structure(std::move(members));
  }

  std::string quoted() {
    skip_space();
    const std::size_t start = at_;
    const char quote = text_[at_++];
    while (at_ < text_.size() && text_[at_] != quote) at_ += text_[at_] == '\\' ? 2 : 1;
    if (at_ >= text_.size()) {
      at_ = text_.size();
      fail(std::string("a closing ") + quote);
      return {};
    }
    const std::string_view body = text_.substr(start + 1, at_ - start - 1);
    ++at_;
    if (quote == '\'') return std::string(body);
    const Result<Value> value = Value::parse_json("\"" + std::string(body) + "\"");
    if (!value) {
      reject(start, "this text is not a well-formed JSON string");
      return {};
    }
    return value->as_string();
  }

  std::optional<double> bound() {
    skip_space();
    const char* first = text_.data() + at_;
    const char* last = text_.data() + text_.size();
    // A number followed by ".." must not swallow the first dot.
    const char* stop = std::find_if(first, last, [&](const char& c) {
      return c == ')' || c == ' ' || (c == '.' && &c + 1 < last && *(&c + 1) == '.');
    });
    double number = 0;
    const auto [end, error] = std::from_chars(first, stop, number);
    if (error != std::errc{} || !std::isfinite(number)) return std::nullopt;
    at_ += static_cast<std::size_t>(end - first);
    return number;
  }

  Limits number_limits() {
    Limits limits;
    skip_space();
    const std::size_t start = at_;
    if (!take("(")) return limits;
    limits.min = bound();
    if (!take("..")) fail("a number or '..'");
    if (!failed_) limits.max = bound();
    if (!failed_ && !take(")")) fail("a number or ')'");
    if (!failed_ && limits.min && limits.max && *limits.min > *limits.max) {
      reject(start, "the lower limit is above the upper one");
    }
    return limits;
  }

  Limits length_limits() {
    constexpr double kExact = 9007199254740992.0;  // 2^53: beyond it doubles skip integers
    skip_space();
    const std::size_t start = at_;
    const Limits numbers = number_limits();
    for (const std::optional<double>& length : {numbers.min, numbers.max}) {
      if (length && (*length < 0 || *length != std::floor(*length) || *length >= kExact)) {
        reject(start, "a length must be a whole number from 0, below 2^53");
      }
    }
    Limits limits;
    if (failed_) return limits;
    if (numbers.min) limits.min_length = static_cast<std::size_t>(*numbers.min);
    if (numbers.max) limits.max_length = static_cast<std::size_t>(*numbers.max);
    return limits;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  int depth_ = 0;
  bool failed_ = false;
  std::size_t fault_at_ = 0;
  std::string expected_;
  std::string message_;
};

}  // namespace

Result<Signature> Signature::parse(std::string_view text, std::string_view instructions) {
  auto fields = Parser(text).signature();
  if (!fields) return fields.error();
  return make(std::move(fields->first), std::move(fields->second), std::string(instructions));
}

Result<Type> parse_type(std::string_view text) {
  return Parser(text).only_type();
}

}  // namespace hone
