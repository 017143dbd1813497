// Types of signature fields.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"

namespace hone {

enum class TypeKind { str, integer, real, boolean, enumeration, list, optional, structure };

// Bounds a value must keep. `min` and `max` are for numbers (inclusive); the lengths are characters
// of a str (counted in bytes of UTF-8) or items of a list.
struct Limits {
  std::optional<double> min;
  std::optional<double> max;
  std::optional<std::size_t> min_length;
  std::optional<std::size_t> max_length;
  friend bool operator==(const Limits&, const Limits&) = default;
};

struct TypeField;

// An immutable value; copies are cheap. Its text form is what signature strings hold:
//   str  int  float  bool  enum(low, high)  list[str]  optional[int]  {name: str, age: int}
// with limits in parentheses: int(0..10), float(..1.5), str(..200), list[str](1..3).
class Type {
 public:
  static Type str();
  static Type integer();
  static Type real();
  static Type boolean();
  // Precondition: at least one label, all different (a parser reports this as an error; here it
  // throws).
  static Type enumeration(std::vector<std::string> labels);
  static Type list(Type element);
  static Type optional(Type element);
  static Type structure(std::vector<TypeField> fields);

  Type with_description(std::string description) const;
  Type with_limits(Limits limits) const;

  TypeKind kind() const;
  const std::string& description() const;  // empty when there is none
  const Limits& limits() const;
  const std::vector<std::string>& labels() const;  // of an enumeration
  Type element() const;                            // of a list or optional
  const std::vector<TypeField>& fields() const;    // of a structure

  // The values of a type that has few known ones, in the order of a model's label scores: an
  // enumeration's labels, or true and false; null after them where it is optional. Empty for any
  // other type.
  std::vector<Value> choices() const;

  // Text form; Signature::parse reads it back (descriptions are not in it).
  std::string to_string() const;
  // JSON form, descriptions included, and back.
  Value to_json() const;
  static Result<Type> from_json(const Value& json, std::string_view where);

  // Whether a value fits exactly (an int fits float). All faults at once, in one message whose
  // places start with `where` ("answer.items[2]").
  Result<void> check(const Value& value, std::string_view where) const;

  friend bool operator==(const Type& a, const Type& b);

 private:
  struct Node;
  explicit Type(std::shared_ptr<const Node> node) : node_(std::move(node)) {}
  std::shared_ptr<const Node> node_;
};

struct TypeField {
  std::string name;
  Type type;
  friend bool operator==(const TypeField&, const TypeField&) = default;
};

}  // namespace hone
