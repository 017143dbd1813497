// Demonstrations: drawn from labelled examples, or taken from a teacher's successful runs.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "hone/base/rng.hpp"
#include "hone/core/example.hpp"
#include "hone/optimize/search.hpp"

#include "optimize/domains.hpp"
#include "optimize/options.hpp"

namespace hone {

// Demos by predictor path.
using DemoSets = std::map<std::string, std::vector<Value>>;

// Paths of the student's predictors whose demos the search may change; an error names what is
// missing when there is none.
Result<std::vector<std::string>> tunable_demo_paths(const Search& search,
                                                    Structure structure = Structure::present);

// Up to `count` examples as demos of a predictor (those of its fields they hold). `balanced`: when
// one of its outputs is an enum that the examples label, labels take turns, so that a small set
// still shows many of them; those that `shown` already has wait
// for the others.
std::vector<Value> draw_labeled(const Predictor& predictor, const Examples& examples,
                                std::size_t count, bool balanced, Rng& rng,
                                std::span<const Value> shown = {});

// The demos a search tries at most in one set. Small models classify better the more they see: on
// four data sets 32 demos beat 16, and 16 beat 8, in most draws; but not always, and short prompts
// are cheaper. So every kFamily-th set is the first half of the one before, which its prompts begin
// with and so cost little.
inline constexpr std::size_t kMostDemos = 32;
inline constexpr std::size_t kFamily = 3;

struct BootstrapOptions {
  std::size_t max_bootstrapped = 4;  // demos from the teacher's runs, for each predictor
  std::size_t max_labeled = 16;      // demos in all, filled up with labelled examples
  std::size_t rounds = 1;  // tries an example gets; later ones are sampled at temperature 1
  double threshold = 1;    // least metric score of a run worth showing
  bool balanced = true;    // see draw_labeled
  // LM calls that the teacher's runs leave of a budget; see keep_measurement().
  std::optional<double> kept_calls = {};
};

BootstrapOptions read_bootstrap_options(OptionReader& options, BootstrapOptions defaults = {});

// In calls: what it is expected to take to measure one candidate in full. Without that none wins.
double measurement_calls(const Search& search);
// Of so many runs of the teacher, those at once that leave `kept` calls of the budget.
std::size_t affordable_teacher_runs(const Search& search, std::size_t wanted, double kept);
// With enough kept to measure what is found, and `further` calls for what comes before that. To be
// asked once, before the first set. Where so much is not left to begin with, nothing is kept.
BootstrapOptions keep_measurement(const Search& search, BootstrapOptions options,
                                  double further = 0);

// BootstrapFewShot of DSPy (Khattab et al. 2023): runs the teacher on the examples in the given
// order until enough of them succeed, and turns each traced predictor call of those runs into a
// demo; then fills up with labelled examples. Improved: examples are run in blocks, at once; an
// example that is itself one of the teacher's demos is tried only after all others, without that
// demo. A teacher of another structure hands its demos over by field names: a student's predictor
// takes the values its own fields name from all steps of the run.
DemoSets bootstrap(Search& search, const Examples& order, const BootstrapOptions& options,
                   Rng& rng);

// The ready demo sets that searches choose among, of the predictors at `paths` and short enough for
// the model's context: labelled examples only, and bootstraps by number: 0 takes examples in the
// given order and as many demos as it may, others in an order and number of their own, or half of
// the one before (see kFamily), which is `before`.
DemoSets labelled_sets(Search& search, const std::vector<std::string>& paths,
                       const BootstrapOptions& options);
DemoSets numbered_bootstrap(Search& search, const std::vector<std::string>& paths,
                            std::size_t number, const BootstrapOptions& options,
                            const DemoSets& before);

// At most one demo for each of the student's predictors that one successful run shows; of several
// calls of a predictor the last.
DemoSets demos_of_run(const Program& student, const Example& example, const Rollout& rollout);

// A step of the predictor's path as its demo: those of its fields that the step holds. None of
// other steps, of one that failed, and of one that lacks inputs or outputs.
std::optional<Value> demo_of_step(const Predictor& predictor, const TraceStep& step);

// Without the last demos of sets that would take more than half of the model's context, so that a
// task with long texts gets fewer demos instead of prompts that do not fit; and without sets of
// which nothing is left, so that no program's own demos are replaced by none.
DemoSets fit_context(DemoSets sets, const LmInfo& model);
bool fits_context(const std::vector<Value>& demos, const LmInfo& model);

// Without the sets of predictors whose demos may not change.
DemoSets keep_tunable(DemoSets sets, const std::vector<std::string>& paths);

Candidate with_demos(const Candidate& base, const DemoSets& sets);

}  // namespace hone
