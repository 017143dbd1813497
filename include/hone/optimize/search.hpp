// The one engine under every optimizer: budget, cache, concurrency, score matrix, racing, events,
// stop.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/base/rng.hpp"
#include "hone/core/example.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/eval/events.hpp"
#include "hone/eval/goal.hpp"
#include "hone/eval/metric.hpp"
#include "hone/eval/race.hpp"
#include "hone/lm/lm.hpp"
#include "hone/optimize/budget.hpp"
#include "hone/optimize/space.hpp"
#include "hone/optimize/trial.hpp"
#include "hone/program/program.hpp"
#include "hone/store/study_log.hpp"

namespace hone {

// What is to be done well: optimizers learn from `train` and are compared on `val`. Neither may be
// empty.
struct Task {
  Examples train;
  Examples val;
  Metric metric;
  // What is to be reached besides; none = the score alone. Money needs the budget's prices.
  Goals goals = {};
};

struct RaceOptions {
  bool enabled = true;
  // Among few candidates too, rank decides who goes on after the first block, within the rules'
  // share of the runs; by how probable the right labels are, where every reply is one scored label.
  // About half the work, and a winner that is less sure. By default few are told apart by tests
  // alone.
  bool by_rank = false;
  RaceRules rules = {};
};

struct SearchOptions {
  std::uint64_t seed = 0;
  std::size_t threads = 8;
  Budget budget = {};
  RaceOptions race = {};
  std::optional<Space> space = {};      // default: everything the program has
  std::optional<Program> teacher = {};  // default: the student; may have another structure
  const Lm* teacher_lm = nullptr;       // default: the task's model
  const Lm* proposer_lm = nullptr;
  std::map<std::string, const Lm*, std::less<>> models = {};
  const Embedder* embedder = nullptr;  // for programs that look things up by it; not owned
  // Where trials, proposals, events and model replies are written, and read back: the same search
  // on the same log goes on where it was and ends with the same winner, to the bit when a model's
  // replies depend on nothing but the batch (LocalOptions::keep_prefixes off). Several processes
  // may work on one log. A log that cannot be written is told as a notice and does not end a
  // search. Not owned. Null = nothing is kept.
  StudyLog* log = nullptr;
  // What is done with the task, in words: part of what makes two searches the same study.
  std::string purpose = {};
  Observer observer = {};
  std::stop_token stop = {};
};

struct Proposal {
  Candidate candidate;
  std::string origin;
  // Another program for the candidate than the student (a wrapper around it, an ensemble); it must
  // take and give what the student does. Its parameters need not be in the space.
  std::optional<Program> program = std::nullopt;
  // What is left when the optimizer's own ideas fail (no demos, for one that chooses demos): it
  // wins only when it is more than luck that puts it ahead.
  bool fallback = false;
};

struct RunOptions {
  std::uint64_t sample = 0;
  std::optional<double> temperature;
  bool teacher_model = false;  // on the teacher's model instead of the task's
};

// What an optimizer works with. Not thread safe: an optimizer is one thread; the engine runs
// rollouts in parallel. Equal inputs and seed give equal trials for any number of threads (with a
// deterministic model).
//
//   Result<void> run(Search& search) const override {          // a whole optimizer
//     Rng rng = search.rng("mine");
//     while (!search.done()) {
//       const Candidate drawn = Candidate().with("predict.demos", draw(rng, search.train()));
//       const Result<Trial> trial = search.evaluate(drawn, "mine");
//       if (!trial) return trial.error();
//     }
//     return {};
//   }
class Search {
 public:
  // References must outlive the search. Validates the task; evaluates nothing yet.
  static Result<std::unique_ptr<Search>> make(const Program& student, Task task, const Lm& lm,
                                              SearchOptions options);
  ~Search();
  Search(const Search&) = delete;
  Search& operator=(const Search&) = delete;

  const Program& student() const;
  const Program& teacher() const;
  const Examples& train() const;
  const Examples& val() const;
  const Metric& metric() const;
  const Goals& goals() const;
  const Space& space() const;
  const LmInfo& model() const;  // the task's
  const SearchOptions& options() const;
  // A random stream for a purpose; the same purpose gives the same stream again.
  Rng rng(std::string_view purpose) const;

  // Measures candidates on the validation examples, together, so that shared prompt beginnings are
  // computed once; with racing, one that falls behind stops early and its trial is incomplete.
  // Where a candidate leaves calibration open and the model scores labels, every calibration is
  // tried on the same scores, which costs no model calls for single-label programs, and the best
  // stays in the trial's candidate. One trial a proposal, in order; fewer when the budget or a stop
  // ends it. When the budget cannot take all of them to the end, those proposed first race first,
  // and the foremost go on alone, so that some trial is complete when it is spent. A candidate
  // measured before is not measured again. A candidate outside the space is a
  // bad_request.
  Result<std::vector<Trial>> evaluate(std::span<const Proposal> proposals);
  Result<Trial> evaluate(const Candidate& candidate, std::string origin);
  // Measures candidates on these examples only (a minibatch). The trials returned have one score an
  // example given, are not kept, and so cannot win; a later evaluate() pays only for what is new.
  Result<std::vector<Trial>> evaluate_on(std::span<const Proposal> proposals,
                                         std::span<const Example> examples);
  // The student as it came, its own calibration kept: what every result is compared with. Fails
  // with the first error when not one example could be run.
  Result<Trial> evaluate_baseline();

  // Measures the trials that only luck may set apart from the best, and the baseline, on the
  // training examples too, each on those that its own demos do not show. From then on the best is
  // the one that gained most over the baseline on all examples both met, chosen among those in the
  // run-off as best() says; a trial's mean stays that of the validation examples. For optimizers
  // that use training examples as demos alone, when they are through: an instruction written after
  // a look at the examples would be at an advantage on them. Does nothing where the model does not
  // score labels, the goals are not the score, or racing is off, which asks for the validation
  // examples and nothing else. What a budget that runs out cuts short counts for nothing.
  void run_off();

  // Rollouts with their traces and scores, for optimizers that learn from runs.
  std::vector<Rollout> run(const Program& program, std::span<const Example> examples,
                           const RunOptions& options = {});
  std::vector<Rollout> run(std::span<const RolloutTask> tasks, const RunOptions& options = {});
  // Asks the proposing model, all inputs at once. Equal inputs ask for different answers.
  std::vector<Result<Value>> propose(const Predictor& predictor, std::span<const Value> inputs,
                                     std::uint64_t sample = 0);

  void phase(std::string name);
  void notice(std::string message);

  // Writes down in the log how the search ended. optimize() does it.
  void conclude();

  bool done() const;  // the budget is spent or a stop was asked for
  // How many LM calls more the budget reaches for, as Meter says; none when nothing binds. For
  // optimizers that measure at their end what they found.
  std::optional<double> calls_left() const;
  // How many of them a run of the program is expected to take: its predictors in use, each asked as
  // often as it was so far (parse retries, loops), and what the metric asks.
  double calls_per_run(const Program& program) const;
  std::string stop_reason() const;
  const std::vector<Trial>& trials() const;
  // The trial of evaluate_baseline(); nullptr before it.
  const Trial* baseline() const;
  // The best complete trial by the task's goals, the earlier of equals; nullptr when there is none
  // yet. Without goals the highest mean wins; where the model scores labels, of all trials whose
  // mean is not clearly below it (two standard errors, nor below the baseline's) the one that finds
  // the right labels most probable.
  const Trial* best() const;
  const Meter& meter() const;

 private:
  struct State;
  explicit Search(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hone
