// Signatures and types of tests, from their text.
#pragma once

#include <string_view>

#include "hone/core/signature.hpp"
#include "hone/core/type.hpp"

namespace hone {

inline Signature parsed(std::string_view text) {
  return Signature::parse(text).value();
}

inline Type parsed_type(std::string_view text) {
  return parse_type(text).value();
}

}  // namespace hone
