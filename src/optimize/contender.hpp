// A candidate while it is being measured: its program under every calibration it may take.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/example.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/eval/goal.hpp"
#include "hone/optimize/budget.hpp"
#include "hone/optimize/trial.hpp"
#include "hone/program/program.hpp"

#include "optimize/ranking.hpp"

namespace hone {

// What trials are judged by.
struct Aims {
  Goals goals;
  Prices prices;
};

// The raw scores are always measured first; a calibrated variant is scored again on the same
// replies, so that it costs no model call (its requests are answered by the cache).
class Contender {
 public:
  // `calibrations`: those to choose among; empty when the program's own is to be kept.
  // `is_fallback`: Proposal::fallback.
  Contender(std::string origin, Candidate candidate, Program program,
            std::vector<Calibration> calibrations, bool is_fallback = false);

  bool is_fallback() const { return is_fallback_; }

  // What has to be run next: the program whose replies everything else is derived from.
  const Program& measured_program() const { return measured_; }
  // Adds rollouts of measured_program() on the next examples.
  void add(std::vector<Rollout> rollouts);
  // Learns the calibrations anew from all examples met so far and scores them. Call after add().
  Result<void> calibrate(const Examples& met, const Evaluator& evaluator, const Metric& metric);

  // What the best variant so far is raced by, by example met: the first goal where it can be told
  // of one example, else the score.
  std::vector<std::optional<double>> merits(const Aims& aims) const;
  // How probable the right labels are to the best variant so far: on average, and by example met at
  // one of kTemperatures. As label_likelihoods() has it; none where that has none.
  std::optional<LabelLikelihood> likelihood() const { return best_variant().likelihood; }
  std::vector<std::optional<double>> label_merits(std::size_t temperature) const;
  // How far beyond the limits it is so far.
  double excess(const Aims& aims) const;
  std::size_t met() const { return raw_.rollouts.size(); }
  // What a run took so far, on average; the metric's calls are part of it.
  Spend spend_per_run(const Prices& prices) const;
  // The first error when every rollout so far failed otherwise than by an unreadable reply: then
  // the model or the metric cannot be used at all.
  std::optional<Error> common_error() const;
  // The finished trial. `order`: the place of the i-th example met among the trial's scores; its
  // size is how many examples there are.
  Trial trial(std::size_t number, std::span<const std::size_t> order, const Aims& aims) const;

 private:
  struct Variant {
    std::optional<Candidate> learned;  // on top of the candidate; none = the raw scores
    std::vector<Rollout> rollouts;
    LabelLikelihoods likelihoods;  // by example met
    std::optional<LabelLikelihood> likelihood;
  };
  static void grade(Variant& variant, const Program& program, const Examples& met);
  std::vector<std::optional<double>> scores_of(const Variant& variant) const;
  const Variant& best_variant() const;

  std::string origin_;
  Candidate candidate_;
  Program program_;
  Program measured_;
  std::vector<Calibration> calibrations_;
  bool is_fallback_ = false;
  bool raw_is_eligible_ = true;
  bool is_cut_ = false;  // a stop came before the calibration that was asked for
  Variant raw_;
  std::vector<Variant> variants_;
};

// What contenders are ranked by where every reply of every one of them is one scored label: how
// probable the right labels are, at one temperature for all. It tells them apart by fewer examples
// than scores of 0 and 1 do. Empty where it cannot be said of one of them.
std::vector<std::vector<std::optional<double>>> label_rows(
    std::span<const Contender* const> contenders);

// The candidate values that put every calibratable predictor of a program on one calibration.
Candidate with_calibration(const Program& program, Calibration calibration);
// Whether changing a calibration changes no request to a model: one predictor whose only value is
// one label.
bool is_calibration_free(const Program& program);

}  // namespace hone
