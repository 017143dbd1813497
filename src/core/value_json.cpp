#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

#include <nlohmann/json.hpp>

#include "hone/base/text.hpp"
#include "hone/core/value.hpp"

#include "core/strict_json.hpp"

namespace hone {
namespace {

constexpr std::size_t kMaxDepth =
    200;  // deeper texts would exhaust the stack of whoever walks the value

// Builds a Value while nlohmann's parser walks the text, which keeps field order and needs no
// second tree.
class Builder : public nlohmann::json_sax<nlohmann::json> {
 public:
  explicit Builder(bool is_strict) : is_strict_(is_strict) {}
  bool null() override { return put(Value()); }
  bool boolean(bool value) override { return put(Value(value)); }
  bool number_integer(number_integer_t value) override { return put(Value(std::int64_t{value})); }
  bool number_unsigned(number_unsigned_t value) override {
    if (std::in_range<std::int64_t>(value)) return put(Value(static_cast<std::int64_t>(value)));
    return put(Value(static_cast<double>(value)));
  }
  bool number_float(number_float_t value, const string_t&) override {
    return put(Value(double{value}));
  }
  bool string(string_t& value) override { return put(Value(std::move(value))); }
  bool binary(binary_t&) override { return false; }
  bool start_object(std::size_t) override { return open(true); }
  bool start_array(std::size_t) override { return open(false); }
  bool key(string_t& value) override {
    Level& level = open_.back();
    if (is_strict_ && level.has(value)) {
      message_ = "the key \"" + shorten(value, 60) + "\" is given twice";
      const Level& whole = open_.front();
      repeated_in_ =
          whole.is_object ? std::string() : "[" + std::to_string(whole.items.size()) + "]";
      return false;
    }
    level.key = std::move(value);
    return true;
  }
  bool end_object() override {
    Level level = std::move(open_.back());
    open_.pop_back();
    return put(Value::object(std::move(level.fields)));
  }
  bool end_array() override {
    Level level = std::move(open_.back());
    open_.pop_back();
    return put(Value::list(std::move(level.items)));
  }
  bool parse_error(std::size_t position, const std::string&,
                   const nlohmann::json::exception& fault) override {
    position_ = position;
    message_ = fault.what();
    return false;
  }

  Value take() { return std::move(root_); }
  std::size_t position() const { return position_; }
  const std::string& message() const { return message_; }
  // Where a refused key stands, if there was one: "[3]" in item 3 of a list, else empty.
  const std::optional<std::string>& repeated_in() const { return repeated_in_; }

 private:
  struct Level {
    bool has(const std::string& name) const {
      return std::any_of(fields.begin(), fields.end(),
                         [&](const auto& field) { return field.first == name; });
    }

    bool is_object = false;
    std::string key;
    Value::Object fields;
    Value::List items;
  };

  bool open(bool is_object) {
    if (open_.size() >= kMaxDepth) {
      message_ = "nested deeper than 200 levels";
      return false;
    }
    Level level;
    level.is_object = is_object;
    open_.push_back(std::move(level));
    return true;
  }
  bool put(Value value) {
    if (open_.empty()) {
      root_ = std::move(value);
    } else if (open_.back().is_object) {
      open_.back().fields.emplace_back(std::move(open_.back().key), std::move(value));
    } else {
      open_.back().items.push_back(std::move(value));
    }
    return true;
  }

  bool is_strict_;  // no key twice in one object
  std::vector<Level> open_;
  Value root_;
  std::size_t position_ = 0;
  std::string message_;
  std::optional<std::string> repeated_in_;
};

// nlohmann words its faults as "[json.exception…] parse error at line 1, column 5: …: what"; the
// last part is what a person needs.
std::string plain_fault(const std::string& message) {
  const std::size_t at = message.find("parse error at ");
  if (at == std::string::npos) return message;
  std::string plain = message.substr(at + 15);
  const std::size_t noise = plain.find("syntax error while parsing ");
  if (noise != std::string::npos) plain.erase(noise, 27);
  return plain;
}

void write_string(std::string& out, std::string_view text) {
  static constexpr char kDigits[] = "0123456789abcdef";
  const std::string repaired = is_utf8(text) ? std::string() : to_utf8(text);
  if (!repaired.empty()) text = repaired;
  out.push_back('"');
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      case '\b':
        out += "\\b";
        break;
      case '\f':
        out += "\\f";
        break;
      default:
        if (static_cast<unsigned char>(c) < 0x20) {
          out += "\\u00";
          out.push_back(kDigits[(static_cast<unsigned char>(c) >> 4U) & 0xFU]);
          out.push_back(kDigits[static_cast<unsigned char>(c) & 0xFU]);
        } else {
          out.push_back(c);
        }
    }
  }
  out.push_back('"');
}

void new_line(std::string& out, int indent, int depth) {
  if (indent < 0) return;
  out.push_back('\n');
  out.append(static_cast<std::size_t>(indent) * static_cast<std::size_t>(depth), ' ');
}

void write(std::string& out, const Value& value, int indent, int depth) {
  switch (value.kind()) {
    case ValueKind::null:
      out += "null";
      break;
    case ValueKind::boolean:
      out += value.as_bool() ? "true" : "false";
      break;
    case ValueKind::integer:
      out += std::to_string(value.as_int());
      break;
    case ValueKind::real: {
      const double number = value.as_double();
      if (!std::isfinite(number)) {
        out += "null";
        break;
      }
      const std::string digits = number_text(number);
      out += digits;
      if (digits.find_first_of(".e") == std::string::npos) out += ".0";
      break;
    }
    case ValueKind::string:
      write_string(out, value.as_string());
      break;
    case ValueKind::list: {
      out.push_back('[');
      bool first = true;
      for (const Value& item : value.as_list()) {
        if (!first) out += indent < 0 ? ", " : ",";
        first = false;
        new_line(out, indent, depth + 1);
        write(out, item, indent, depth + 1);
      }
      if (!first) new_line(out, indent, depth);
      out.push_back(']');
      break;
    }
    case ValueKind::object: {
      out.push_back('{');
      bool first = true;
      for (const auto& [name, field] : value.as_object()) {
        if (!first) out += indent < 0 ? ", " : ",";
        first = false;
        new_line(out, indent, depth + 1);
        write_string(out, name);
        out += ": ";
        write(out, field, indent, depth + 1);
      }
      if (!first) new_line(out, indent, depth);
      out.push_back('}');
      break;
    }
  }
}

Result<Value> parse(std::string_view text, std::string_view where, bool is_strict) {
  Builder builder(is_strict);
  if (nlohmann::json::sax_parse(text.begin(), text.end(), &builder)) return builder.take();
  if (const auto& item = builder.repeated_in())
    return bad_request(std::string(where) + *item, builder.message());
  return bad_request(std::string(where), "not JSON: " + plain_fault(builder.message()));
}

}  // namespace

Result<Value> Value::parse_json(std::string_view text, std::string_view where) {
  return parse(text, where, /*is_strict=*/false);
}

Result<Value> parse_strict_json(std::string_view text, std::string_view where) {
  return parse(text, where, /*is_strict=*/true);
}

std::string Value::to_json(int indent) const {
  std::string out;
  write(out, *this, indent, 0);
  return out;
}

}  // namespace hone
