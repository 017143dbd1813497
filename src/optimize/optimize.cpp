#include "hone/optimize/optimize.hpp"

#include <utility>

#include "optimize/search_log.hpp"
#include "optimize/search_state.hpp"
#include "optimize/study_identity.hpp"

namespace hone {
namespace {

// What every search of this optimizer is for, unless it was said.
SearchOptions with_purpose(SearchOptions options, const Optimizer& optimizer) {
  if (!options.purpose.empty()) return options;
  options.purpose = optimizer.name();
  if (const std::string settings = optimizer.settings(); !settings.empty())
    options.purpose += " " + settings;
  return options;
}

std::vector<std::size_t> front_of(const std::vector<Trial>& trials, const Goals& goals) {
  std::vector<std::size_t> complete;
  std::vector<Measures> measures;
  for (std::size_t i = 0; i < trials.size(); ++i) {
    if (!trials[i].complete) continue;
    complete.push_back(i);
    measures.push_back(trials[i].measures);
  }
  std::vector<std::size_t> front;
  for (const std::size_t i : pareto_front(measures, goals)) front.push_back(complete[i]);
  return front;
}

}  // namespace

Result<Optimized> optimize(const Program& student, Task task, const Lm& lm,
                           const Optimizer& optimizer, SearchOptions options) {
  options = with_purpose(std::move(options), optimizer);
  const Space space = search_space(student, options);
  if (Result<void> able = check_space(optimizer, space); !able) return able.error();
  const SearchSetting setting{student, space, options.embedder != nullptr};
  if (Result<void> fits = optimizer.check(setting); !fits) return fits.error();
  Result<std::unique_ptr<Search>> made =
      Search::make(student, std::move(task), lm, std::move(options));
  if (!made) return made.error();
  Search& search = **made;
  search.phase("baseline");
  Result<Trial> baseline = search.evaluate_baseline();
  if (!baseline) return baseline.error();
  if (!search.done()) {
    search.phase(std::string(optimizer.name()));
    if (Result<void> ran = optimizer.run(search); !ran && ran.error().kind != ErrorKind::stopped)
      return ran.error();
  }
  search.conclude();
  // A run-off may have added to it.
  *baseline = search.trials()[baseline->number];
  const Trial& best = search.best() ? *search.best() : *baseline;
  Result<Program> program = best.program.value_or(student).with(best.candidate);
  if (!program) return program.error();
  Optimized out{.program = *std::move(program),
                .baseline = *baseline,
                .best = best,
                .trials = search.trials(),
                .usage = search.meter().usage(),
                .money = search.meter().money(),
                .seconds = search.meter().seconds(),
                .front = front_of(search.trials(), search.goals()),
                .stop_reason = search.stop_reason()};
  return out;
}

Result<void> check_log(const Program& student, const Task& task, const Lm& lm,
                       const Optimizer& optimizer, const SearchOptions& options) {
  if (!options.log) return {};
  const SearchOptions asked = with_purpose(options, optimizer);
  const Space space = search_space(student, asked);
  const Program& teacher = asked.teacher ? *asked.teacher : student;
  const Result<bool> holds =
      holds_study(*asked.log, study_identity({student, teacher, task, lm, space, asked}));
  if (!holds) return holds.error();
  return {};
}

}  // namespace hone
