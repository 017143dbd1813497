// What kinds of parameters optimizers search.
#pragma once

#include <variant>

#include "hone/core/param.hpp"

namespace hone {

// Which predictors an optimizer cares for: those that run in the student as it is, or also those of
// alternatives it may choose.
enum class Structure { present, any };

inline bool is_text(const Param& param) {
  return std::holds_alternative<TextDomain>(param.domain);
}
inline bool is_demos(const Param& param) {
  return std::holds_alternative<DemoDomain>(param.domain);
}
// What a sampler can draw from.
inline bool is_drawable(const Param& param) {
  return std::holds_alternative<ChoiceDomain>(param.domain) ||
         std::holds_alternative<IntDomain>(param.domain) ||
         std::holds_alternative<RealDomain>(param.domain);
}

}  // namespace hone
