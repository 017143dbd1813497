// What a search may spend, and what it has spent.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"
#include "hone/eval/prices.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

// Limits; those not set do not bind. Calls are requests to a model that no cache of this run can
// answer, also those that fail; they are never exceeded. What is under way when the seconds are
// over is withdrawn. What a call costs in tokens and money is known only afterwards: one is let
// through when what is spent, and what those under way are expected to take, leaves room for it,
// judged by the calls so far.
struct Budget {
  std::optional<std::int64_t> lm_calls = {};
  std::optional<std::int64_t> tokens = {};  // prompt and generated tokens of those calls
  std::optional<double> money = {};         // by the prices below
  std::optional<double> seconds = {};       // of wall time, of this process
  Price price = {};                         // of models that have none of their own
  std::map<std::string, Price, std::less<>> prices = {};  // by LmInfo::identity

  Price price_of(std::string_view identity) const;
  // Of a run's model and of those its program may name.
  Prices prices_of(const Lm& own, const std::map<std::string, const Lm*, std::less<>>& named) const;
  bool has_prices() const;  // of any model
};

// What a call or a run takes, or is expected to take, on average.
struct Spend {
  double calls = 0;
  double tokens = 0;
  double money = 0;
  Spend& operator+=(const Spend& other);
  Spend operator*(double factor) const;
};

// Counts what a search spends over all its models, and says when to stop. Thread safe.
class Meter {
 public:
  // The clock must outlive it.
  Meter(Budget budget, const Clock& clock);

  // A request is known once it was answered, and under way while somebody waits for its answer.
  enum class Admission { fresh, known, under_way, refused };

  // A call let through, until it is charged or dropped.
  struct Ticket {
    Admission admission = Admission::refused;
    Hash key = {};
    std::size_t prompt_bytes = 0;
    Price price = {};
    std::int64_t expected_tokens = 0;
    double expected_money = 0;
  };

  // Takes one call from the budget for a request, unless none is left. A key answered before in
  // this run is free, as its reply is cached. So a resumed run, whose early replies come out of its
  // log, spends like an uninterrupted one and stops where that one stops.
  Ticket admit(const Hash& key, std::size_t prompt_bytes, const Price& price);
  // Of fresh requests only: what the reply took, or nothing when there was none. No cache keeps a
  // failure: whoever asks again pays again.
  void settle(const Ticket& ticket, const std::optional<Usage>& usage);
  // Until the request with this key is no longer under way; false when a stop comes first.
  bool await(const Hash& key, const std::stop_token& stop);

  bool spent() const;  // any limit is reached
  // Stopped once the seconds are over. Without a budget of seconds it never is.
  std::stop_token time_up() const;
  // Whether asking for it is free.
  bool is_known(const Hash& key) const;
  // What a call with so long a prompt is expected to take, by the calls so far.
  Spend expected(std::size_t prompt_bytes, const Price& price) const;
  // How many runs more that take so much each the limits reach for; seconds are judged by the calls
  // so far. None when nothing binds.
  std::optional<double> runs_left(const Spend& each) const;
  // The same of calls like those so far; tokens, money and seconds bind only after the first.
  std::optional<double> calls_left() const;
  std::string reason() const;  // "2000 LM calls are spent"; empty when nothing is
  Usage usage() const;
  double money() const;
  double seconds() const;

 private:
  bool spent_locked() const;
  Spend expected_locked(std::size_t prompt_bytes, const Price& price) const;
  std::optional<double> runs_left_locked(const Spend& each) const;
  std::int64_t tokens_locked() const;

  Budget budget_;
  const Clock* clock_;
  Clock::TimePoint start_;
  mutable std::mutex mutex_;
  std::condition_variable_any settled_one_;
  std::unordered_set<Hash> answered_;
  std::unordered_set<Hash> under_way_;
  Usage usage_;
  double money_ = 0;
  std::int64_t admitted_ = 0;
  // What calls take, for those that are under way.
  std::int64_t settled_ = 0;
  std::size_t settled_bytes_ = 0;
  std::int64_t expected_tokens_ = 0;
  double expected_money_ = 0;
  enum class Shortage { none, tokens, money };
  Shortage shortage_ = Shortage::none;  // for which a call was refused, though some was left
  std::stop_source time_up_;
  std::jthread watch_;  // waits for the seconds to be over
};

// A model behind a meter: requests over the budget fail with ErrorKind::stopped, in the order of
// their batch, and so do those under way when the seconds are over. One that another call has under
// way waits for that call's answer to be cached.
class MeteredLm final : public Lm {
 public:
  // Both must outlive it.
  MeteredLm(const Lm& inner, Meter& meter, const Price& price = {})
      : inner_(&inner), meter_(&meter), price_(price) {}
  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

 private:
  const Lm* inner_;
  Meter* meter_;
  Price price_;
};

}  // namespace hone
