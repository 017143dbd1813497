// Whole values (instructions, demo sets) as choices a sampler can draw, next to plain parameters.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/param.hpp"
#include "hone/optimize/search.hpp"
#include "hone/optimize/space.hpp"

namespace hone {

class JointChoice {
 public:
  // Candidates for one parameter, which exists under the same condition as in `space`. A null value
  // leaves the parameter as it is.
  void add(const Space& space, const std::string& path, std::vector<Value> values);
  // One more value for a parameter added before; earlier points keep their meaning.
  void extend(const std::string& path, Value value);
  // The parameters of a space that match one of the globs (separated by blanks), as they are.
  // Nothing for no globs; a bad_request for a glob that matches nothing.
  Result<void> add_matching(const Space& space, std::string_view globs);
  // What the space is asked for and a sampler can draw. A calibration that costs no model call is
  // left to the search, which tries them all.
  void add_asked(const Space& space, const Program& student);

  bool empty() const { return params_.empty() && values_.empty(); }
  std::size_t axes() const { return params_.size() + values_.size(); }
  // What the sampler draws from: points of it.
  Space space() const;
  // What a point stands for.
  Candidate candidate(const Candidate& point) const;
  // "instructions 3, demos 1".
  std::string origin(const Candidate& point) const;
  // The value a point takes for a parameter added by add(); its index.
  std::optional<std::size_t> index(const Candidate& point, std::string_view path) const;
  // The point that takes the first value, or what the program has, everywhere.
  Candidate first() const;

 private:
  struct Listed {
    std::vector<Value> values;
    std::optional<Condition> condition;
  };
  void add_param(const Param& param);

  std::map<std::string, Listed, std::less<>> values_;
  std::vector<Param> params_;
};

// What a sampler is told about a trial: its merit, or less than any where it is beyond a limit;
// none when nothing of it was scored. Where the score is the goal and the trial met some examples
// only, the baseline's score and what the trial gains over it on these. `places`: which validation
// examples a minibatch's are; empty for a trial of all of them.
std::optional<double> told_score(const Search& search, const Trial& trial,
                                 std::span<const std::size_t> places = {});

}  // namespace hone
