#include "optimize/search_state.hpp"

#include <algorithm>
#include <iterator>
#include <limits>
#include <numeric>

#include "hone/base/version.hpp"
#include "hone/eval/calibrate.hpp"

#include "optimize/ranking.hpp"
#include "optimize/run_cost.hpp"
#include "optimize/study_identity.hpp"

namespace hone {
namespace {

constexpr std::size_t kManyContenders = 16;
// A block of a few examples costs less than the long beginnings of prompts that the engine may have
// to compute anew for it.
constexpr std::size_t kFewCheckpoints = 3;
constexpr std::size_t kRankedFirstBlock = 20;
// Inputs differ in length.
constexpr std::size_t kRehearsedRuns = 3;
// How far above what is expected runs may be and still be sure to fit: a reply that does not fit is
// asked for once more.
constexpr double kSureFactor = 2;

bool is_limited(const Budget& budget) {
  return budget.lm_calls || budget.tokens || budget.money || budget.seconds;
}

// Of contenders for which the budget reaches for so many runs each, those it can take to the last
// example, were they alone: others would burn what takes these there. Where there is none, the
// cheapest, since what is expected may be wrong. Places.
std::vector<std::size_t> finishers(const std::vector<double>& runs, std::size_t missing) {
  std::vector<std::size_t> places;
  for (std::size_t i = 0; i < runs.size(); ++i) {
    if (runs[i] >= static_cast<double>(missing)) places.push_back(i);
  }
  if (places.empty())
    places.push_back(static_cast<std::size_t>(std::ranges::max_element(runs) - runs.begin()));
  return places;
}

}  // namespace

Space search_space(const Program& student, const SearchOptions& options) {
  std::vector<std::string> models;
  for (const auto& [name, lm] : options.models) models.push_back(name);
  return options.space.value_or(Space::of(student)).with_models(models);
}

Search::State::State(const Program& given_student, Task given_task, const Lm& lm,
                     SearchOptions given_options)
    : student(given_student),
      teacher(given_options.teacher.value_or(given_student)),
      task(std::move(given_task)),
      options(std::move(given_options)),
      aims{task.goals, options.budget.prices_of(lm, options.models)},
      space(search_space(student, options)),
      meter(options.budget, clock),
      log(options.log, meter, [this](std::string message) { notice(std::move(message)); }) {
  run_stop.add(options.stop);
  run_stop.add(meter.time_up());
  order_examples();
}

Result<void> Search::State::open_model(const Lm& lm) {
  if (models.contains(&lm)) return {};
  const Price price = options.budget.price_of(lm.info().identity);
  // The meter knows requests by identity: what one object of a model was asked is free for all of
  // them, so that all have to have its reply.
  const auto twin = std::ranges::find_if(models, [&](const auto& known) {
    return known.first->info().identity == lm.info().identity;
  });
  if (twin != models.end()) {
    models.emplace(&lm, twin->second->beside(lm, meter, price));
    return {};
  }
  Result<std::unique_ptr<SearchLm>> made =
      SearchLm::make(lm, meter, price, options.log ? options.log->file() : std::nullopt);
  if (!made) return made.error();
  models.emplace(&lm, *std::move(made));
  return {};
}

Evaluator Search::State::make_evaluator(const Lm& lm) const {
  EvaluatorOptions evaluator_options;
  evaluator_options.threads = options.threads;
  evaluator_options.seed = options.seed;
  for (const auto& [name, named] : options.models)
    evaluator_options.models.emplace(name, &model(*named));
  evaluator_options.embedder = options.embedder;
  evaluator_options.observer = options.observer;
  evaluator_options.stop = run_stop.token();
  return Evaluator(model(lm), std::move(evaluator_options));
}

const Trial* Search::State::baseline() const {
  const auto found = measured.find(hash_of("baseline"));
  return found == measured.end() ? nullptr : &trials[found->second];
}

const Trial* Search::State::best() const {
  const Trial* before = baseline();
  if (task.goals.is_score())
    return best_trial(trials, before ? std::optional(before->number) : std::nullopt);
  const auto measures_of = [&](const Trial& trial) {
    Measures measures = trial.measures;
    measures.score = comparable_mean(trial, before);
    return measures;
  };
  const Trial* best = nullptr;
  for (const Trial& trial : trials) {
    if (trial.complete && (!best || task.goals.is_better(measures_of(trial), measures_of(*best))))
      best = &trial;
  }
  return best;
}

bool Search::State::scores_labels(const Predictor& predictor) const {
  const auto named = options.models.find(predictor.options().model);
  return (named == options.models.end() ? evaluator->lm() : *named->second).info().scores_labels;
}

std::string Search::State::first_prompt(const Program& program) const {
  const std::vector<Predictor> predictors = program.predictors();
  if (predictors.empty()) return {};
  return predictors.front().prompt_template().render(task.val.front().fields()).dump();
}

void Search::State::watch_replies() {
  std::size_t lost = 0;
  for (const auto& [lm, model] : models) lost += model->lost_replies();
  log.replies_lost(lost);
}

Result<Contender> Search::State::make_contender(const Proposal& proposal) {
  const Program& base = proposal.program ? *proposal.program : student;
  if (proposal.program && base.signature().fields_hash() != student.signature().fields_hash()) {
    return bad_request("proposal '" + proposal.origin + "'",
                       "is for \"" + base.signature().to_string() + "\", the student for \"" +
                           student.signature().to_string() + "\"");
  }
  if (Result<void> fits = check_candidate(proposal.candidate, base.params()); !fits)
    return fits.error();
  for (const auto& [path, value] : proposal.candidate.values()) {
    if (!proposal.program && !space.find(path))
      return bad_request("candidate", "parameter '" + path + "' is outside the search space");
  }
  Result<Program> program = base.with(proposal.candidate);
  if (!program) return program.error();
  std::vector<Calibration> calibrations;
  if (is_calibration_free(*program) && scores_labels(predictors_in_use(*program).front())) {
    const std::string path = predictors_in_use(*program).front().path() + ".calibration";
    const Param* param = space.find(path);
    if (param && !proposal.candidate.find(path)) {
      if (const auto* choice = std::get_if<ChoiceDomain>(&param->domain)) {
        for (const Value& value : choice->choices) {
          if (Result<Calibration> known = parse_calibration(value.text()); known) {
            calibrations.push_back(*known);
          }
        }
        // Content-free calibration alone costs calls; it is used where a candidate or the space
        // asks for it.
        if (calibrations.size() > 1 && !space.is_asked(*param))
          std::erase(calibrations, Calibration::content_free);
      }
    }
  }
  return Contender(proposal.origin, proposal.candidate, *std::move(program),
                   std::move(calibrations), proposal.fallback);
}

// Puts the validation examples in the order of racing: every beginning shows each label in about
// its proportion.
void Search::State::order_examples() {
  const std::vector<Field>& outputs = student.signature().outputs();
  const auto label = std::find_if(outputs.begin(), outputs.end(), [](const Field& field) {
    return field.type.kind() == TypeKind::enumeration || field.type.kind() == TypeKind::boolean;
  });
  std::vector<std::string> strata;
  for (const Example& example : task.val) {
    strata.push_back(label == outputs.end() ? std::string() : example.get(label->name).text());
  }
  race_order = balanced_order(strata, options.seed);
  for (const std::size_t index : race_order) race_val.push_back(task.val[index]);
}

RaceRules Search::State::race_rules(std::size_t contenders) const {
  RaceRules rules = options.race.rules;
  if (contenders >= kManyContenders) return rules;
  rules.checkpoints = std::min(rules.checkpoints, kFewCheckpoints);
  if (options.race.by_rank) {
    rules.first_block = std::min(rules.first_block, kRankedFirstBlock);
  } else {
    // Ranking by a few scores of 0 and 1 picks among many well enough; among few, each deserves a
    // test.
    rules.share = 1;
  }
  return rules;
}

std::vector<ScoreRow> Search::State::merits_of(
    const std::vector<const Contender*>& contenders) const {
  std::vector<ScoreRow> rows;
  for (const Contender* contender : contenders) rows.push_back(contender->merits(aims));
  return rows;
}

// Which contenders are worth more examples, after those met so far.
std::vector<Contender*> Search::State::survivors(std::vector<Contender>& contenders,
                                                 const std::vector<Contender*>& alive,
                                                 const RaceRules& rules) const {
  // Merits say nothing across a limit: who is beyond one so far neither drops others nor is
  // dropped. The same holds for a fallback among others: on the examples there are its luck must
  // not end those that would win by what comes after.
  std::vector<Contender*> out;
  std::vector<Contender*> racing;
  const bool has_fallback = std::ranges::any_of(contenders, &Contender::is_fallback);
  for (Contender& contender : contenders) {
    if (contender.excess(aims) <= 0 && !contender.is_fallback()) {
      racing.push_back(&contender);
    } else if (std::ranges::find(alive, &contender) != alive.end()) {
      out.push_back(&contender);
    }
  }
  if (racing.empty()) return out;
  const std::vector<ScoreRow> rows = merits_of({racing.begin(), racing.end()});
  std::optional<ScoreRow> incumbent;
  const Trial* leader = best();
  if (leader && leader->excess == 0 && !(has_fallback && leader->fallback)) {
    incumbent.emplace();
    for (const std::size_t index : race_order) incumbent->push_back(leader->merits[index]);
  }
  const std::vector<ScoreRow> grades =
      options.race.by_rank && task.goals.is_score() ? label_rows(racing) : std::vector<ScoreRow>();
  for (const std::size_t index :
       race_survivors(grades.empty() ? rows : grades, race_order.size(), rules)) {
    // Those that were dropped before stay dropped, whatever became of the others.
    if (std::ranges::find(alive, racing[index]) == alive.end()) continue;
    if (!incumbent || !falls_behind(rows[index], *incumbent, race_order.size(), rules)) {
      out.push_back(racing[index]);
    }
  }
  return out;
}

void Search::State::note_calls(const Rollout& rollout, const Program& program,
                               std::size_t predictors) {
  const Spend judging = metric_spend(rollout, program, aims.prices);
  metric_spent += judging;
  ++metric_runs;
  const double own = static_cast<double>(rollout.trace.usage().lm_calls) - judging.calls;
  // A run that no model answered says nothing of how often one is asked.
  if (own <= 0) return;
  own_calls += own;
  predictors_asked += predictors;
}

double Search::State::calls_per_run(const Program& program) const {
  double each = 1;
  if (predictors_asked > 0)
    each = std::max(each, own_calls / static_cast<double>(predictors_asked));
  const double judging =
      metric_runs == 0 ? 0 : metric_spent.calls / static_cast<double>(metric_runs);
  return each * static_cast<double>(predictors_in_use(program).size()) + judging;
}

Spend Search::State::cost_of(const Contender& contender) const {
  const std::size_t met = contender.met();
  const std::size_t count = std::min(kRehearsedRuns, race_val.size() - met);
  Spend next;
  for (std::size_t i = met; i < met + count; ++i)
    next += run_cost({&contender.measured_program(), &race_val[i], 0, std::nullopt},
                     evaluator->lm(), options, meter);
  // The cache has its replies, as those of the program that came in.
  if (next.calls <= 0) return {};
  if (met > 0) return contender.spend_per_run(aims.prices);
  next = next * (1 / static_cast<double>(count));
  if (metric_runs > 0) next += metric_spent * (1 / static_cast<double>(metric_runs));
  return next;
}

std::vector<double> Search::State::runs_within_budget(
    std::span<const Contender* const> contenders) const {
  std::vector<double> runs;
  for (const Contender* contender : contenders) {
    runs.push_back(
        meter.runs_left(cost_of(*contender)).value_or(std::numeric_limits<double>::infinity()));
  }
  return runs;
}

std::vector<Contender*> Search::State::within_budget(
    std::vector<Contender*> alive, std::span<const std::size_t> checkpoints) const {
  if (alive.size() < 2 || !is_limited(options.budget)) return alive;
  const std::vector<const Contender*> racing(alive.begin(), alive.end());
  std::vector<ScoreRow> rows = task.goals.is_score() ? label_rows(racing) : std::vector<ScoreRow>();
  if (rows.empty()) rows = merits_of(racing);
  // Who is beyond a limit comes last, whatever the score.
  for (std::size_t i = 0; i < alive.size(); ++i) {
    if (alive[i]->excess(aims) > 0) rows[i].clear();
  }
  const std::vector<double> runs = runs_within_budget(racing);
  const std::size_t met = alive.front()->met();
  const std::vector<std::size_t> able = finishers(runs, checkpoints.back() - met);
  std::vector<ScoreRow> able_rows;
  for (const std::size_t i : able) able_rows.push_back(rows[i]);
  for (std::size_t count = able.size();; --count) {
    std::vector<Contender*> out;
    double least = std::numeric_limits<double>::infinity();
    for (const std::size_t place : race_foremost(able_rows, count)) {
      out.push_back(alive[able[place]]);
      least = std::min(least, runs[able[place]]);
    }
    if (count == 1 || race_reach(count, met, checkpoints, least) == count) return out;
  }
}

std::vector<std::size_t> Search::State::checkpoints_of(std::size_t contenders) const {
  const std::size_t total = race_val.size();
  const bool race = options.race.enabled && (contenders > 1 || best());
  return race ? race_checkpoints(total, race_rules(contenders)) : std::vector<std::size_t>{total};
}

std::vector<std::size_t> Search::State::next_wave(
    std::span<const Contender* const> contenders) const {
  std::vector<std::size_t> wave(contenders.size());
  std::iota(wave.begin(), wave.end(), std::size_t{0});
  if (contenders.size() < 2 || !is_limited(options.budget)) return wave;
  const std::vector<double> runs = runs_within_budget(contenders);
  const std::vector<std::size_t> checkpoints = checkpoints_of(contenders.size());
  wave.clear();
  double least = std::numeric_limits<double>::infinity();
  for (const std::size_t i : finishers(runs, checkpoints.back())) {
    least = std::min(least, runs[i]);
    const std::size_t count = wave.size() + 1;
    if (race_reach(count, 0, checkpoints, least) < count) break;
    wave.push_back(i);
  }
  return wave;
}

std::size_t Search::State::sure_part(const Evaluator& with, std::span<const RolloutTask> tasks,
                                     const Metric* metric, bool is_first) const {
  const Budget& budget = options.budget;
  const bool is_counted = budget.lm_calls || budget.tokens || budget.money;
  // Requests that meet at a model that likes batches are let through in the order of their tasks.
  const bool meet =
      with.lm().info().likes_batches && std::ranges::all_of(options.models, [](const auto& named) {
        return named.second->info().likes_batches;
      });
  // Once it is spent only what is known is answered, and that is free.
  if (!is_counted || meet || done()) return tasks.size();
  // Nothing is known of replies before there was one.
  if (is_first && meter.usage().lm_calls == 0 && (budget.tokens || budget.money)) return 1;
  Spend judging;
  if (metric && metric_runs > 0) judging = metric_spent * (1 / static_cast<double>(metric_runs));
  std::map<const Program*, Spend> costs;
  Spend sum;
  for (std::size_t count = 0; count < tasks.size(); ++count) {
    Spend& cost = costs[tasks[count].program];
    // A run that the cache answers says nothing of the program's others.
    if (cost.calls <= 0) {
      cost = run_cost(tasks[count], with.lm(), options, meter);
      if (cost.calls > 0) cost += judging;
    }
    sum += cost;
    const std::optional<double> fits = meter.runs_left(sum * kSureFactor);
    if (fits && *fits < 1) return std::max<std::size_t>(1, count);
  }
  return tasks.size();
}

std::vector<Rollout> Search::State::run(const Evaluator& with, std::span<const RolloutTask> tasks,
                                        const Metric* metric) {
  std::vector<Rollout> rollouts;
  while (rollouts.size() < tasks.size()) {
    const std::span<const RolloutTask> rest = tasks.subspan(rollouts.size());
    const std::size_t count = sure_part(with, rest, metric, rollouts.empty());
    std::vector<Rollout> part = with.run(rest.first(count), metric);
    std::ranges::move(part, std::back_inserter(rollouts));
  }
  watch_replies();
  return rollouts;
}

void Search::State::measure(std::vector<Contender>& contenders) {
  const std::size_t total = race_val.size();
  const RaceRules rules = race_rules(contenders.size());
  const std::vector<std::size_t> checkpoints = checkpoints_of(contenders.size());
  Examples met;
  std::vector<Contender*> alive;
  for (Contender& contender : contenders) alive.push_back(&contender);
  for (const std::size_t checkpoint : checkpoints) {
    if (done() || alive.empty()) return;
    if (!met.empty()) alive = within_budget(std::move(alive), checkpoints);
    const Examples block(race_val.begin() + static_cast<std::ptrdiff_t>(met.size()),
                         race_val.begin() + static_cast<std::ptrdiff_t>(checkpoint));
    met.insert(met.end(), block.begin(), block.end());
    run_block(alive, block, met);
    if (checkpoint != total) alive = survivors(contenders, alive, rules);
  }
}

// Runs the contenders on the block, all together, and calibrates them on everything met (the block
// included).
void Search::State::run_block(const std::vector<Contender*>& contenders, const Examples& block,
                              const Examples& met) {
  std::vector<RolloutTask> tasks;
  for (const Contender* contender : contenders) {
    for (const Example& example : block)
      tasks.push_back({&contender->measured_program(), &example, 0, std::nullopt});
  }
  std::vector<Rollout> rollouts = this->run(*evaluator, tasks, &task.metric);
  auto first = std::make_move_iterator(rollouts.begin());
  for (Contender* contender : contenders) {
    const Program& program = contender->measured_program();
    const std::size_t predictors = predictors_in_use(program).size();
    const auto last = first + static_cast<std::ptrdiff_t>(block.size());
    for (auto run = first; run != last; ++run) note_calls(*run.base(), program, predictors);
    contender->add({first, last});
    first = last;
    if (Result<void> calibrated = contender->calibrate(met, *evaluator, task.metric); !calibrated) {
      notice("calibration was left out: " + calibrated.error().text());
    }
  }
}

// The examples of the run-off that the trial's demos do not show, those of the student among them.
std::vector<const Example*> Search::State::strange_examples(const Trial& trial) const {
  const Result<Program> program = trial.program.value_or(student).with(trial.candidate);
  const Candidate values = program ? program->candidate() : trial.candidate;
  std::vector<const Example*> examples;
  for (const Example& example : task.train) {
    if (!shows(values, student.signature(), example)) examples.push_back(&example);
  }
  return examples;
}

// Those of the finalists, the foremost before others, that the budget can take through the run-off
// beside the baseline.
std::vector<std::size_t> Search::State::affordable_finalists(std::vector<std::size_t> numbers,
                                                             std::size_t baseline) const {
  const std::optional<double> calls = meter.calls_left();
  if (!calls) return numbers;
  std::ranges::stable_sort(numbers, [&](std::size_t a, std::size_t b) {
    if (a == baseline || b == baseline) return a == baseline && b != baseline;
    return comparable_mean(trials[a], &trials[baseline]) >
           comparable_mean(trials[b], &trials[baseline]);
  });
  double needed = 0;
  const auto out = std::ranges::find_if(numbers, [&](std::size_t number) {
    const Trial& trial = trials[number];
    needed += static_cast<double>(strange_examples(trial).size()) *
              calls_per_run(trial.program.value_or(student));
    return needed > *calls;
  });
  numbers.erase(out, numbers.end());
  std::ranges::sort(numbers);
  return numbers.size() < 2 ? std::vector<std::size_t>() : numbers;
}

void Search::State::run_off(const std::vector<std::size_t>& numbers) {
  std::vector<Program> programs;
  for (const std::size_t number : numbers) {
    Result<Program> program =
        trials[number].program.value_or(student).with(trials[number].candidate);
    if (!program) return;
    programs.push_back(*std::move(program));
  }
  std::vector<RolloutTask> tasks;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    for (const Example* example : strange_examples(trials[numbers[i]]))
      tasks.push_back({&programs[i], example, 0, std::nullopt});
  }
  if (tasks.empty()) return;
  log.phase("run-off");
  emit(PhaseStarted{"run-off"});
  const std::vector<Rollout> rollouts = run(*evaluator, tasks, &task.metric);
  // Half a run-off would favour those who came first.
  if (std::ranges::any_of(rollouts, &Rollout::is_stopped)) return;
  std::size_t next = 0;
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    Trial& trial = trials[numbers[i]];
    std::vector<Rollout> own;
    Examples met;
    std::vector<std::size_t> places;
    for (; next < tasks.size() && tasks[next].program == &programs[i]; ++next) {
      own.push_back(rollouts[next]);
      met.push_back(*tasks[next].example);
      places.push_back(static_cast<std::size_t>(tasks[next].example - task.train.data()));
    }
    trial.further_scores.resize(task.train.size());
    trial.further_likelihoods.resize(task.train.size());
    const auto likelihoods = label_likelihoods(programs[i], own, met);
    for (std::size_t k = 0; k < own.size(); ++k) {
      trial.further_scores[places[k]] = own[k].score;
      if (likelihoods) trial.further_likelihoods[places[k]] = (*likelihoods)[k];
    }
    log.run_off(trial);
  }
}

