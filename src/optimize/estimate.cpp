#include "hone/optimize/estimate.hpp"

#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <set>
#include <utility>

#include "hone/base/rng.hpp"
#include "hone/optimize/optimize.hpp"

#include "optimize/prompt_bytes.hpp"
#include "optimize/stand_in_lm.hpp"

namespace hone {
namespace {

// How far from the student's a candidate's share of full scores may be drawn, of what is there to
// be gained or lost, whichever is less: ideas are as often worse as better.
constexpr double kMostGain = 0.5;

constexpr std::size_t kMostRehearsals = 3;
// What a rehearsal learns changes the prompts of the next: some requests are left for those.
constexpr double kFirstShare = 0.75;
// Tokens of a prompt are about as many a byte as in prompts of other sizes; of what is generated,
// which takes longer and costs more, nothing is known but this guess.
constexpr double kPromptDoubt = 0.2;
constexpr double kTextDoubt = 1000;

double uniform(const Hash& hash) {
  return Rng(hash.low, hash).uniform();
}

// Of what all prompts of a predictor have in common.
Hash fixed_hash(const Prompt& prompt) {
  Hasher hasher;
  for (const Segment& segment : prompt.fixed()) hasher.add(segment.hash());
  return hasher.finish();
}

// Bytes of values that were generated, by what is left when everything known is taken away.
std::size_t generated_bytes(const LmRequest& request, const LmReply& reply) {
  std::size_t known = 0;
  bool has_text = false;
  std::size_t label = 0;
  for (const ReplyPart& part : request.reply->parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      known += forced->text.size();
    } else if (const auto* slot = std::get_if<TextSlot>(&part)) {
      known += slot->lead.size();
      has_text = true;
    } else {
      const auto& choice = std::get<LabelSlot>(part);
      const std::size_t chosen =
          label < reply.labels.size() ? reply.labels[label].chosen : std::size_t{0};
      ++label;
      known += choice.lead.size();
      if (chosen < choice.labels.size()) known += choice.labels[chosen].size();
    }
  }
  return has_text && reply.text.size() > known ? reply.text.size() - known : 0;
}

// What is at stake while a kind is unknown, in prompt bytes.
double stake(const UnknownKind& kind) {
  return kPromptDoubt * static_cast<double>(kind.prompt_bytes) +
         (kind.has_text ? kTextDoubt * static_cast<double>(kind.requests) : 0);
}

// How many of `seats` requests each kind gets, in proportion to what is at stake (D'Hondt's way).
std::vector<std::size_t> shares(const std::vector<UnknownKind>& kinds, std::size_t seats) {
  std::vector<std::size_t> given(kinds.size(), 0);
  for (; seats > 0; --seats) {
    std::optional<std::size_t> next;
    double most = 0;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const double claim = stake(kinds[i]) / static_cast<double>(given[i] + 1);
      if (given[i] == kinds[i].examples.size() || claim <= most) continue;
      next = i;
      most = claim;
    }
    if (!next) break;
    ++given[*next];
  }
  return given;
}

// The share of examples that are easier than this one: difficulty and luck together, spread evenly
// over 0 to 1.
double rank(double difficulty, double luck) {
  constexpr double kLuck = 0.3;
  constexpr double kDifficulty = 1 - kLuck;
  const double sum = kDifficulty * difficulty + kLuck * luck;
  if (sum < kLuck) return sum * sum / (2 * kLuck * kDifficulty);
  if (sum < kDifficulty) return (sum - kLuck / 2) / kDifficulty;
  return 1 - (1 - sum) * (1 - sum) / (2 * kLuck * kDifficulty);
}

// Draws scores in place of the real ones. Hard examples are hard for every candidate, and what a
// candidate gains over the student, or loses, hangs on its prompt alone: nothing where it is one of
// `own`.
Metric drawn_scores(const Metric& real, double success, const std::set<std::string>& paths,
                    const std::set<Hash>& own, bool asks_models) {
  return Metric(real.name(), [=](const Outcome& outcome) -> Result<Score> {
    // A judge's calls are part of the bill.
    if (asks_models) (void)real(outcome);
    Hasher prompts;
    bool is_own = true;
    for (const TraceStep& step : outcome.trace.steps) {
      if (!paths.contains(step.path)) continue;
      const Hash prompt = fixed_hash(step.prompt);
      prompts.add(prompt);
      is_own = is_own && own.contains(prompt);
    }
    const Hash candidate = prompts.finish();
    const double gain =
        is_own ? 0 : kMostGain * std::min(success, 1 - success) * (2 * uniform(candidate) - 1);
    const double luck = uniform(Hasher()
                                    .add(candidate)
                                    .add(outcome.example.id())
                                    .add(outcome.call.options().sample)
                                    .finish());
    const bool is_full = rank(uniform(outcome.example.id()), luck) < success + gain;
    return Score{is_full ? 1.0 : 0.0, {}};
  });
}

