// Which of several measured candidates is best, when a few examples more or less are mostly luck.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include "hone/core/example.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/optimize/trial.hpp"
#include "hone/program/program.hpp"

namespace hone {

// Log-probability of each example's own label, after the program's calibration, at each of
// kTemperatures. `rollouts` are the program's, one an example; those without a score have none.
// None at all where it would say something else than the scores do: unless one scored label is the
// program's whole reply, and a run scores 1 exactly when it chose the example's label.
using LabelLikelihoods = std::vector<std::optional<LabelLikelihood>>;
std::optional<LabelLikelihoods> label_likelihoods(const Program& program,
                                                  std::span<const Rollout> rollouts,
                                                  std::span<const Example> examples);
// Their mean; none when there is nothing to average.
std::optional<LabelLikelihood> mean_likelihood(const LabelLikelihoods& likelihoods);

// The place in kTemperatures at which the given means are highest together.
std::size_t common_temperature(std::span<const LabelLikelihood> means);

// Whether the scores of one are below the other's by more than two standard errors of the paired
// differences: more than luck. Entries are examples; those without a score on either side are left
// out.
bool is_clearly_worse(std::span<const std::optional<double>> one,
                      std::span<const std::optional<double>> other);

// The mean over the validation examples; where it or the baseline lacks scores, the baseline's mean
// and what the trial gains over it on the examples both have a score of: which examples those are
// must not make one trial better than another.
double comparable_mean(const Trial& trial, const Trial* baseline);

// The best complete trial, the earlier of equals; null when there is none. Of those that are not
// clearly worse than the highest mean (a comparable one), and not below the baseline on the
// examples both have a score of, the one that gives the right labels the most probability, at the
// temperature under which these trials together give them the most, fallbacks last: every example
// says how much, where a score of 0 or 1 says only whether. Without label scores the highest mean.
// `baseline` is the number of its trial. After a run-off only those in it are chosen among, by the
// scores of both rounds, and compared with the baseline on the examples both met: so that one which
// showed easy examples as demos loses nothing by it. A trial that came after the run-off wins by a
// higher mean of the validation examples than its winner's.
const Trial* best_trial(std::span<const Trial> trials, std::optional<std::size_t> baseline);

// The complete trials whose mean is not clearly worse than the highest, and the baseline: numbers.
// Empty when there is nothing to decide between, or a trial among them has no likelihood.
std::vector<std::size_t> finalists(std::span<const Trial> trials, std::size_t baseline);

// Whether one of the candidate's demos shows the example: has all its inputs.
bool shows(const Candidate& candidate, const Signature& signature, const Example& example);

}  // namespace hone
