// Runs programs on examples: many at once, in an order that does not depend on timing.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/example.hpp"
#include "hone/core/trace.hpp"
#include "hone/eval/events.hpp"
#include "hone/eval/metric.hpp"
#include "hone/lm/embedder.hpp"
#include "hone/lm/lm.hpp"
#include "hone/program/program.hpp"

namespace hone {

// One run of a program on one example. A failure is data: it keeps its error, its partial trace and
// its spend.
struct Rollout {
  Hash example;      // Example::id
  Value prediction;  // null when the program failed
  std::optional<double>
      score;  // none when the run says nothing about the program: the metric failed, the
              // model could not be reached, a stop. A reply that could not be read, or a prompt
              // the model refused, is the program's own failure and scores 0.
  std::string feedback;
  std::optional<Error> error;
  Trace trace;
  double seconds = 0;

  // Whether a stop or the budget's end kept the run from its answer.
  bool is_stopped() const { return error && error->kind == ErrorKind::stopped; }
};

struct RolloutTask {
  const Program* program = nullptr;
  const Example* example = nullptr;
  std::uint64_t sample = 0;
  std::optional<double> temperature;
  // Withdraws this run alone: one that has not begun does not begin, one that waits for a model is
  // given up at the model's next step. Its rollout has the error `stopped` and no score. Runs of
  // one candidate share a token.
  std::stop_token stop = {};
};

struct EvaluatorOptions {
  std::size_t threads = 8;  // runs at once for models that answer one by one; a model that likes
                            // batches gets up to 256 runs' requests together, whatever this says
  std::uint64_t seed = 0;
  std::map<std::string, const Lm*, std::less<>> models;
  const Embedder* embedder = nullptr;  // for programs that need one; not owned
  Observer observer;
  std::stop_token stop;
};

struct Evaluation {
  std::vector<Rollout> rollouts;  // in the order of the examples
  double mean() const;            // of the scores there are; 0 when there is none
  std::size_t scored() const;
  std::size_t met() const;       // rollouts that no stop or spent budget kept from running
  std::size_t failures() const;  // of these, rollouts with an error
  std::size_t parse_failures() const;
  Usage usage() const;
  // 95 % interval of the mean: Wilson's for scores of 0 and 1, else Student's.
  std::pair<double, double> interval() const;
};

// Holds references to the model; const means concurrent. With equal seed, tasks and a deterministic
// model the results are equal whatever the number of threads: every run has its own random stream,
// and requests that meet at a batching model are sorted by task before they are sent.
class Evaluator {
 public:
  explicit Evaluator(const Lm& lm, EvaluatorOptions options = {});

  // One rollout a task, in order. `metric` null leaves scores open.
  std::vector<Rollout> run(std::span<const RolloutTask> tasks, const Metric* metric) const;
  Evaluation evaluate(const Program& program, const Examples& examples, const Metric& metric) const;

  const Lm& lm() const { return *lm_; }
  const EvaluatorOptions& options() const { return options_; }

 private:
  const Lm* lm_;
  EvaluatorOptions options_;
};

}  // namespace hone