class Rehearsal {
 public:
  Rehearsal(const Program& student, const Task& task, const Lm& lm, const Optimizer& optimizer,
            SearchOptions options, EstimateOptions settings)
      : student_(&student),
        task_(&task),
        lm_(&lm),
        optimizer_(&optimizer),
        options_(std::move(options)),
        settings_(std::move(settings)) {
    const auto add = [&](const Program& program) {
      for (const Predictor& predictor : program.predictors()) {
        paths_.insert(predictor.path());
        own_prompts_.insert(fixed_hash(predictor.prompt_template().render(Value::object({}))));
      }
    };
    add(student);
    if (options_.teacher) add(*options_.teacher);
    threads_ = std::max<std::size_t>(1, options_.threads);
    options_.log = nullptr;
    options_.observer = {};
    options_.threads = 1;
    seconds_ = std::exchange(options_.budget.seconds, std::nullopt);
    for (const Lm* model : models()) watched_.emplace(model, std::make_unique<ObservedLm>(*model));
    probes_left_ = settings_.unknown_probes;
  }

  Result<Estimate> operator()() {
    if (task_->val.empty()) return bad_request("val", "needs at least one example");
    if (settings_.known.empty() || !settings_.success) {
      if (Result<void> probed = probe(); !probed) return probed.error();
    }
    Result<Estimate> estimate = rehearse();
    for (std::size_t left = kMostRehearsals - 1; estimate && left > 0; --left) {
      if (!ask_unknown(left == 1 ? 1 : kFirstShare)) break;
      estimate = rehearse();
    }
    if (!estimate) return estimate;
    estimate->probe_calls = probe_calls_;
    if (seconds_ && estimate->seconds > *seconds_) cut(*estimate, *seconds_ / estimate->seconds);
    return estimate;
  }

 private:
  // Every model of the run, once.
  std::vector<const Lm*> models() const {
    std::vector<const Lm*> all = {lm_};
    const auto add = [&](const Lm* lm) {
      if (lm && std::find(all.begin(), all.end(), lm) == all.end()) all.push_back(lm);
    };
    add(options_.teacher_lm);
    add(options_.proposer_lm);
    for (const auto& [name, lm] : options_.models) add(lm);
    return all;
  }

  // The student on a few validation examples.
  Result<void> probe() {
    const std::size_t steps = std::max<std::size_t>(1, student_->predictors().size());
    Rng rng(options_.seed, "estimate");
    Examples chosen;
    for (const std::size_t i :
         rng.sample(task_->val.size(), std::max<std::size_t>(1, settings_.probes / steps)))
      chosen.push_back(task_->val[i]);
    EvaluatorOptions evaluator_options;
    evaluator_options.seed = options_.seed;
    evaluator_options.threads = threads_;
    evaluator_options.stop = options_.stop;
    for (const auto& [name, lm] : options_.models)
      evaluator_options.models.emplace(name, watched_.at(lm).get());
    const Evaluator evaluator(*watched_.at(lm_), std::move(evaluator_options));
    const Evaluation evaluation = evaluator.evaluate(*student_, chosen, task_->metric);
    std::size_t full = 0;
    for (const Rollout& rollout : evaluation.rollouts) {
      if (rollout.error && rollout.error->kind != ErrorKind::bad_reply) return *rollout.error;
      full += rollout.score && *rollout.score >= 1 ? 1 : 0;
      for (const TraceStep& step : rollout.trace.steps)
        metric_asks_ = metric_asks_ || (step.asked_model() && !paths_.contains(step.path));
    }
    // Drawn towards a half, since there are but a few.
    settings_.success =
        (static_cast<double>(full) + 1) / (static_cast<double>(evaluation.rollouts.size()) + 2);
    probe_calls_ += evaluation.usage().lm_calls;
    return {};
  }

