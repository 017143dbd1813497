#include "hone/eval/pareto.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace hone {
namespace {

bool has_nan(std::span<const double> point) {
  return std::ranges::any_of(point, [](double value) { return std::isnan(value); });
}

bool is_better(double a, double b, Direction direction) {
  return direction == Direction::maximize ? a > b : a < b;
}

// Before in this order means: not dominated by what comes after.
bool comes_first(std::span<const double> a, std::span<const double> b,
                 std::span<const Direction> directions) {
  for (std::size_t goal = 0; goal < directions.size(); ++goal) {
    if (a[goal] != b[goal]) return is_better(a[goal], b[goal], directions[goal]);
  }
  return false;
}

}  // namespace

bool dominates(std::span<const double> a, std::span<const double> b,
               std::span<const Direction> directions) {
  if (has_nan(a)) return false;
  if (has_nan(b)) return true;
  bool is_better_somewhere = false;
  for (std::size_t goal = 0; goal < directions.size(); ++goal) {
    if (is_better(b[goal], a[goal], directions[goal])) return false;
    is_better_somewhere = is_better_somewhere || is_better(a[goal], b[goal], directions[goal]);
  }
  return is_better_somewhere;
}

std::vector<std::size_t> pareto_front(std::span<const std::vector<double>> points,
                                      std::span<const Direction> directions) {
  std::vector<std::size_t> order(points.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order, [&](std::size_t i) { return has_nan(points[i]); });
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return comes_first(points[a], points[b], directions);
  });
  std::vector<std::size_t> front;
  for (const std::size_t i : order) {
    const bool is_beaten = std::ranges::any_of(
        front, [&](std::size_t j) { return dominates(points[j], points[i], directions); });
    if (!is_beaten) front.push_back(i);
  }
  std::ranges::sort(front);
  return front;
}

}  // namespace hone
