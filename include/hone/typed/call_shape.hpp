// What the parts of a typed program look like from outside.
#pragma once

#include <concepts>
#include <type_traits>

#include "hone/program/call.hpp"
#include "hone/program/predictor.hpp"

namespace hone::internal {

// In and Out of `Out operator()(Call&, const In&) const`.
template <class F>
struct CallSignature : std::false_type {};
template <class T, class O, class I>
struct CallSignature<O (T::*)(Call&, I) const> : std::true_type {
  using In = std::remove_cvref_t<I>;
  using Out = std::remove_cvref_t<O>;
};
template <class T, class O, class I>
struct CallSignature<O (T::*)(Call&, I) const noexcept> : CallSignature<O (T::*)(Call&, I) const> {
};

template <class T>
concept HasOneCall = requires { &T::operator(); };

template <class T>
concept IsStep = requires(T step, const T& constant, Predictor predictor) {
  { constant.predictor() } -> std::same_as<const Predictor&>;
  step.set_predictor(predictor);
};

// One of several parts, chosen at run time: Alternatives<…>.
template <class T>
concept IsChoice = requires(T choice, const T& constant) {
  { constant.chosen() } -> std::same_as<std::size_t>;
  choice.choose(std::size_t{0});
  T::names();
};

}  // namespace hone::internal
