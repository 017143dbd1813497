// A density over axes: one joint kernel for each observed point, and a flat one.
#pragma once

#include <vector>

#include "hone/base/rng.hpp"

#include "optimize/samplers/axis.hpp"

namespace hone {

using Point = std::vector<double>;  // one number an axis

// Kernels are products over the axes: on numbers a normal around the observation, cut at the
// bounds; on a choice mostly its own, the rest spread evenly. Later observations weigh more once
// there are many. Holds pointers to the axes.
class Mixture {
 public:
  Mixture(std::vector<const Axis*> axes, std::vector<Point> observations);

  Point draw(Rng& rng) const;
  double log_density(const Point& point) const;

 private:
  double log_kernel(std::size_t kernel, std::size_t axis, double x) const;

  std::vector<const Axis*> axes_;
  std::vector<Point> centers_;
  std::vector<double> weights_;  // of the centers, then of the flat kernel
  std::vector<double> widths_;   // of the kernels, by axis
};

}  // namespace hone
