#include "hone/eval/evaluator.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <mutex>
#include <system_error>
#include <thread>

#include "eval/gate.hpp"
#include "eval/statistics.hpp"

namespace hone {
namespace {

constexpr std::size_t kBatchLanes = 256;  // what one wave of the local engine can hold

// One lane's way to the models: through the gate when the model likes batches, else at once.
class LaneExecutor final : public LmExecutor {
 public:
  LaneExecutor(Gate& gate, const std::stop_token& stop) : gate_(&gate), stop_(&stop) {}
  void set_task(std::size_t task) { task_ = task; }

  // The run's own stop is in its requests.
  Result<LmReply> complete(const Lm& lm, const LmRequest& request,
                           const std::stop_token&) override {
    if (lm.info().likes_batches) return gate_->complete(task_, lm, request);
    return lm.complete_one(request, *stop_);
  }

 private:
  Gate* gate_;
  const std::stop_token* stop_;  // of the evaluation
  std::size_t task_ = 0;
};

// Whether a failure says something about the program (it scores 0) or only about the world (it has
// no score).
bool is_own_failure(const Error& error) {
  return error.kind == ErrorKind::bad_reply || error.kind == ErrorKind::bad_request;
}

std::uint64_t run_seed(std::uint64_t seed, const Hash& program, const RolloutTask& task) {
  return Hasher().add(seed).add(program).add(task.example->id()).add(task.sample).finish().low;
}

// Progress for the observer, one report at a time and no more than there are per cent of the work.
class Progress {
 public:
  Progress(const Observer& observer, std::size_t total) : observer_(&observer), total_(total) {}
  void add(const Usage& usage) {
    if (!*observer_) return;
    const std::lock_guard lock(mutex_);
    ++done_;
    usage_ += usage;
    const std::size_t percent = done_ * 100 / total_;
    if (percent == shown_ && done_ != total_) return;
    shown_ = percent;
    (*observer_)(RolloutsProgress{done_, total_, usage_});
  }

 private:
  const Observer* observer_;
  std::size_t total_;
  std::mutex mutex_;
  std::size_t done_ = 0;
  std::size_t shown_ = 0;
  Usage usage_;
};

}  // namespace

double Evaluation::mean() const {
  double sum = 0;
  std::size_t count = 0;
  for (const Rollout& rollout : rollouts) {
    if (!rollout.score) continue;
    sum += *rollout.score;
    ++count;
  }
  return count == 0 ? 0.0 : sum / static_cast<double>(count);
}

std::size_t Evaluation::scored() const {
  return static_cast<std::size_t>(std::count_if(
      rollouts.begin(), rollouts.end(), [](const Rollout& r) { return r.score.has_value(); }));
}

std::size_t Evaluation::met() const {
  return rollouts.size() -
         static_cast<std::size_t>(std::ranges::count_if(rollouts, &Rollout::is_stopped));
}

std::size_t Evaluation::failures() const {
  return static_cast<std::size_t>(std::ranges::count_if(
      rollouts, [](const Rollout& r) { return r.error.has_value() && !r.is_stopped(); }));
}

std::size_t Evaluation::parse_failures() const {
  std::size_t count = 0;
  for (const Rollout& rollout : rollouts) {
    count += static_cast<std::size_t>(
        std::ranges::count_if(rollout.trace.steps, &TraceStep::has_bad_reply));
  }
  return count;
}

Usage Evaluation::usage() const {
  Usage total;
  for (const Rollout& rollout : rollouts) total += rollout.trace.usage();
  return total;
}

std::pair<double, double> Evaluation::interval() const {
  std::vector<double> scores;
  for (const Rollout& rollout : rollouts) {
    if (rollout.score) scores.push_back(*rollout.score);
  }
  return mean_interval(scores);
}

Evaluator::Evaluator(const Lm& lm, EvaluatorOptions options)
    : lm_(&lm), options_(std::move(options)) {}

std::vector<Rollout> Evaluator::run(std::span<const RolloutTask> tasks,
                                    const Metric* metric) const {
  std::vector<Rollout> rollouts(tasks.size());
  if (tasks.empty()) return rollouts;
  std::map<const Program*, Hash> identities;
  for (const RolloutTask& task : tasks) {
    if (!identities.contains(task.program))
      identities.emplace(task.program, task.program->candidate().hash());
  }
  bool batches = lm_->info().likes_batches;
  for (const auto& [name, lm] : options_.models) batches = batches || lm->info().likes_batches;
  const std::size_t lanes =
      std::min(tasks.size(), batches ? kBatchLanes : std::max<std::size_t>(1, options_.threads));

  Gate gate(lanes, options_.stop);
  Progress progress(options_.observer, tasks.size());
  std::atomic<std::size_t> next{0};
  const auto run_one = [&](std::size_t index, LaneExecutor& executor) {
    const RolloutTask& task = tasks[index];
    Rollout& rollout = rollouts[index];
    const auto start = std::chrono::steady_clock::now();
    executor.set_task(index);
    CallOptions call_options;
    call_options.executor = &executor;
    call_options.seed = run_seed(options_.seed, identities.at(task.program), task);
    call_options.sample = task.sample;
    call_options.temperature = task.temperature;
    call_options.models = options_.models;
    call_options.embedder = options_.embedder;
    call_options.stop = task.stop.stop_possible() ? task.stop : options_.stop;
    Call call(*lm_, std::move(call_options));
    rollout.example = task.example->id();
    if (options_.stop.stop_requested() || task.stop.stop_requested()) {
      rollout.error = stopped("evaluation", "a stop was asked for");
    } else {
      Result<Value> prediction =
          task.program->run(call, task.example->inputs(task.program->signature()));
      if (!prediction) {
        rollout.error = prediction.error();
        if (metric && is_own_failure(*rollout.error)) rollout.score = 0.0;
      } else {
        rollout.prediction = *std::move(prediction);
        if (metric) {
          Result<Score> score =
              (*metric)(Outcome{*task.example, rollout.prediction, call.trace(), call});
          if (score && std::isfinite(score->value)) {
            rollout.score = score->value;
            rollout.feedback = std::move(score->feedback);
          } else {
            rollout.error =
                score ? internal_error("metric " + metric->name(), "gave a score that is no number")
                      : score.error();
          }
        }
      }
    }
    rollout.trace = call.take_trace();
    rollout.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    progress.add(rollout.trace.usage());
  };
  const auto lane = [&] {
    LaneExecutor executor(gate, options_.stop);
    for (std::size_t index = next++; index < tasks.size(); index = next++) run_one(index, executor);
    gate.leave();
  };
  std::vector<std::jthread> threads;
  threads.reserve(lanes - 1);
  for (std::size_t i = 1; i < lanes; ++i) {
    try {
      threads.emplace_back(lane);
    } catch (const std::system_error&) {
      // No more threads to be had: the lanes there are do the work.
      for (std::size_t missing = i; missing < lanes; ++missing) gate.leave();
      break;
    }
  }
  lane();
  threads.clear();
  return rollouts;
}

Evaluation Evaluator::evaluate(const Program& program, const Examples& examples,
                               const Metric& metric) const {
  std::vector<RolloutTask> tasks;
  tasks.reserve(examples.size());
  for (const Example& example : examples) tasks.push_back({&program, &example, 0, std::nullopt});
  return Evaluation{run(tasks, &metric)};
}

}  // namespace hone
