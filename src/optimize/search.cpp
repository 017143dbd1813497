#include "hone/optimize/search.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "hone/base/clock.hpp"
#include "hone/base/version.hpp"
#include "hone/eval/calibrate.hpp"
#include "hone/lm/cached_lm.hpp"

#include "optimize/contender.hpp"
#include "optimize/ranking.hpp"
#include "optimize/search_log.hpp"
#include "optimize/study_identity.hpp"

namespace hone {

namespace {

constexpr std::size_t kManyContenders = 16;
// A block of a few examples costs less than the long beginnings of prompts that the engine may have
// to compute anew for it.
constexpr std::size_t kFewCheckpoints = 3;
constexpr std::size_t kRankedFirstBlock = 20;
// Replies kept of one run: a label reply is a few hundred bytes, so this is far more than a run
// asks for.
constexpr std::size_t kCacheBytes = std::size_t{16} << 20;

std::vector<std::string> model_names(const SearchOptions& options) {
  std::vector<std::string> names;
  for (const auto& [name, lm] : options.models) names.push_back(name);
  return names;
}

Prices prices_of(const SearchOptions& options, const Lm& lm) {
  const auto price = [&](const Lm& model) {
    const Price own = options.budget.price_of(model.info().identity);
    return Prices::Price{own.prompt, own.generated};
  };
  Prices prices{.own = price(lm), .named = {}};
  for (const auto& [name, named] : options.models) prices.named.emplace(name, price(*named));
  return prices;
}

// A model as a search sees it: what it answered before is free, everything else is metered.
class SearchLm {
 public:
  // Replies are kept in `file` too, where there is one.
  static Result<std::unique_ptr<SearchLm>> make(const Lm& inner, Meter& meter, const Price& price,
                                                std::optional<std::filesystem::path> file) {
    Result<std::unique_ptr<CachedLm>> cached =
        CachedLm::open(std::shared_ptr<const Lm>(std::shared_ptr<const Lm>(), &inner),
                       {kCacheBytes, std::move(file)});
    if (!cached) return cached.error();
    return std::unique_ptr<SearchLm>(new SearchLm(*std::move(cached), meter, price));
  }
  const Lm& get() const { return metered_; }
  std::size_t lost_replies() const { return cached_->stats().file_failures; }

 private:
  SearchLm(std::unique_ptr<CachedLm> cached, Meter& meter, const Price& price)
      : cached_(std::move(cached)), metered_(*cached_, meter, price) {}

  std::unique_ptr<CachedLm> cached_;
  MeteredLm metered_;
};

}  // namespace

struct Search::State {
  State(const Program& given_student, Task given_task, const Lm& lm, SearchOptions given_options)
      : student(given_student),
        teacher(given_options.teacher.value_or(given_student)),
        task(std::move(given_task)),
        options(std::move(given_options)),
        aims{task.goals, prices_of(options, lm)},
        space(options.space.value_or(Space::of(student)).with_models(model_names(options))),
        meter(options.budget, clock),
        log(options.log, meter, [this](std::string message) { notice(std::move(message)); }) {
    order_examples();
  }

  SystemClock clock;
  Program student;
  Program teacher;
  Task task;
  SearchOptions options;
  Aims aims;
  Space space;
  Meter meter;
  SearchLog log;
  std::map<const Lm*, std::unique_ptr<SearchLm>> models;
  std::optional<Evaluator> evaluator;
  std::optional<Evaluator> teacher_evaluator;
  std::optional<Evaluator> proposer_evaluator;
  std::vector<std::size_t> race_order;  // the validation examples in the order candidates meet them
  Examples race_val;
  std::vector<Trial> trials;
  std::map<Hash, std::size_t> measured;  // proposed candidate -> trial

