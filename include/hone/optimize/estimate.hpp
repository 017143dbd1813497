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

// What one kind of request to one model (same reply plan) took so far.
struct RequestTotals {
  std::size_t requests = 0;
  std::size_t prompt_bytes = 0;
  std::size_t fresh_bytes = 0;  // of prompt parts no earlier request of the kind had
  std::size_t text_bytes = 0;   // of values that were generated, not chosen
  Usage usage;
  double seconds = 0;  // of waiting; requests of one batch share its time
};

// By LmInfo::identity and kind.
using Observations = std::map<std::pair<std::string, Hash>, RequestTotals>;

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
  // Requests the rehearsal meets that nothing is known of (proposals) and that are sent to their
  // model, the costliest kinds first.
  std::size_t text_probes = 2;
  // The student and the winner will be measured on these, besides the search.
  Examples test = {};
};

// Of everything: the search, and the test examples twice. Without racing, calls and tokens are
// mostly right within a few per cent; what depends on scores (how many runs bootstrapping needs,
// how many proposals pass a gate) is drawn. With racing it is a fair guess. Seconds hold for this
// machine in its present state.
struct Estimate {
  std::int64_t lm_calls = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t generated_tokens = 0;
  double money = 0;
  double seconds = 0;
  std::size_t trials = 0;
  std::int64_t probe_calls = 0;  // what finding this out took
};

// Runs the optimizer, any optimizer, in a search whose models answer at once with texts of their
// plan, as long as real ones, and whose metric draws scores around the student's. So the estimate
// obeys budget, racing and every option. Nothing is logged. Errors: those of optimize(); a model
// that answers no probe.
Result<Estimate> estimate(const Program& student, const Task& task, const Lm& lm,
                          const Optimizer& optimizer, SearchOptions options,
                          EstimateOptions settings = {});

}  // namespace hone
