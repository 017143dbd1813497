// Intervals and tests on scores.
#pragma once

#include <cstddef>
#include <span>
#include <utility>

namespace hone {

struct Moments {
  std::size_t count = 0;
  double mean = 0;
  double variance = 0;  // of the sample (n - 1); 0 for fewer than two
};
// Welford's one-pass update (1962): no loss for large means.
Moments moments_of(std::span<const double> values);

// 95 % interval of a share: Wilson 1927. Stays inside [0, 1] and is of use at 0 and n. (0, 1) for
// no trials.
std::pair<double, double> wilson_interval(std::size_t successes, std::size_t trials);
// 95 % interval of a mean by Student's t; the mean twice for fewer than two values.
std::pair<double, double> student_interval(std::span<const double> values);
// 95 % interval of the mean of scores: Wilson's when every one is 0 or 1, else Student's.
std::pair<double, double> mean_interval(std::span<const double> values);

double normal_cdf(double z);
// P(T <= t) of Student's distribution; precondition: degrees > 0.
double student_cdf(double t, double degrees);
// The t with P(-t <= T <= t) = 0.95.
double student_quantile_95(double degrees);

// p-values of "the mean difference is 0 or more" against "it is below 0": small when the
// differences speak for a loss. Without spread the t-test says 0, 0.5 or 1 by the sign; with fewer
// than two differences 1.
double paired_t_test_less(std::span<const double> differences);
// Exact binomial test on the signs (ties left out): for 0/1 scores this is McNemar's exact test.
double sign_test_less(std::span<const double> differences);
// Two-sided forms.
double paired_t_test(std::span<const double> differences);
double sign_test(std::span<const double> differences);

}  // namespace hone
