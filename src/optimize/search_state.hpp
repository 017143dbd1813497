// What a search holds, and how it measures.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/optimize/search.hpp"

#include "lm/any_stop.hpp"
#include "optimize/contender.hpp"
#include "optimize/search_lm.hpp"
#include "optimize/search_log.hpp"

namespace hone {

// What a search of these options may change: their space or the student's, with the models named.
Space search_space(const Program& student, const SearchOptions& options);

struct Search::State {
  State(const Program& given_student, Task given_task, const Lm& lm, SearchOptions given_options);

  SystemClock clock;
  Program student;
  Program teacher;
  Task task;
  SearchOptions options;
  Aims aims;
  Space space;
  Meter meter;
  AnyStop run_stop;  // the caller's, or the end of the seconds: metrics heed it too
  SearchLog log;
  std::map<const Lm*, std::unique_ptr<SearchLm>> models;
  std::optional<Evaluator> evaluator;
  std::optional<Evaluator> teacher_evaluator;
  std::optional<Evaluator> proposer_evaluator;
  std::vector<std::size_t> race_order;  // the validation examples in the order candidates meet them
  Examples race_val;
  Spend metric_spent;  // on judging so many runs
  std::size_t metric_runs = 0;
  double own_calls = 0;  // of these runs themselves, by so many predictors in use
  std::size_t predictors_asked = 0;
  std::vector<Trial> trials;
  std::map<Hash, std::size_t> measured;  // proposed candidate -> trial

  // Precondition: open_model() succeeded for it.
  const Lm& model(const Lm& lm) const { return models.at(&lm)->get(); }
  Result<void> open_model(const Lm& lm);
  Evaluator make_evaluator(const Lm& lm) const;
  Result<void> open_study(const Lm& lm);
  // After models were asked.
  void watch_replies();
  void notice(std::string message) {
    log.notice(message);
    emit(Notice{std::move(message)});
  }
  void emit(const Event& event) const {
    if (options.observer) options.observer(event);
  }
  bool done() const { return options.stop.stop_requested() || meter.spent(); }
  const Trial* baseline() const;
  const Trial* best() const;

  // Of the model the predictor asks.
  bool scores_labels(const Predictor& predictor) const;

  Result<Contender> make_contender(const Proposal& proposal);
  void order_examples();
  RaceRules race_rules(std::size_t contenders) const;
  std::vector<ScoreRow> merits_of(const std::vector<const Contender*>& contenders) const;
  std::vector<Contender*> survivors(std::vector<Contender>& contenders,
                                    const std::vector<Contender*>& alive,
                                    const RaceRules& rules) const;
  std::vector<std::size_t> checkpoints_of(std::size_t contenders) const;
  // For what further runs are going to take. `predictors`: those in use in the program.
  void note_calls(const Rollout& rollout, const Program& program, std::size_t predictors);
  double calls_per_run(const Program& program) const;
  // What meeting one more example is expected to take, by the contender's own prompts.
  Spend cost_of(const Contender& contender) const;
  // How many such runs the budget reaches for, by contender.
  std::vector<double> runs_within_budget(std::span<const Contender* const> contenders) const;
  // Of those still racing, the foremost that the budget can take to the last example, reckoned by
  // the dearest of them, who may be the one that stays to the end; at least one.
  std::vector<Contender*> within_budget(std::vector<Contender*> alive,
                                        std::span<const std::size_t> checkpoints) const;
  // Which of these, who met no example yet, are to race together, likewise. Places, ascending.
  std::vector<std::size_t> next_wave(std::span<const Contender* const> contenders) const;
  // As the evaluator does. Where a budget may end among the tasks, in parts that surely fit into
  // what is left, and at last one by one: in which order threads come then decides nothing.
  std::vector<Rollout> run(const Evaluator& with, std::span<const RolloutTask> tasks,
                           const Metric* metric);
  // How many of the first tasks surely fit; at least one.
  std::size_t sure_part(const Evaluator& with, std::span<const RolloutTask> tasks,
                        const Metric* metric, bool is_first) const;
  void measure(std::vector<Contender>& contenders);
  void run_block(const std::vector<Contender*>& contenders, const Examples& block,
                 const Examples& met);
  // The prompt of the first predictor on the first validation example, for people who read the log.
  std::string first_prompt(const Program& program) const;
  const Trial& finish(const Contender& contender, const Hash& proposed, bool fallback,
                      const std::optional<Program>& base = std::nullopt);
  std::vector<std::size_t> affordable_finalists(std::vector<std::size_t> numbers,
                                                std::size_t baseline) const;
  void run_off(const std::vector<std::size_t>& numbers);
  std::vector<const Example*> strange_examples(const Trial& trial) const;
};

}  // namespace hone