  // Sends requests of kinds that nothing is known of to their models, those of a kind together, up
  // to a share of those that may be sent. Whether anything was learned.
  bool ask_unknown(double share) {
    std::vector<UnknownKind> kinds;
    std::vector<const ObservedLm*> owners;
    for (const Lm* lm : models()) {
      for (UnknownKind& kind : stand_ins_.at(lm)->unknown_kinds()) {
        kinds.push_back(std::move(kind));
        owners.push_back(watched_.at(lm).get());
      }
    }
    const auto seats = static_cast<std::size_t>(share * static_cast<double>(probes_left_));
    const std::vector<std::size_t> counts = shares(kinds, seats);
    bool learned = false;
    for (std::size_t i = 0; i < kinds.size(); ++i) {
      const std::span<const LmRequest> asked = std::span(kinds[i].examples).first(counts[i]);
      if (asked.empty()) continue;
      probes_left_ -= asked.size();
      probe_calls_ += static_cast<std::int64_t>(asked.size());
      const std::vector<Result<LmReply>> replies = owners[i]->complete(asked, options_.stop);
      for (std::size_t k = 0; k < asked.size(); ++k) {
        if (!replies[k]) continue;
        learned = true;
        if (kinds[i].has_text) replies_[request_key(owners[i]->info(), asked[k])] = *replies[k];
      }
    }
    return learned;
  }

  Observations known() const {
    Observations all = settings_.known;
    for (const auto& [lm, observed] : watched_) {
      for (const auto& [kind, totals] : observed->observations()) all[kind] += totals;
    }
    return all;
  }

  const Lm* stand_in(const Lm* lm) const { return lm ? stand_ins_.at(lm).get() : nullptr; }

  Result<Estimate> rehearse() {
    stand_ins_.clear();
    const Observations known = this->known();
    for (const Lm* lm : models()) {
      stand_ins_.emplace(lm, std::make_unique<StandInLm>(lm->info(), known, replies_, threads_));
    }
    SearchOptions options = options_;
    options.teacher_lm = stand_in(options_.teacher_lm);
    options.proposer_lm = stand_in(options_.proposer_lm);
    for (auto& [name, lm] : options.models) lm = stand_in(lm);
    const std::map<std::string, const Lm*, std::less<>> named = options.models;
    Task task = *task_;
    task.metric =
        drawn_scores(task_->metric, *settings_.success, paths_, own_prompts_, metric_asks_);
    const Metric metric = task.metric;
    const Lm& lm = *stand_in(lm_);
    const Result<Optimized> done =
        optimize(*student_, std::move(task), lm, *optimizer_, std::move(options));
    if (!done) return done.error();
    Estimate estimate;
    estimate.trials = done->trials.size();
    estimate.money = done->money;
    add(done->usage, estimate);
    if (settings_.test.empty()) return estimate;
    EvaluatorOptions evaluator_options;
    evaluator_options.threads = 1;
    evaluator_options.models = named;
    const Evaluator evaluator(lm, std::move(evaluator_options));
    const Prices prices = options_.budget.prices_of(lm, named);
    const Program winner = likely_winner(*done);
    for (const Program* program : {student_, &winner}) {
      const Evaluation tested = evaluator.evaluate(*program, settings_.test, metric);
      add(tested.usage(), estimate);
      // A measure is of a thousand runs.
      for (const Rollout& rollout : tested.rollouts)
        estimate.money += measures_of(rollout, prices).money / 1000;
    }
    return estimate;
  }

  // Scores are drawn here, so that nobody knows who wins; the student or a fallback, whose prompts
  // are the shortest, seldom does. Programs that take several calls (an ensemble) were made to win;
  // of the others the one of middling cost stands for all.
  Program likely_winner(const Optimized& done) const {
    std::vector<const Trial*> likely;
    for (const Trial& trial : done.trials) {
      if (trial.complete && !trial.fallback) likely.push_back(&trial);
    }
    if (likely.empty()) return done.program;
    const auto calls = [](const Trial* trial) { return trial->usage.lm_calls; };
    const std::int64_t most = calls(*std::ranges::max_element(likely, {}, calls));
    std::erase_if(likely, [&](const Trial* trial) { return 10 * calls(trial) < 9 * most; });
    const auto middle = likely.begin() + static_cast<std::ptrdiff_t>(likely.size() / 2);
    std::ranges::nth_element(likely, middle, {}, [](const Trial* trial) {
      return std::pair(trial->usage.prompt_tokens, trial->number);
    });
    const Trial& winner = **middle;
    return winner.program.value_or(*student_).with(winner.candidate).value_or(done.program);
  }

