// Several goals at once: which points nothing else beats.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace hone {

enum class Direction { maximize, minimize };

// Whether `a` is at least as good as `b` in every goal and better in one. A point with a goal that
// is not a number dominates nothing and is dominated by every point without one. Precondition:
// equal sizes.
bool dominates(std::span<const double> a, std::span<const double> b,
               std::span<const Direction> directions);

// Indices of the points no other point dominates, in ascending order; equal points are all on the
// front, points with a goal that is not a number never are. A point has one number a goal. Cost:
// points × front × goals after a sort (the simple cull of Kung, Luccio, Preparata 1975).
std::vector<std::size_t> pareto_front(std::span<const std::vector<double>> points,
                                      std::span<const Direction> directions);

}  // namespace hone
