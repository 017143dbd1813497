// C++ types as hone's types and values, through Boost.PFR.
//
//   std::string  integers  double  float  bool  enum class  std::vector  std::optional  plain
//   structs of these, and Described and Bounded around any of them.
#pragma once

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <boost/pfr.hpp>

#include "hone/base/result.hpp"
#include "hone/base/text.hpp"
#include "hone/core/type.hpp"
#include "hone/core/value.hpp"
#include "hone/typed/described.hpp"
#include "hone/typed/enum_labels.hpp"

namespace hone {
namespace internal {

template <class T>
struct IsVector : std::false_type {};
template <class T>
struct IsVector<std::vector<T>> : std::true_type {};

template <class T>
struct IsOptional : std::false_type {};
template <class T>
struct IsOptional<std::optional<T>> : std::true_type {};

template <class T>
struct Annotation : std::false_type {};
template <class T, FixedString text>
struct Annotation<Described<T, text>> : std::true_type {
  using Inner = T;
  static Type apply(const Type& type) { return type.with_description(std::string(text.view())); }
};
template <class T, auto least, auto most>
struct Annotation<Bounded<T, least, most>> : std::true_type {
  using Inner = T;
  static Type apply(const Type& type) {
    Limits limits = type.limits();
    if (type.kind() == TypeKind::integer || type.kind() == TypeKind::real) {
      limits.min = static_cast<double>(least);
      limits.max = static_cast<double>(most);
    } else {
      limits.min_length = static_cast<std::size_t>(least);
      limits.max_length = static_cast<std::size_t>(most);
    }
    return type.with_limits(limits);
  }
};

// Whether a value may lack it: an optional, under whatever annotations.
template <class T>
struct MayBeMissing : IsOptional<T> {};
template <class T>
  requires(Annotation<T>::value)
struct MayBeMissing<T> : MayBeMissing<typename Annotation<T>::Inner> {};

template <class T>
concept PlainStruct = std::is_class_v<T> && std::is_aggregate_v<T>;

template <class T>
concept IsFieldType =
    std::same_as<T, std::string> || std::is_arithmetic_v<T> || std::is_enum_v<T> ||
    IsVector<T>::value || IsOptional<T>::value || Annotation<T>::value || PlainStruct<T>;

template <class T>
Type type_of();

// The members of a struct as named types: Field, TypeField.
template <class Named, class T>
std::vector<Named> members_of() {
  static_assert(
      PlainStruct<T>,
      "fields come from plain structs: no constructors, no base classes, no private members");
  constexpr auto names = boost::pfr::names_as_array<T>();
  return [&]<std::size_t... is>(std::index_sequence<is...>) {
    return std::vector<Named>{
        Named{std::string(names[is]),
              type_of<std::remove_cvref_t<boost::pfr::tuple_element_t<is, T>>>()}...};
  }(std::make_index_sequence<boost::pfr::tuple_size_v<T>>());
}

template <class T>
Type type_of() {
  static_assert(IsFieldType<T>,
                "a field must be a std::string, a number, a bool, an enum, a std::vector, a "
                "std::optional or a plain "
                "struct of these");
  if constexpr (Annotation<T>::value) {
    return Annotation<T>::apply(type_of<typename Annotation<T>::Inner>());
  } else if constexpr (std::same_as<T, bool>) {
    return Type::boolean();
  } else if constexpr (std::unsigned_integral<T>) {
    return Type::integer().with_limits({.min = 0.0, .max = {}, .min_length = {}, .max_length = {}});
  } else if constexpr (std::integral<T>) {
    return Type::integer();
  } else if constexpr (std::floating_point<T>) {
    return Type::real();
  } else if constexpr (std::is_enum_v<T>) {
    static_assert(!enum_labels<T>.empty(),
                  "this enum has no values from 0 to 63: specialise hone::EnumLabels for it");
    std::vector<std::string> labels;
    for (const auto& [value, label] : enum_labels<T>) labels.emplace_back(label);
    return Type::enumeration(std::move(labels));
  } else if constexpr (IsVector<T>::value) {
    return Type::list(type_of<typename T::value_type>());
  } else if constexpr (IsOptional<T>::value) {
    return Type::optional(type_of<typename T::value_type>());
  } else if constexpr (std::same_as<T, std::string>) {
    return Type::str();
  } else {
    return Type::structure(members_of<TypeField, T>());
  }
}

inline void wrong_kind(const char* expected, const Value& value, const std::string& where,
                       std::vector<std::string>& faults) {
  faults.push_back(where + ": expected " + expected + ", got " + shorten(value.to_json(), 60));
}

template <class T>
void read(const Value& value, T& out, const std::string& where, std::vector<std::string>& faults);

template <class T>
void read_struct(const Value& value, T& out, const std::string& where,
                 std::vector<std::string>& faults) {
  if (!value.is_object()) return wrong_kind("an object", value, where, faults);
  constexpr auto names = boost::pfr::names_as_array<T>();
  boost::pfr::for_each_field(out, [&](auto& member, std::size_t i) {
    const std::string place =
        where.empty() ? std::string(names[i]) : where + "." + std::string(names[i]);
    const Value* found = value.find(names[i]);
    if (found) {
      read(*found, member, place, faults);
    } else if constexpr (!MayBeMissing<std::remove_cvref_t<decltype(member)>>::value) {
      faults.push_back(place + ": missing");
    }
  });
}

template <class T>
void read(const Value& value, T& out, const std::string& where, std::vector<std::string>& faults) {
  if constexpr (Annotation<T>::value) {
    read(value, *out, where, faults);
  } else if constexpr (std::same_as<T, bool>) {
    if (!value.is_bool()) return wrong_kind("a bool", value, where, faults);
    out = value.as_bool();
  } else if constexpr (std::integral<T>) {
    if (!value.is_int() || !std::in_range<T>(value.as_int())) {
      return wrong_kind("an int that fits its C++ type", value, where, faults);
    }
    out = static_cast<T>(value.as_int());
  } else if constexpr (std::floating_point<T>) {
    if (!value.is_number()) return wrong_kind("a number", value, where, faults);
    out = static_cast<T>(value.as_double());
  } else if constexpr (std::is_enum_v<T>) {
    for (const auto& [item, label] : enum_labels<T>) {
      if (value.is_string() && value.as_string() == label) {
        out = item;
        return;
      }
    }
    wrong_kind("one of the enum's labels", value, where, faults);
  } else if constexpr (IsVector<T>::value) {
    if (!value.is_list()) return wrong_kind("a list", value, where, faults);
    out.clear();  // a default gives way to what is given
    for (const Value& item : value.as_list()) {
      typename T::value_type element{};
      read(item, element, where + "[" + std::to_string(out.size()) + "]", faults);
      out.push_back(std::move(element));
    }
  } else if constexpr (IsOptional<T>::value) {
    out.reset();
    if (!value.is_null()) read(value, out.emplace(), where, faults);
  } else if constexpr (std::same_as<T, std::string>) {
    if (!value.is_string()) return wrong_kind("a text", value, where, faults);
    out = value.as_string();
  } else {
    read_struct(value, out, where, faults);
  }
}

}  // namespace internal

// The type of a field that holds a T.
template <class T>
Type type_of() {
  return internal::type_of<T>();
}

template <class T>
Value to_value(const T& value) {
  if constexpr (internal::Annotation<T>::value) {
    return to_value(*value);
  } else if constexpr (std::same_as<T, bool> || std::same_as<T, std::string>) {
    return Value(value);
  } else if constexpr (std::integral<T>) {
    return Value(static_cast<std::int64_t>(value));
  } else if constexpr (std::floating_point<T>) {
    return Value(static_cast<double>(value));
  } else if constexpr (std::is_enum_v<T>) {
    for (const auto& [item, label] : enum_labels<T>) {
      if (item == value) return Value(label);
    }
    throw_error(bad_request(
        "enum", "the value " + std::to_string(static_cast<std::int64_t>(value)) + " has no label"));
  } else if constexpr (internal::IsVector<T>::value) {
    Value::List items;
    items.reserve(value.size());
    for (const auto& item : value) items.push_back(to_value<typename T::value_type>(item));
    return Value(std::move(items));
  } else if constexpr (internal::IsOptional<T>::value) {
    return value ? to_value(*value) : Value();
  } else {
    static_assert(internal::PlainStruct<T>,
                  "only fields' types and plain structs of them become values");
    constexpr auto names = boost::pfr::names_as_array<T>();
    Value::Object fields;
    fields.reserve(names.size());
    boost::pfr::for_each_field(value, [&](const auto& member, std::size_t i) {
      fields.emplace_back(std::string(names[i]), to_value(member));
    });
    return Value::object(std::move(fields));
  }
}

// Every fault at once, each with its place: "parts[1].size: expected a number, got \"x\"". Members
// a value lacks are faults unless they are optional, and then keep their defaults; fields without a
// member are allowed.
template <class T>
Result<T> from_value(const Value& value, std::string_view where = {}) {
  T out{};
  std::vector<std::string> faults;
  internal::read(value, out, std::string(where), faults);
  if (!faults.empty()) return bad_request({}, join(faults, "; "));
  return out;
}

}  // namespace hone