  static void add(const Usage& usage, Estimate& estimate) {
    estimate.lm_calls += usage.lm_calls;
    estimate.prompt_tokens += usage.prompt_tokens;
    estimate.generated_tokens += usage.generated_tokens;
    estimate.seconds += usage.seconds;
  }

  static void cut(Estimate& estimate, double share) {
    const auto part = [share](std::int64_t& count) {
      count = static_cast<std::int64_t>(static_cast<double>(count) * share);
    };
    part(estimate.lm_calls);
    part(estimate.prompt_tokens);
    part(estimate.generated_tokens);
    estimate.money *= share;
    estimate.seconds *= share;
  }

  const Program* student_;
  const Task* task_;
  const Lm* lm_;
  const Optimizer* optimizer_;
  SearchOptions options_;
  EstimateOptions settings_;
  std::optional<double> seconds_;  // the budget's
  std::size_t threads_ = 1;
  std::set<std::string> paths_;  // of predictors: other steps are the metric's
  std::set<Hash> own_prompts_;   // the student's and the teacher's
  bool metric_asks_ = false;
  std::int64_t probe_calls_ = 0;
  std::size_t probes_left_ = 0;  // of unknown kinds
  std::map<const Lm*, std::unique_ptr<ObservedLm>> watched_;
  KnownReplies replies_;
  std::map<const Lm*, std::unique_ptr<StandInLm>> stand_ins_;
};

}  // namespace

RequestTotals& RequestTotals::operator+=(const RequestTotals& other) {
  requests += other.requests;
  prompt_bytes += other.prompt_bytes;
  fresh_bytes += other.fresh_bytes;
  text_bytes += other.text_bytes;
  usage += other.usage;
  seconds += other.seconds;
  return *this;
}

struct ObservedLm::State {
  const Lm* inner = nullptr;
  std::mutex mutex;
  Observations seen;
  PrefixWatch watch;
};

ObservedLm::ObservedLm(const Lm& inner) : state_(std::make_unique<State>()) {
  state_->inner = &inner;
}
ObservedLm::~ObservedLm() = default;

const LmInfo& ObservedLm::info() const {
  return state_->inner->info();
}

std::vector<Result<LmReply>> ObservedLm::complete(std::span<const LmRequest> requests,
                                                  std::stop_token stop) const {
  const auto start = std::chrono::steady_clock::now();
  std::vector<Result<LmReply>> replies = state_->inner->complete(requests, std::move(stop));
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  // Models that compute batches share their time out by what was computed; others say what each
  // request waited, if they say anything.
  double computed = 0;
  for (const Result<LmReply>& reply : replies)
    computed += reply ? static_cast<double>(reply->usage.computed_tokens) : 0;
  const auto waited = [&](const Usage& usage) {
    if (info().likes_batches && computed > 0)
      return seconds * static_cast<double>(usage.computed_tokens) / computed;
    return !info().likes_batches && usage.seconds > 0
               ? usage.seconds
               : seconds / static_cast<double>(requests.size());
  };
  const std::lock_guard lock(state_->mutex);
  for (std::size_t i = 0; i < requests.size(); ++i) {
    if (!replies[i]) continue;
    RequestTotals& totals = state_->seen[request_kind(info(), requests[i])];
    ++totals.requests;
    totals.prompt_bytes += prompt_bytes(requests[i].prompt);
    totals.fresh_bytes += state_->watch.fresh_bytes(requests[i].prompt);
    totals.text_bytes += generated_bytes(requests[i], *replies[i]);
    totals.usage += replies[i]->usage;
    totals.seconds += waited(replies[i]->usage);
  }
  return replies;
}

Observations ObservedLm::observations() const {
  const std::lock_guard lock(state_->mutex);
  return state_->seen;
}

Result<Estimate> estimate(const Program& student, const Task& task, const Lm& lm,
                          const Optimizer& optimizer, SearchOptions options,
                          EstimateOptions settings) {
  return Rehearsal(student, task, lm, optimizer, std::move(options), std::move(settings))();
}

}  // namespace hone
