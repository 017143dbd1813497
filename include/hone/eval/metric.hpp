// Metrics: how good a prediction is.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/example.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/trace.hpp"
#include "hone/core/value.hpp"
#include "hone/program/call.hpp"

namespace hone {

// Higher is better; by convention 0 to 1. Feedback is for reflective optimizers: what was wrong, in
// words.
struct Score {
  double value = 0;
  std::string feedback;
};

// What a metric sees. `call` is the run's own: a judge asks models through it, so that its calls
// are batched, budgeted and traced like any other.
struct Outcome {
  const Example& example;
  const Value& prediction;
  const Trace& trace;
  Call& call;
};

// A named scoring function; copies share it. The function must be safe to call from many threads.
// An Error it returns (or an Exception it throws) makes the rollout a failure without a score,
// never a 0.
class Metric {
 public:
  using Function = std::function<Result<Score>(const Outcome&)>;

  Metric(std::string name, Function function);
  // From anything callable with (example, prediction) that gives a number or a bool.
  static Metric of(std::string name, std::function<double(const Example&, const Value&)> function);

  const std::string& name() const { return name_; }
  Result<Score> operator()(const Outcome& outcome) const;

 private:
  std::string name_;
  std::shared_ptr<const Function> function_;
};

// Built-in metrics. `field` is the output compared (and the example's field of that name).
Metric exact_match(std::string field);  // equal values; strings by their bytes after trimming; a
                                        // number or bool also equals its own text ("42" and 42)
Metric answer_exact_match(
    std::string field);  // equal after SQuAD normalization (case, punctuation, articles,
                         // white space: Rajpurkar et al. 2016); a list is any-of
Metric f1_match(std::string field);  // token F1 after SQuAD normalization; best of a list
// The last number in a text, or the number itself, on both sides; a list in the example is any-of.
// `tolerance` is relative for numbers above 1 and absolute below. A prediction without a number
// scores 0.
inline constexpr double kNumericTolerance = 1e-6;
Metric numeric_match(std::string field, double tolerance = kNumericTolerance);
// Whether a normalized answer stands in one of the passages the program returned in `passages`.
Metric answer_passage_match(std::string answer_field, std::string passages);
// A model judges: `criterion` in words; the reply is a label scored by the judge's signature
// "input, expected, answer -> verdict: enum(...)"; `model` is a name the call knows, empty = its
// default.
Metric judge(std::string field, std::string criterion, std::string model = {});
// A program of the user's, run by /bin/sh: started once, reads one JSON line {"example": …,
// "prediction": …} a rollout on its standard input and prints one line each: a number, or {"score":
// 0.5, "feedback": "…"}. A dead program, a bad line, or none within `line_timeout` is an error that
// quotes its standard error. Rollouts take turns at it. It ends with the last copy of the metric.
Result<Metric> command_metric(const std::string& command_line,
                              std::chrono::milliseconds line_timeout = std::chrono::minutes(2));

// "exact_match:label", "f1:answer", "numeric:answer", "numeric:answer:0.01" (tolerance),
// "judge:answer:is polite", "answer_passage_match:answer:passages", "command:./score.py". The field
// may be left out when the signature has one output. Unknown names and fields suggest near ones.
Result<Metric> metric_from_spec(std::string_view spec, const Signature& signature);
std::vector<std::string> metric_names();

// The normalization above, for reuse. Lower-cases Latin, Greek, Cyrillic and Armenian letters alike
// on every machine; punctuation of other scripts and typeset quotes go like ASCII ones; ill-formed
// UTF-8 is mended first.
std::string squad_normalize(std::string_view text);

}  // namespace hone
