// What one run of a program needs: model, randomness, trace, stop. Passed explicitly; there are no
// globals.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/trace.hpp"
#include "hone/lm/embedder.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

// How a call's requests reach a model. The default asks the model at once; an evaluator's gathers
// the requests of many runs into one batch and keeps the budget.
class LmExecutor {
 public:
  virtual ~LmExecutor() = default;
  virtual Result<LmReply> complete(const Lm& lm, const LmRequest& request,
                                   const std::stop_token& stop) = 0;
};

struct CallOptions {
  LmExecutor* executor = nullptr;  // not owned; null = ask the model directly
  std::uint64_t seed = 0;          // of everything random in this run
  std::uint64_t sample = 0;  // another try of the same run: other samples, other cache entries
  std::optional<double> temperature =
      {};  // overrides the predictors' settings (teachers exploring)
  std::map<std::string, const Lm*, std::less<>> models =
      {};                              // for predictors that name one; not owned
  const Embedder* embedder = nullptr;  // for programs that look things up by it; not owned
  std::stop_token stop = {};
};

// One run of one program on one thread. Not thread safe; make one a run. Holds references: `lm`,
// the executor, the named models and the embedder must outlive it.
class Call {
 public:
  explicit Call(const Lm& lm, CallOptions options = {});

  // The model of a predictor: the named one, or the run's default; bad_request when there is none
  // of that name.
  Result<const Lm*> model(std::string_view name) const;
  // Sends a request the way the run's owner chose, and counts it.
  Result<LmReply> complete(const Lm& lm, const LmRequest& request);
  // A text as a point; bad_request when the run has no embedder.
  Result<Embedding> embed(const std::string& text) const;
  // A seed of its own for each use of each place: (run seed, place, how often it was asked).
  std::uint64_t next_seed(std::string_view place);
  void record(TraceStep step) { trace_.steps.push_back(std::move(step)); }

  const CallOptions& options() const { return options_; }
  const Trace& trace() const { return trace_; }
  Trace take_trace() { return std::move(trace_); }
  bool stop_requested() const { return options_.stop.stop_requested(); }

 private:
  const Lm* lm_;
  CallOptions options_;
  Trace trace_;
  std::map<std::string, std::uint64_t, std::less<>> uses_;
};

}  // namespace hone
