// What a search may spend, and what it has spent.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

// Limits; those not set do not bind. Calls are requests to a model that no cache of this run can
// answer.
struct Budget {
  std::optional<std::int64_t> lm_calls = {};
  std::optional<std::int64_t> tokens = {};  // prompt and generated tokens of those calls
  std::optional<double> money = {};         // by the prices below
  std::optional<double> seconds = {};       // of wall time
  double price_per_million_prompt_tokens = 0;
  double price_per_million_generated_tokens = 0;
};

// Counts what a search spends over all its models, and says when to stop. Thread safe.
class Meter {
 public:
  Meter(Budget budget, const Clock& clock);

  enum class Admission { fresh, known, refused };

  // Takes one call from the budget for a request, unless none is left. A key seen before in this
  // run is free, as its reply is cached. So a resumed run, whose early replies come out of its log,
  // spends like an uninterrupted one and stops where that one stops.
  Admission admit(const Hash& key);
  void charge(const Usage& usage);  // of fresh requests only

  bool spent() const;          // any limit is reached
  std::string reason() const;  // "2000 LM calls are spent"; empty when nothing is
  std::optional<std::int64_t> calls_left() const;
  Usage usage() const;
  double money() const;
  double seconds() const;

 private:
  bool spent_locked() const;

  Budget budget_;
  const Clock* clock_;
  Clock::TimePoint start_;
  mutable std::mutex mutex_;
  std::unordered_set<Hash> seen_;
  Usage usage_;
  std::int64_t admitted_ = 0;
};

// A model behind a meter: requests over the budget fail with ErrorKind::stopped, in the order of
// their batch.
class MeteredLm final : public Lm {
 public:
  // Both must outlive it.
  MeteredLm(const Lm& inner, Meter& meter) : inner_(&inner), meter_(&meter) {}
  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

 private:
  const Lm* inner_;
  Meter* meter_;
};

}  // namespace hone