  // Precondition: open_model() succeeded for it.
  const Lm& model(const Lm& lm) const { return models.at(&lm)->get(); }
  Result<void> open_model(const Lm& lm) {
    if (models.contains(&lm)) return {};
    Result<std::unique_ptr<SearchLm>> made =
        SearchLm::make(lm, meter, options.budget.price_of(lm.info().identity),
                       options.log ? options.log->file() : std::nullopt);
    if (!made) return made.error();
    models.emplace(&lm, *std::move(made));
    return {};
  }
  Evaluator make_evaluator(const Lm& lm) {
    EvaluatorOptions evaluator_options;
    evaluator_options.threads = options.threads;
    evaluator_options.seed = options.seed;
    for (const auto& [name, named] : options.models)
      evaluator_options.models.emplace(name, &model(*named));
    evaluator_options.embedder = options.embedder;
    evaluator_options.observer = options.observer;
    evaluator_options.stop = options.stop;
    return Evaluator(model(lm), std::move(evaluator_options));
  }
  Result<void> open_study(const Lm& lm);
  // After models were asked.
  void watch_replies() {
    std::size_t lost = 0;
    for (const auto& [lm, model] : models) lost += model->lost_replies();
    log.replies_lost(lost);
  }
  void notice(std::string message) {
    log.notice(message);
    emit(Notice{std::move(message)});
  }
  void emit(const Event& event) const {
    if (options.observer) options.observer(event);
  }
  bool done() const { return options.stop.stop_requested() || meter.spent(); }
  const Trial* best() const {
    if (!task.goals.is_score()) {
      const Trial* best = nullptr;
      for (const Trial& trial : trials) {
        if (trial.complete && (!best || task.goals.is_better(trial.measures, best->measures)))
          best = &trial;
      }
      return best;
    }
    std::optional<std::size_t> baseline;
    if (const auto found = measured.find(hash_of("baseline")); found != measured.end())
      baseline = found->second;
    return best_trial(trials, baseline);
  }

  // Of the model the predictor asks.
  bool scores_labels(const Predictor& predictor) const {
    const auto named = options.models.find(predictor.options().model);
    return (named == options.models.end() ? evaluator->lm() : *named->second).info().scores_labels;
  }

  Result<Contender> make_contender(const Proposal& proposal);
  void order_examples();
  RaceRules race_rules(std::size_t contenders) const;
  std::vector<Contender*> survivors(std::vector<Contender>& contenders,
                                    const std::vector<Contender*>& alive,
                                    const RaceRules& rules) const;
  void measure(std::vector<Contender>& contenders);
  void run_block(const std::vector<Contender*>& contenders, const Examples& block,
                 const Examples& met);
  // The prompt of the first predictor on the first validation example, for people who read the log.
  std::string first_prompt(const Program& program) const {
    const std::vector<Predictor> predictors = program.predictors();
    if (predictors.empty()) return {};
    return predictors.front().prompt_template().render(task.val.front().fields()).dump();
  }
  const Trial& finish(const Contender& contender, const Hash& proposed, bool fallback,
                      const std::optional<Program>& base = std::nullopt);
};

namespace {

Hash identity_of(const Proposal& proposal) {
  if (!proposal.program) return proposal.candidate.hash();
  const Value json = proposal.program->to_json();
  return Hasher()
      .add(proposal.candidate.hash())
      .add(json.is_null() ? proposal.program->candidate().hash() : json.hash())
      .add(proposal.program->structure_hash())
      .finish();
}

}  // namespace

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
        if (calibrations.size() > 1) std::erase(calibrations, Calibration::content_free);
      }
    }
  }
  return Contender(proposal.origin, proposal.candidate, *std::move(program),
                   std::move(calibrations));
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

// Which contenders are worth more examples, after those met so far.
std::vector<Contender*> Search::State::survivors(std::vector<Contender>& contenders,
                                                 const std::vector<Contender*>& alive,
                                                 const RaceRules& rules) const {
  // Merits say nothing across a limit: who is beyond one so far neither drops others nor is
  // dropped.
  std::vector<Contender*> out;
  std::vector<Contender*> racing;
  for (Contender& contender : contenders) {
    if (contender.excess(aims) <= 0) {
      racing.push_back(&contender);
    } else if (std::ranges::find(alive, &contender) != alive.end()) {
      out.push_back(&contender);
    }
  }
  if (racing.empty()) return out;
  std::vector<ScoreRow> rows;
  for (const Contender* contender : racing) rows.push_back(contender->merits(aims));
  std::optional<ScoreRow> incumbent;
  if (const Trial* leader = best(); leader && leader->excess == 0) {
    incumbent.emplace();
    for (const std::size_t index : race_order) incumbent->push_back(leader->merits[index]);
  }
  const std::vector<ScoreRow> grades =
      options.race.by_rank && task.goals.is_score() ? label_rows(racing) : std::vector<ScoreRow>();
  for (const std::size_t index :
       race_survivors(grades.empty() ? rows : grades, race_order.size(), rules)) {
    if (!incumbent || !falls_behind(rows[index], *incumbent, race_order.size(), rules)) {
      out.push_back(racing[index]);
    }
  }
  return out;
}

