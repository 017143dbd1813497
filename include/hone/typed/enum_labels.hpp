// The names of an enum's values as labels.
#pragma once

#include <array>
#include <cstddef>
#include <string_view>
#include <type_traits>
#include <utility>

namespace hone {

// Specialise it where labels should differ from the names, or values lie outside 0..63:
//   template <> struct hone::EnumLabels<Urgency> {
//     static constexpr std::array<std::pair<Urgency, std::string_view>, 2> values = {
//         {{Urgency::now, "right now"}, {Urgency::later, "later"}}};
//   };
template <class E>
struct EnumLabels;

namespace internal {

// The compiler spells the value out in the function's own name: "… [with auto value =
// ns::Color::red; …]", or as a cast, "(ns::Color)7", where no enumerator has it.
template <auto value>
consteval std::string_view enumerator_name() {
  std::string_view name = __PRETTY_FUNCTION__;
  const std::size_t key = name.rfind("value = ");
  name.remove_prefix(key + 8);
  name = name.substr(0, name.find_first_of(";]"));
  const std::size_t scope = name.rfind("::");
  if (scope != std::string_view::npos) name.remove_prefix(scope + 2);
  return name.find(')') == std::string_view::npos ? name : std::string_view();
}

inline constexpr std::size_t kEnumerators = 64;

template <class E, std::size_t... is>
consteval std::array<std::string_view, sizeof...(is)> enumerator_names(std::index_sequence<is...>) {
  return {enumerator_name<static_cast<E>(is)>()...};
}

template <class E>
concept HasEnumLabels = requires { EnumLabels<E>::values; };

template <class E>
consteval std::size_t enumerator_count() {
  if constexpr (HasEnumLabels<E>) {
    return EnumLabels<E>::values.size();
  } else {
    std::size_t count = 0;
    for (const std::string_view name :
         enumerator_names<E>(std::make_index_sequence<kEnumerators>())) {
      if (!name.empty()) ++count;
    }
    return count;
  }
}

template <class E>
consteval auto make_enum_labels() {
  if constexpr (HasEnumLabels<E>) {
    return EnumLabels<E>::values;
  } else {
    std::array<std::pair<E, std::string_view>, enumerator_count<E>()> out{};
    const auto names = enumerator_names<E>(std::make_index_sequence<kEnumerators>());
    std::size_t next = 0;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!names[i].empty()) out[next++] = {static_cast<E>(i), names[i]};
    }
    return out;
  }
}

}  // namespace internal

// Every value with its label, in order of the values (or as EnumLabels lists them).
template <class E>
inline constexpr auto enum_labels = internal::make_enum_labels<E>();

}  // namespace hone
