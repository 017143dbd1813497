// Descriptions and limits of struct members, as part of their types.
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

namespace hone {

// Text as a template argument.
template <std::size_t n>
struct FixedString {
  char text[n] = {};
  consteval FixedString(const char (&given)[n]) {  // NOLINT(google-explicit-constructor)
    std::copy_n(given, n, text);
  }
  constexpr std::string_view view() const { return {text, n - 1}; }
};

// A T that is assigned, read and compared like one, and carries something for the model beside it.
template <class T>
class Annotated {
 public:
  using value_type = T;
  Annotated() = default;
  template <class U>
    requires(std::is_constructible_v<T, U &&> &&
             !std::is_base_of_v<Annotated, std::remove_cvref_t<U>>)
  Annotated(U&& given) : value(std::forward<U>(given)) {}  // NOLINT(google-explicit-constructor)

  operator const T&() const { return value; }  // NOLINT(google-explicit-constructor)
  T& operator*() { return value; }
  const T& operator*() const { return value; }
  T* operator->() { return &value; }
  const T* operator->() const { return &value; }
  friend bool operator==(const Annotated&, const Annotated&) = default;

  T value{};
};

// A member whose description is shown to the model: Described<std::string, "one short sentence">
// answer;
template <class T, FixedString text>
class Described : public Annotated<T> {
 public:
  using Annotated<T>::Annotated;
};

// A member with inclusive bounds: of a number its size, of a text its bytes, of a list its items.
// Both compose: Described<Bounded<int, 0, 120>, "in years"> age;
template <class T, auto least, auto most>
class Bounded : public Annotated<T> {
 public:
  static_assert(least <= most, "the lower limit of a Bounded is above the upper one");
  using Annotated<T>::Annotated;
};

}  // namespace hone
