#include "hone/optimize/search.hpp"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <utility>

#include "optimize/ranking.hpp"
#include "optimize/search_state.hpp"

namespace hone {
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
const Trial* Search::baseline() const {
  return state_->baseline();
}
void Search::conclude() {
  // A budget may end before anything is complete; then the program stays as it came.
  const Trial* best = state_->best();
  if (!best) best = state_->baseline();
  if (best) state_->log.result(*best, stop_reason());
}
bool Search::done() const {
  return state_->done();
}

std::optional<double> Search::calls_left() const {
  return state_->meter.calls_left();
}
double Search::calls_per_run(const Program& program) const {
  return state_->calls_per_run(program);
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
  std::vector<std::size_t> waiting(contenders.size());
  std::iota(waiting.begin(), waiting.end(), std::size_t{0});
  while (!waiting.empty() && !done()) {
    std::vector<const Contender*> candidates;
    for (const std::size_t i : waiting) candidates.push_back(&contenders[i]);
    std::vector<std::size_t> chosen;
    for (const std::size_t place : state_->next_wave(candidates)) chosen.push_back(waiting[place]);
    std::erase_if(waiting, [&](std::size_t i) { return std::ranges::binary_search(chosen, i); });
    std::vector<Contender> wave;
    for (const std::size_t i : chosen) wave.push_back(std::move(contenders[i]));
    state_->measure(wave);
    for (std::size_t k = 0; k < wave.size(); ++k) {
      const Proposal& source = *sources[chosen[k]];
      if (wave[k].met() > 0)
        state_->finish(wave[k], fresh[chosen[k]], source.fallback, source.program);
    }
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
  const Trial& trial = state_->finish(student.front(), hash_of("baseline"), true);
  for (const std::string& formula : state_->task.goals.without_value(trial.measures)) {
    notice("\"" + formula +
           "\" has no value for the program that came in (it divides by 0): what has none counts "
           "as worse than anything else");
  }
  return trial;
}

void Search::run_off() {
  const auto baseline = state_->measured.find(hash_of("baseline"));
  if (done() || !options().race.enabled || !goals().is_score()) return;
  if (baseline == state_->measured.end()) return;
  state_->run_off(
      state_->affordable_finalists(finalists(state_->trials, baseline->second), baseline->second));
}

std::vector<Rollout> Search::run(std::span<const RolloutTask> tasks, const RunOptions& options) {
  std::vector<RolloutTask> adjusted(tasks.begin(), tasks.end());
  for (RolloutTask& task : adjusted) {
    if (options.sample != 0) task.sample = options.sample;
    if (options.temperature) task.temperature = options.temperature;
  }
  const Evaluator& evaluator =
      options.teacher_model ? *state_->teacher_evaluator : *state_->evaluator;
  return state_->run(evaluator, adjusted, &state_->task.metric);
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
  std::vector<Rollout> rollouts = state_->run(*state_->proposer_evaluator, tasks, nullptr);
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