const Trial& Search::State::finish(const Contender& contender, const Hash& proposed, bool fallback,
                                   const std::optional<Program>& base) {
  const Trial* before = best();
  const double best_before = before ? before->mean : 0;
  trials.push_back(contender.trial(trials.size(), race_order, aims));
  trials.back().program = base;
  trials.back().fallback = fallback;
  const Trial& trial = trials.back();
  measured.emplace(proposed, trial.number);
  const bool is_best = best() == &trial;
  if (options.log) {
    const Result<Program> program = base.value_or(student).with(trial.candidate);
    log.trial(trial, is_best, program ? first_prompt(*program) : std::string());
  }
  emit(TrialFinished{trial.number, trial.origin, trial.mean, trial.examples, trial.complete,
                     is_best, is_best ? trial.mean : best_before});
  return trial;
}

Result<void> Search::State::open_study(const Lm& lm) {
  if (!options.log) return {};
  const Value identity = study_identity({student, teacher, task, lm, space, options});
  const Value about = Value::object({{"signature", student.signature().to_string()},
                                     {"program", student.describe()},
                                     {"candidate", student.candidate().to_json()},
                                     {"train_examples", task.train.size()},
                                     {"val_examples", task.val.size()}});
  const Budget& budget = options.budget;
  const auto limit = [](const auto& value) { return value ? Value(*value) : Value(); };
  const Value run =
      Value::object({{"hone", std::string(version)},
                     {"threads", options.threads},
                     {"budget", Value::object({{"lm_calls", limit(budget.lm_calls)},
                                               {"tokens", limit(budget.tokens)},
                                               {"money", limit(budget.money)},
                                               {"seconds", limit(budget.seconds)}})}});
  Value::List examples;
  for (const Example& example : task.val) examples.push_back(example.fields());
  return log.open(identity, about, Value(std::move(examples)), run);
}

}  // namespace hone
