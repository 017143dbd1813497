// Signatures from C++ structs.
#pragma once

#include <string>
#include <utility>

#include "hone/core/signature.hpp"
#include "hone/typed/value_of.hpp"

namespace hone {

namespace internal {

template <class S>
concept HasInAndOut = requires {
  typename S::In;
  typename S::Out;
};

template <class S>
std::string instructions_of() {
  if constexpr (requires { std::string(S::instructions); }) {
    return std::string(S::instructions);
  } else {
    return {};
  }
}

}  // namespace internal

// Of a struct that says what a step takes and gives:
//   struct Answer {
//     static constexpr std::string_view instructions = "Answer only from the passages.";  // may be
//     left out struct In  { std::vector<std::string> passages; std::string question; }; struct Out
//     { std::string answer; Confidence confidence; };
//   };
// In and Out must not share a name; that, unlike the rest, is found at run time (throws Exception).
template <class S>
Signature signature_of() {
  static_assert(internal::HasInAndOut<S>,
                "a signature struct needs two structs inside: In and Out");
  if constexpr (internal::HasInAndOut<S>) {
    return Signature::make(internal::members_of<Field, typename S::In>(),
                           internal::members_of<Field, typename S::Out>(),
                           internal::instructions_of<S>())
        .value();
  }
}

}  // namespace hone