void Search::State::measure(std::vector<Contender>& contenders) {
  const std::size_t total = race_val.size();
  const RaceRules rules = race_rules(contenders.size());
  const bool race = options.race.enabled && (contenders.size() > 1 || best());
  const std::vector<std::size_t> checkpoints =
      race ? race_checkpoints(total, rules) : std::vector<std::size_t>{total};
  Examples met;
  std::vector<Contender*> alive;
  for (Contender& contender : contenders) alive.push_back(&contender);
  for (const std::size_t checkpoint : checkpoints) {
    if (done() || alive.empty()) return;
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
  std::vector<Rollout> rollouts = evaluator->run(tasks, &task.metric);
  watch_replies();
  auto first = std::make_move_iterator(rollouts.begin());
  for (Contender* contender : contenders) {
    const auto last = first + static_cast<std::ptrdiff_t>(block.size());
    contender->add({first, last});
    first = last;
    if (Result<void> calibrated = contender->calibrate(met, *evaluator, task.metric); !calibrated) {
      notice("calibration was left out: " + calibrated.error().text());
    }
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

Search::Search(std::unique_ptr<State> state) : state_(std::move(state)) {}
Search::~Search() = default;

Result<std::unique_ptr<Search>> Search::make(const Program& student, Task task, const Lm& lm,
                                             SearchOptions options) {
  if (task.train.empty()) return bad_request("train", "needs at least one example");
  if (task.val.empty()) return bad_request("val", "needs at least one example");
  std::size_t number = 0;
  for (const Example& example : task.val) {
    ++number;
    if (Result<void> fits = student.signature().check_inputs(example.fields(), {}); !fits) {
      return bad_request("val example " + std::to_string(number), fits.error().message);
    }
  }
  if (task.goals.uses(Quantity::money) && !options.budget.has_prices()) {
    return bad_request("goals",
                       "money is named, but there are no prices of tokens: " + task.goals.text());
  }
  auto state = std::make_unique<State>(student, std::move(task), lm, std::move(options));
  for (const Lm* used : {&lm, state->options.teacher_lm, state->options.proposer_lm}) {
    if (!used) continue;
    if (Result<void> opened = state->open_model(*used); !opened) return opened.error();
  }
  for (const auto& [name, named] : state->options.models) {
    if (Result<void> opened = state->open_model(*named); !opened) return opened.error();
  }
  if (Result<void> same = state->open_study(lm); !same) return same.error();
  const Lm* teacher = state->options.teacher_lm ? state->options.teacher_lm : &lm;
  const Lm* proposer = state->options.proposer_lm ? state->options.proposer_lm : &lm;
  state->evaluator = state->make_evaluator(lm);
  state->teacher_evaluator = state->make_evaluator(*teacher);
  state->proposer_evaluator = state->make_evaluator(*proposer);
  return std::unique_ptr<Search>(new Search(std::move(state)));
}

const Program& Search::student() const {
  return state_->student;
}
const Program& Search::teacher() const {
  return state_->teacher;
}
const Examples& Search::train() const {
  return state_->task.train;
}
const Examples& Search::val() const {
  return state_->task.val;
}
const Metric& Search::metric() const {
  return state_->task.metric;
}
const Goals& Search::goals() const {
  return state_->task.goals;
}
const Space& Search::space() const {
  return state_->space;
}
const LmInfo& Search::model() const {
  return state_->evaluator->lm().info();
}
const SearchOptions& Search::options() const {
  return state_->options;
}
const Meter& Search::meter() const {
  return state_->meter;
}
const std::vector<Trial>& Search::trials() const {
  return state_->trials;
}
const Trial* Search::best() const {
  return state_->best();
}
void Search::conclude() {
  if (const Trial* best = state_->best()) state_->log.result(*best, stop_reason());
}
bool Search::done() const {
  return state_->done();
}

Rng Search::rng(std::string_view purpose) const {
  return Rng(state_->options.seed, purpose);
}

std::string Search::stop_reason() const {
  if (state_->options.stop.stop_requested()) return "a stop was asked for";
  return state_->meter.reason();
}

void Search::phase(std::string name) {
  state_->log.phase(name);
  state_->emit(PhaseStarted{std::move(name)});
}
void Search::notice(std::string message) {
  state_->notice(std::move(message));
}

Result<std::vector<Trial>> Search::evaluate(std::span<const Proposal> proposals) {
  std::vector<Contender> contenders;
  std::vector<Hash> hashes;
  std::vector<Hash> fresh;
  std::vector<const Proposal*> sources;
  for (const Proposal& proposal : proposals) {
    hashes.push_back(identity_of(proposal));
    if (state_->measured.contains(hashes.back()) ||
        std::find(fresh.begin(), fresh.end(), hashes.back()) != fresh.end()) {
      continue;
    }
    Result<Contender> contender = state_->make_contender(proposal);
    if (!contender) return contender.error();
    contenders.push_back(*std::move(contender));
    fresh.push_back(hashes.back());
    sources.push_back(&proposal);
  }
  state_->measure(contenders);
  for (std::size_t i = 0; i < contenders.size(); ++i) {
    if (contenders[i].met() > 0)
      state_->finish(contenders[i], fresh[i], sources[i]->fallback, sources[i]->program);
  }
  std::vector<Trial> out;
  for (const Hash& hash : hashes) {
    if (const auto found = state_->measured.find(hash); found != state_->measured.end()) {
      out.push_back(state_->trials[found->second]);
    }
  }
  return out;
}

Result<std::vector<Trial>> Search::evaluate_on(std::span<const Proposal> proposals,
                                               std::span<const Example> examples) {
  std::vector<Contender> contenders;
  for (const Proposal& proposal : proposals) {
    Result<Contender> contender = state_->make_contender(proposal);
    if (!contender) return contender.error();
    contenders.push_back(*std::move(contender));
  }
  std::vector<Trial> out;
  if (done()) return out;
  std::vector<Contender*> all;
  for (Contender& contender : contenders) all.push_back(&contender);
  const Examples block(examples.begin(), examples.end());
  state_->run_block(all, block, block);
  std::vector<std::size_t> order(block.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  for (std::size_t c = 0; c < contenders.size(); ++c) {
    out.push_back(contenders[c].trial(c, order, state_->aims));
    out.back().program = proposals[c].program;
    state_->log.minibatch(out.back());
  }
  return out;
}

Result<Trial> Search::evaluate(const Candidate& candidate, std::string origin) {
  const Proposal proposal{candidate, std::move(origin)};
  Result<std::vector<Trial>> trials = evaluate(std::span(&proposal, 1));
  if (!trials) return trials.error();
  if (trials->empty()) return stopped("search", stop_reason());
  return trials->front();
}

Result<Trial> Search::evaluate_baseline() {
  std::vector<Contender> student;
  student.emplace_back("baseline", Candidate(), state_->student, std::vector<Calibration>{});
  state_->measure(student);
  if (student.front().met() == 0) return stopped("search", stop_reason());
  if (const std::optional<Error> error = student.front().common_error()) return *error;
  return state_->finish(student.front(), hash_of("baseline"), true);
}

std::vector<Rollout> Search::run(std::span<const RolloutTask> tasks, const RunOptions& options) {
  std::vector<RolloutTask> adjusted(tasks.begin(), tasks.end());
  for (RolloutTask& task : adjusted) {
    if (options.sample != 0) task.sample = options.sample;
    if (options.temperature) task.temperature = options.temperature;
  }
  const Evaluator& evaluator =
      options.teacher_model ? *state_->teacher_evaluator : *state_->evaluator;
  std::vector<Rollout> rollouts = evaluator.run(adjusted, &state_->task.metric);
  state_->watch_replies();
  return rollouts;
}

std::vector<Rollout> Search::run(const Program& program, std::span<const Example> examples,
                                 const RunOptions& options) {
  std::vector<RolloutTask> tasks;
  for (const Example& example : examples) tasks.push_back({&program, &example, 0, std::nullopt});
  return run(tasks, options);
}

std::vector<Result<Value>> Search::propose(const Predictor& predictor,
                                           std::span<const Value> inputs, std::uint64_t sample) {
  const Program program = Program::predict(predictor.signature(), predictor.options());
  Examples examples;
  for (const Value& input : inputs) examples.emplace_back(input);
  std::vector<RolloutTask> tasks;
  std::map<Hash, std::uint64_t> asked;
  for (const Example& example : examples)
    tasks.push_back({&program, &example, sample + asked[example.id()]++, std::nullopt});
  std::vector<Result<Value>> out;
  std::vector<Rollout> rollouts = state_->proposer_evaluator->run(tasks, nullptr);
  state_->watch_replies();
  for (Rollout& rollout : rollouts) {
    const std::size_t index = out.size();
    if (rollout.error) {
      out.emplace_back(*std::move(rollout.error));
    } else {
      state_->log.proposal(Hasher()
                               .add(program.structure_hash())
                               .add(examples[index].id())
                               .add(tasks[index].sample)
                               .finish(),
                           inputs[index], rollout.prediction);
      out.emplace_back(std::move(rollout.prediction));
    }
  }
  return out;
}

}  // namespace hone
