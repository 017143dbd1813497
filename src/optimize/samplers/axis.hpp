// Parameters as axes of numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/base/rng.hpp"
#include "hone/core/param.hpp"
#include "hone/optimize/space.hpp"

namespace hone {

// One searchable parameter. A point on it is the index of a choice, or a number between low() and
// high(): logarithms on a log scale, whole numbers for integers (whose bounds are half a step wider
// than the range).
class Axis {
 public:
  explicit Axis(Param param);

  const Param& param() const { return param_; }
  bool is_choice() const { return !choices_.empty(); }
  bool is_integer() const { return is_integer_; }
  std::size_t choices() const { return choices_.size(); }
  double low() const { return low_; }
  double high() const { return high_; }

  double draw(Rng& rng) const;
  double snap(double point) const;  // to the nearest point there is
  Value value(double point) const;
  std::optional<double> point(const Value& value) const;
  // Up to `steps` points from end to end; every choice.
  std::vector<double> grid(std::size_t steps) const;
  std::optional<std::size_t> size() const;  // number of points, when finite

 private:
  Param param_;
  std::vector<Value> choices_;
  bool is_integer_ = false;
  bool is_log_ = false;
  double low_ = 0;
  double high_ = 0;
};

// The searchable parameters, each after the one its condition names.
Result<std::vector<Axis>> axes_of(const Space& space);

// Every combination of grid points, at most `limit` + 1 of them.
std::vector<Candidate> combinations(const Space& space, const std::vector<Axis>& axes,
                                    std::size_t steps, std::size_t limit);

}  // namespace hone
