// What a search may change.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/program/program.hpp"

namespace hone {

// The tunables of a program, narrowed by glob ("*.instructions", "answer.lm.*"). A value.
class Space {
 public:
  explicit Space(std::vector<Param> params) : params_(std::move(params)) {}
  static Space of(const Program& program) { return Space(program.params()); }

  // Only parameters that match one of the globs / no parameter that matches one. A glob that
  // matches nothing is a bad_request with near names: it is almost always a slip.
  Result<Space> keep(std::span<const std::string> globs) const;
  Result<Space> freeze(std::span<const std::string> globs) const;
  // Replaces the domain of the matching parameters by one of these values, which must lie in the
  // old domain.
  Result<Space> narrow(std::string_view glob, const std::vector<Value>& choices) const;

  const std::vector<Param>& params() const { return params_; }
  const Param* find(std::string_view path) const;
  // Whether a parameter exists under a candidate's values (its condition holds).
  bool is_active(const Param& param, const Candidate& candidate) const;
  // One line a parameter: path, domain, present value, condition.
  std::string describe() const;

 private:
  std::vector<Param> params_;
};

}  // namespace hone
