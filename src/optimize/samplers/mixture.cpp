#include "optimize/samplers/mixture.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace hone {
namespace {

// Kernel widths as shares of the range: kWidth for one observation, falling twice as fast with more
// of them as the usual rule for density estimation does. Chosen by bench/samplers: a search with
// few trials gains more from looking close to its best points than from a smooth density.
constexpr double kWidth = 0.08;
constexpr double kLeastWidth = 0.01;
constexpr std::size_t kFullWeights = 25;  // the latest observations keep full weight

double cdf(double z) {
  return 0.5 * std::erfc(-z / std::sqrt(2.0));
}

// log of a normal's mass or density at x, cut at the axis's bounds.
double log_normal(const Axis& axis, double mean, double width, double x) {
  const double inside = cdf((axis.high() - mean) / width) - cdf((axis.low() - mean) / width);
  if (axis.is_integer()) {
    const double mass = cdf((x + 0.5 - mean) / width) - cdf((x - 0.5 - mean) / width);
    return std::log(std::max(mass, 1e-300)) - std::log(inside);
  }
  const double z = (x - mean) / width;
  return -0.5 * z * z - std::log(width) - std::log(inside);
}

}  // namespace

Mixture::Mixture(std::vector<const Axis*> axes, std::vector<Point> observations)
    : axes_(std::move(axes)), centers_(std::move(observations)) {
  const auto count = static_cast<double>(centers_.size());
  for (const Axis* axis : axes_) {
    const double range = axis->high() - axis->low();
    const double shrunk =
        kWidth * std::pow(std::max(count, 1.0), -2.0 / (static_cast<double>(axes_.size()) + 4.0));
    widths_.push_back(range * std::max(shrunk, kLeastWidth));
  }
  for (std::size_t i = 0; i < centers_.size(); ++i) {
    const std::size_t old = centers_.size() > kFullWeights ? centers_.size() - kFullWeights : 0;
    const double share = 1.0 / std::max(count, 1.0);
    weights_.push_back(i >= old || old <= 1 ? 1.0
                                            : share + (1.0 - share) * static_cast<double>(i) /
                                                          static_cast<double>(old - 1));
  }
  weights_.push_back(1.0);
}

Point Mixture::draw(Rng& rng) const {
  const std::size_t kernel = rng.weighted(weights_);
  const bool is_flat = kernel == centers_.size();
  Point out;
  for (std::size_t a = 0; a < axes_.size(); ++a) {
    const Axis& axis = *axes_[a];
    if (axis.is_choice()) {
      std::vector<double> shares(axis.choices());
      for (std::size_t i = 0; i < shares.size(); ++i)
        shares[i] = std::exp(log_kernel(kernel, a, static_cast<double>(i)));
      out.push_back(static_cast<double>(rng.weighted(shares)));
      continue;
    }
    if (widths_[a] <= 0) {
      out.push_back(axis.low());
      continue;
    }
    const double middle = 0.5 * (axis.low() + axis.high());
    const double mean = is_flat ? middle : centers_[kernel][a];
    const double width = is_flat ? axis.high() - axis.low() : widths_[a];
    // At least a third of a normal lies inside, as its mean does and it is no wider than the range.
    double x = mean + width * rng.normal();
    while (x < axis.low() || x > axis.high()) x = mean + width * rng.normal();
    out.push_back(axis.snap(x));
  }
  return out;
}

double Mixture::log_kernel(std::size_t kernel, std::size_t axis_index, double x) const {
  const Axis& axis = *axes_[axis_index];
  const bool is_flat = kernel == centers_.size();
  if (axis.is_choice()) {
    const auto choices = static_cast<double>(axis.choices());
    if (is_flat) return -std::log(choices);
    const double spread = 1.0 / static_cast<double>(centers_.size() + 1);
    const double own = centers_[kernel][axis_index] == x ? 1.0 : 0.0;
    return std::log((own + spread) / (1.0 + spread * choices));
  }
  if (widths_[axis_index] <= 0) return 0;
  if (is_flat)
    return log_normal(axis, 0.5 * (axis.low() + axis.high()), axis.high() - axis.low(), x);
  return log_normal(axis, centers_[kernel][axis_index], widths_[axis_index], x);
}

double Mixture::log_density(const Point& point) const {
  std::vector<double> logs;
  double total = 0;
  for (const double weight : weights_) total += weight;
  for (std::size_t kernel = 0; kernel < weights_.size(); ++kernel) {
    double log = std::log(weights_[kernel] / total);
    for (std::size_t a = 0; a < axes_.size(); ++a) log += log_kernel(kernel, a, point[a]);
    logs.push_back(log);
  }
  const double highest = *std::max_element(logs.begin(), logs.end());
  double sum = 0;
  for (const double log : logs) sum += std::exp(log - highest);
  return highest + std::log(sum);
}

}  // namespace hone
