// One candidate and how it did.
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <vector>

#include "hone/core/param.hpp"
#include "hone/core/trace.hpp"
#include "hone/eval/goal.hpp"
#include "hone/program/program.hpp"

namespace hone {

// The temperatures at which the likelihood of labels is kept. How sure a model is of its labels is
// a matter of its prompt's kind: with demos it is less so than without, and seldom as sure as it is
// right. So candidates are compared at the temperature that suits all of them best.
inline constexpr std::array<double, 7> kTemperatures = {0.25, 0.35, 0.5, 0.7, 1.0, 1.4, 2.0};
using LabelLikelihood = std::array<double, kTemperatures.size()>;

// Frozen once it is in a search's list, but for what a run-off adds.
struct Trial {
  std::size_t number = 0;
  std::string
      origin;  // where the candidate comes from, in words: "bootstrap 3", "proposal 2 + demos 1"
  Candidate candidate;             // calibration included
  std::optional<Program> program;  // what the candidate is put on, when it is not the student
  std::vector<std::optional<double>>
      scores;       // by validation example, in their order; none = not met or failed
  double mean = 0;  // of the scores there are
  // Mean log-probability of the right labels, after calibration; none where the program does more
  // than choose one label, or the model does not score labels. Finer than the mean.
  std::optional<LabelLikelihood> likelihood;
  // What a run-off added (Search::run_off), by training example: none = not met, as its demos show
  // it, or failed. Empty for a trial that was in none.
  std::vector<std::optional<double>> further_scores;
  std::vector<std::optional<LabelLikelihood>> further_likelihoods;
  bool fallback = false;     // of a proposal; the baseline, too
  std::size_t examples = 0;  // met
  std::size_t failures = 0;
  std::size_t parse_failures = 0;  // replies that could not be read, mended ones included
  // Met every validation example, and at least half of them gave a score: only such a trial can
  // win.
  bool complete = false;
  Usage usage;        // what its runs asked for, cached or not
  Measures measures;  // means over its runs that have a score
  // What the search's goals make of it: by example, in the order of the examples, what a race
  // compares; and of the whole, higher is better. The scores and their mean without goals.
  std::vector<std::optional<double>> merits;
  double merit = 0;
  double excess = 0;  // over the goals' limits; 0 when it is within them all
};

// The scores of two trials on every example that has one from both: the validation examples and,
// where both were in a run-off, training examples.
struct PairedScores {
  std::vector<double> first;
  std::vector<double> second;
};
PairedScores paired_scores(const Trial& first, const Trial& second);

}  // namespace hone
