// One of several typed parts: the structure of a program as something to tune.
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "hone/program/call.hpp"
#include "hone/typed/call_shape.hpp"

namespace hone {

// A member of a typed program that is one of `Options`: Predict<…>, ChainOfThought<…>, structs of
// steps, or Alternatives again, all with the same In and Out. Which one is the parameter
// "<member>.choice"; the first one to begin with. Names: "predict", "chain_of_thought", a struct's
// own `static constexpr std::string_view name`, else "option_<n>"; of two alike the later gets its
// number. Parts have the path "<member>.<name>"; their parameters exist only while chosen. A value;
// const is concurrent; a call costs what the chosen part costs.
template <class... Options>
class Alternatives {
  using First = std::tuple_element_t<0, std::tuple<Options...>>;
  using Shape = internal::CallSignature<decltype(&First::operator())>;

 public:
  using In = typename Shape::In;
  using Out = typename Shape::Out;
  static_assert(
      (std::is_same_v<In, typename internal::CallSignature<decltype(&Options::operator())>::In> &&
       ...),
      "all alternatives must take the same In");
  static_assert(
      (std::is_same_v<Out, typename internal::CallSignature<decltype(&Options::operator())>::Out> &&
       ...),
      "all alternatives must give the same Out");

  Alternatives() = default;
  explicit Alternatives(Options... options) : options_(std::move(options)...) {}

  // Throws what the chosen part throws.
  Out operator()(Call& call, const In& inputs) const {
    std::optional<Out> out;
    for_each([&](const auto& option, std::size_t i) {
      if (i == chosen_) out.emplace(option(call, inputs));
    });
    return *std::move(out);
  }

  std::size_t chosen() const { return chosen_; }
  // Precondition: below the number of options.
  void choose(std::size_t index) { chosen_ = index; }

  static std::vector<std::string> names() {
    std::vector<std::string> out;
    const auto add = [&](std::string_view own) {
      const std::string number = std::to_string(out.size() + 1);
      std::string name = own.empty() ? "option_" + number : std::string(own);
      if (std::find(out.begin(), out.end(), name) != out.end()) name += "_" + number;
      out.push_back(std::move(name));
    };
    (add(own_name<Options>()), ...);
    return out;
  }

  // Calls visit(option, index) for each, in order.
  template <class Visit>
  void for_each(const Visit& visit) const {
    visit_all(options_, visit, std::index_sequence_for<Options...>());
  }
  template <class Visit>
  void for_each(const Visit& visit) {
    visit_all(options_, visit, std::index_sequence_for<Options...>());
  }

 private:
  template <class T>
  static constexpr std::string_view own_name() {
    if constexpr (requires { std::string_view(T::name); }) {
      return T::name;
    } else {
      return {};
    }
  }
  template <class Tuple, class Visit, std::size_t... i>
  static void visit_all(Tuple& options, const Visit& visit, std::index_sequence<i...> /*all*/) {
    (visit(std::get<i>(options), i), ...);
  }

  std::tuple<Options...> options_;
  std::size_t chosen_ = 0;
};

}  // namespace hone
