// Regular expressions of bounded numbers, as the right-hand sides of GBNF rules.
#pragma once

#include <cstddef>
#include <string>

#include "hone/core/type.hpp"

namespace hone::internal {

struct NumberPattern {
  std::string expression;  // alternatives; put it in parentheses before joining it to anything
  std::size_t max_bytes = 0;
};

// Exactly the decimal integers within the limits, no leading zeros, at most 15 digits where a bound
// is open.
NumberPattern integer_pattern(const Limits& limits);

// Decimals within the limits with at most 6 digits after the point and, where a bound is open, 15
// before it; a bound with more digits after it is kept to 6, inwards.
NumberPattern real_pattern(const Limits& limits);

}  // namespace hone::internal
