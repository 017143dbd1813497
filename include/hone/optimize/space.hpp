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
//
// A parameter that exists only while another one has a certain value (an alternative's) is dropped
// when that other one is left out with another value, and loses its condition when it is left out
// with that value.
class Space {
 public:
  explicit Space(std::vector<Param> params) : params_(std::move(params)) {}
  static Space of(const Program& program) { return Space(program.params()); }

  // Parameters that name a model become a choice of the run's own (the empty text), these, and what
  // they have now. With no names nothing changes: there is nothing to choose.
  Space with_models(std::span<const std::string> names) const;

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
  // Whether it is to be searched by whoever can: it was kept or narrowed, or it is structure that
  // other parameters depend on. Settings nobody asked for stay as they are.
  bool is_asked(const Param& param) const;
  // A glob given to keep() or narrow(), and the parameters it matched.
  struct Wish {
    std::string glob;
    std::vector<std::string> paths;
  };
  const std::vector<Wish>& wishes() const { return wishes_; }

  // One line a parameter: path, domain, present value, condition.
  std::string describe() const;
  // A list of {"path", "domain", "choices" | "low", "high", "log", "initial", "condition": {"path",
  // "equals"}}; what a parameter has not is left out.
  Value to_json() const;

 private:
  Space settled(std::vector<Param> kept) const;

  std::vector<Param> params_;
  std::vector<Wish> wishes_;
};

// "one of a, b", "int 1..4", "text".
std::string domain_text(const Domain& domain);

// The predictors that run under the program's present structure: all but those of alternatives not
// chosen.
std::vector<Predictor> predictors_in_use(const Program& program);

}  // namespace hone
