// A run-time value: what fields, parameters, settings and files hold.
#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"

namespace hone {

enum class ValueKind { null, boolean, integer, real, string, list, object };

std::string_view to_string(ValueKind kind);

// An immutable JSON-like value; objects keep the order of their fields. Copies are cheap (lists and
// objects are shared, never changed) and safe to read from many threads.
class Value {
 public:
  using List = std::vector<Value>;
  using Object = std::vector<std::pair<std::string, Value>>;

  Value() = default;  // null
  // NOLINTBEGIN(google-explicit-constructor): values are written as the literals they hold.
  Value(bool value) : state_(value) {}
  Value(int value) : state_(static_cast<std::int64_t>(value)) {}
  Value(std::int64_t value) : state_(value) {}
  Value(std::size_t value) : state_(static_cast<std::int64_t>(value)) {}
  Value(double value) : state_(value) {}
  Value(std::string value) : state_(std::move(value)) {}
  Value(std::string_view value) : state_(std::string(value)) {}
  Value(const char* value) : state_(std::string(value)) {}
  Value(List items);
  // NOLINTEND(google-explicit-constructor)

  static Value list(List items) { return Value(std::move(items)); }
  // Later fields of the same name replace earlier ones, in the earlier one's place.
  static Value object(Object fields = {});
  static Value strings(const std::vector<std::string>& items);
  static Value numbers(const std::vector<double>& items);

  ValueKind kind() const noexcept { return static_cast<ValueKind>(state_.index()); }
  bool is_null() const noexcept { return kind() == ValueKind::null; }
  bool is_bool() const noexcept { return kind() == ValueKind::boolean; }
  bool is_int() const noexcept { return kind() == ValueKind::integer; }
  bool is_number() const noexcept {
    return kind() == ValueKind::integer || kind() == ValueKind::real;
  }
  bool is_string() const noexcept { return kind() == ValueKind::string; }
  bool is_list() const noexcept { return kind() == ValueKind::list; }
  bool is_object() const noexcept { return kind() == ValueKind::object; }

  // Preconditions: the kind fits (as_double also takes integers).
  bool as_bool() const { return std::get<bool>(state_); }
  std::int64_t as_int() const { return std::get<std::int64_t>(state_); }
  double as_double() const;
  const std::string& as_string() const { return std::get<std::string>(state_); }
  const List& as_list() const { return *std::get<std::shared_ptr<const List>>(state_); }
  const Object& as_object() const { return *std::get<std::shared_ptr<const Object>>(state_); }

  // The field of an object, or nullptr when there is none (or this is no object). Linear in the
  // fields.
  const Value* find(std::string_view name) const;
  // The field, or null.
  Value get(std::string_view name) const;
  // An object with the field set; precondition: is_object() or is_null().
  Value with(std::string_view name, Value value) const;
  Value without(std::string_view name) const;

  // Number of items or fields; 0 for scalars.
  std::size_t size() const;

  // One JSON text. An object's order is kept; a bad text is a bad_request whose message gives line
  // and column.
  static Result<Value> parse_json(std::string_view text, std::string_view where = {});
  // Compact when indent < 0. Numbers are written as the shortest text that reads back the same;
  // ill-formed UTF-8 is replaced; non-finite reals become null.
  std::string to_json(int indent = -1) const;

  // A string as it is, everything else as compact JSON: how a person would show the value on one
  // line.
  std::string text() const;

  void add_to(Hasher& hasher) const;
  Hash hash() const;

  // Objects are equal when they have equal fields in any order; 1 and 1.0 are equal.
  friend bool operator==(const Value& a, const Value& b);

 private:
  using State = std::variant<std::monostate, bool, std::int64_t, double, std::string,
                             std::shared_ptr<const List>, std::shared_ptr<const Object>>;
  State state_;
};

}  // namespace hone
