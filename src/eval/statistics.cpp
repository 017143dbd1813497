#include "eval/statistics.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace hone {
namespace {

constexpr double kNormal95 = 1.959963984540054;

// std::lgamma writes a global.
double log_gamma(double x) {
  int sign = 0;
  return ::lgamma_r(x, &sign);  // POSIX, in glibc's <cmath>
}

// Continued fraction of the incomplete beta function by Lentz's method (DLMF 8.17.22).
double beta_fraction(double a, double b, double x) {
  constexpr double kTiny = 1e-300;
  constexpr int kSteps = 500;
  const auto bounded = [](double v) { return std::abs(v) < kTiny ? kTiny : v; };
  double c = 1;
  double d = 1 / bounded(1 - (a + b) * x / (a + 1));
  double fraction = d;
  for (int m = 1; m <= kSteps; ++m) {
    const double k = m;
    const double even = k * (b - k) * x / ((a + 2 * k - 1) * (a + 2 * k));
    d = 1 / bounded(1 + even * d);
    c = bounded(1 + even / c);
    fraction *= d * c;
    const double odd = -(a + k) * (a + b + k) * x / ((a + 2 * k) * (a + 2 * k + 1));
    d = 1 / bounded(1 + odd * d);
    c = bounded(1 + odd / c);
    const double change = d * c;
    fraction *= change;
    if (std::abs(change - 1) < 1e-15) break;
  }
  return fraction;
}

double incomplete_beta(double a, double b, double x) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(log_gamma(a + b) - log_gamma(a) - log_gamma(b) + a * std::log(x) +
                                b * std::log1p(-x));
  // The fraction converges fast on this side of the mean only.
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(a, b, x) / a;
  return 1 - front * beta_fraction(b, a, 1 - x) / b;
}

struct Signs {
  std::size_t positive = 0;
  std::size_t negative = 0;
};

Signs signs_of(std::span<const double> differences) {
  Signs signs;
  for (const double difference : differences) {
    if (difference > 0) ++signs.positive;
    if (difference < 0) ++signs.negative;
  }
  return signs;
}

// P(X <= k) for X ~ Binomial(n, 1/2).
double binomial_half_cdf(std::size_t k, std::size_t n) {
  if (k >= n) return 1;
  return incomplete_beta(static_cast<double>(n - k), static_cast<double>(k) + 1, 0.5);
}

}  // namespace

Moments moments_of(std::span<const double> values) {
  Moments moments;
  double squares = 0;
  for (const double value : values) {
    ++moments.count;
    const double step = value - moments.mean;
    moments.mean += step / static_cast<double>(moments.count);
    squares += step * (value - moments.mean);
  }
  if (moments.count > 1) moments.variance = squares / static_cast<double>(moments.count - 1);
  return moments;
}

std::pair<double, double> wilson_interval(std::size_t successes, std::size_t trials) {
  if (trials == 0) return {0, 1};
  const double n = static_cast<double>(trials);
  const double share = static_cast<double>(successes) / n;
  const double z2 = kNormal95 * kNormal95;
  const double centre = (share + z2 / (2 * n)) / (1 + z2 / n);
  const double half =
      kNormal95 * std::sqrt(share * (1 - share) / n + z2 / (4 * n * n)) / (1 + z2 / n);
  return {successes == 0 ? 0 : std::max(0.0, centre - half),
          successes == trials ? 1 : std::min(1.0, centre + half)};
}

std::pair<double, double> student_interval(std::span<const double> values) {
  const Moments moments = moments_of(values);
  if (moments.count < 2) return {moments.mean, moments.mean};
  const double n = static_cast<double>(moments.count);
  const double half = student_quantile_95(n - 1) * std::sqrt(moments.variance / n);
  return {moments.mean - half, moments.mean + half};
}

std::pair<double, double> mean_interval(std::span<const double> values) {
  const bool is_binary = std::ranges::all_of(values, [](double v) { return v == 0 || v == 1; });
  if (!is_binary) return student_interval(values);
  return wilson_interval(static_cast<std::size_t>(std::ranges::count(values, 1.0)), values.size());
}

double normal_cdf(double z) {
  return 0.5 * std::erfc(-z / std::numbers::sqrt2);
}

double student_cdf(double t, double degrees) {
  if (std::isinf(t)) return t > 0 ? 1 : 0;
  const double tail = 0.5 * incomplete_beta(degrees / 2, 0.5, degrees / (degrees + t * t));
  return t > 0 ? 1 - tail : tail;
}

double student_quantile_95(double degrees) {
  double low = 0;
  double high = 20;  // 12.7 at one degree of freedom
  for (int i = 0; i < 100; ++i) {
    const double middle = (low + high) / 2;
    (student_cdf(middle, degrees) < 0.975 ? low : high) = middle;
  }
  return (low + high) / 2;
}

double paired_t_test_less(std::span<const double> differences) {
  const Moments moments = moments_of(differences);
  if (moments.count < 2) return 1;
  if (moments.variance <= 0) return moments.mean < 0 ? 0 : (moments.mean > 0 ? 1 : 0.5);
  const double n = static_cast<double>(moments.count);
  return student_cdf(moments.mean / std::sqrt(moments.variance / n), n - 1);
}

double sign_test_less(std::span<const double> differences) {
  const Signs signs = signs_of(differences);
  return binomial_half_cdf(signs.positive, signs.positive + signs.negative);
}

double paired_t_test(std::span<const double> differences) {
  if (differences.size() < 2) return 1;
  const double less = paired_t_test_less(differences);
  return std::min(1.0, 2 * std::min(less, 1 - less));
}

double sign_test(std::span<const double> differences) {
  const Signs signs = signs_of(differences);
  const std::size_t rarer = std::min(signs.positive, signs.negative);
  return std::min(1.0, 2 * binomial_half_cdf(rarer, signs.positive + signs.negative));
}

}  // namespace hone
