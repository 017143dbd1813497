// What an optimization will take, before it starts: a rehearsal with a stand-in for the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"
#include "hone/core/example.hpp"
#include "hone/lm/lm.hpp"
#include "hone/optimize/optimizer.hpp"
#include "hone/optimize/search.hpp"

namespace hone {

// What requests have in common that take about the same.
struct RequestKind {
  std::string model;  // LmInfo::identity
  Hash plan;          // of the reply
  // Log2 of the prompt's bytes, by which tokens a byte differ; where texts are generated, of its
  // segments: how long they become hangs on the demos shown.
  int prompt_size = 0;
  friend auto operator<=>(const RequestKind&, const RequestKind&) = default;
};

// What requests of one kind took so far.
struct RequestTotals {
  std::size_t requests = 0;
  std::size_t prompt_bytes = 0;
  std::size_t fresh_bytes = 0;  // of prompt parts no earlier request to the model had
  std::size_t text_bytes = 0;   // of values that were generated, not chosen
  Usage usage;
  double seconds = 0;  // of waiting; requests of one batch share its time
  RequestTotals& operator+=(const RequestTotals& other);
};

using Observations = std::map<RequestKind, RequestTotals>;

// A model that is watched: what its requests take goes into the observations of what follows.
// Thread safe.
class ObservedLm final : public Lm {
 public:
  explicit ObservedLm(const Lm& inner);  // must outlive it
  ~ObservedLm() override;
  const LmInfo& info() const override;
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;
  Observations observations() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct EstimateOptions {
  // What is known already; where it is empty, `probes` validation examples are run first.
  Observations known = {};
  std::optional<double> success = {};  // share of the student's runs that get the full score
  std::size_t probes = 6;
  // Requests of kinds that the rehearsal meets and nothing is known of (proposals, prompts with
  // demos), at most, that are sent to their models: more of a kind the more hangs on it.
  std::size_t unknown_probes = 16;
  // The student and the winner will be measured on these, besides the search.
  Examples test = {};
};

// Of everything: the search, and the test examples twice. Without racing, calls are mostly right
// within a tenth and prompt tokens within a fifth. What depends on scores is drawn: who wins, how
// many runs bootstrapping needs, how many proposals pass a gate. How long proposals become is known
// of a few: where they differ much, what is generated may be off by half and more. With racing it
// is a fair guess. Seconds hold for this machine in its present state.
struct Estimate {
  std::int64_t lm_calls = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t generated_tokens = 0;
  double money = 0;
  double seconds = 0;
  std::size_t trials = 0;
  std::int64_t probe_calls = 0;  // what finding this out took: EstimateOptions' probes, at most
};

// Runs the optimizer, any optimizer, in a search whose models answer at once with texts of their
// plan, as long as real ones, and whose metric draws scores around the student's; again, once or
// twice, when models were asked about what was unknown. So the estimate obeys budget, racing and
// every option. Nothing is logged. Errors: those of optimize(); a model
// that answers no probe.
Result<Estimate> estimate(const Program& student, const Task& task, const Lm& lm,
                          const Optimizer& optimizer, SearchOptions options,
                          EstimateOptions settings = {});

}  // namespace hone
