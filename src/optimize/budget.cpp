#include "hone/optimize/budget.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "hone/base/text.hpp"

#include "lm/any_stop.hpp"
#include "optimize/prompt_bytes.hpp"

namespace hone {
namespace {

// Before anything is known of a model's tokens: English in the tokenizers in use.
constexpr double kTokensPerByte = 0.25;
// Years of seconds; more would not fit a clock.
constexpr double kLongestWatch = 1e9;

// Whether a cache answered or not: a resumed run is to spend like the first one.
std::int64_t generated(const Usage& usage) {
  return usage.generated_tokens + usage.cached_generated_tokens;
}

}  // namespace

bool Budget::has_prices() const {
  return price.prompt > 0 || price.generated > 0 || !prices.empty();
}

Price Budget::price_of(std::string_view identity) const {
  const auto found = prices.find(identity);
  return found == prices.end() ? price : found->second;
}

Prices Budget::prices_of(const Lm& own,
                         const std::map<std::string, const Lm*, std::less<>>& named) const {
  Prices out{.own = price_of(own.info().identity), .named = {}};
  for (const auto& [name, lm] : named) out.named.emplace(name, price_of(lm->info().identity));
  return out;
}

Spend& Spend::operator+=(const Spend& other) {
  calls += other.calls;
  tokens += other.tokens;
  money += other.money;
  return *this;
}

Spend Spend::operator*(double factor) const {
  return {.calls = calls * factor, .tokens = tokens * factor, .money = money * factor};
}

Meter::Meter(Budget budget, const Clock& clock)
    : budget_(std::move(budget)), clock_(&clock), start_(clock.now()) {
  if (!budget_.seconds || *budget_.seconds > kLongestWatch) return;
  const auto limit = std::chrono::duration<double>(std::max(0.0, *budget_.seconds));
  const Clock::TimePoint end = start_ + std::chrono::ceil<Clock::Duration>(limit);
  watch_ = std::jthread([this, end](const std::stop_token& stop) {
    if (clock_->wait_until(end, stop)) time_up_.request_stop();
  });
}

Meter::Ticket Meter::admit(const Hash& key, std::size_t prompt_bytes, const Price& price) {
  const std::lock_guard lock(mutex_);
  if (answered_.contains(key)) return {.admission = Admission::known, .key = key};
  if (under_way_.contains(key)) return {.admission = Admission::under_way, .key = key};
  if (spent_locked()) return {};
  Ticket ticket{
      .admission = Admission::fresh, .key = key, .prompt_bytes = prompt_bytes, .price = price};
  const Spend expected = expected_locked(prompt_bytes, price);
  ticket.expected_tokens = std::llround(expected.tokens);
  ticket.expected_money = expected.money;
  if (budget_.tokens &&
      tokens_locked() + expected_tokens_ + ticket.expected_tokens > *budget_.tokens) {
    shortage_ = Shortage::tokens;
  } else if (budget_.money && money_ + expected_money_ + ticket.expected_money > *budget_.money) {
    shortage_ = Shortage::money;
  }
  if (shortage_ != Shortage::none) return {};
  under_way_.insert(key);
  ++admitted_;
  expected_tokens_ += ticket.expected_tokens;
  expected_money_ += ticket.expected_money;
  return ticket;
}

Spend Meter::expected_locked(std::size_t prompt_bytes, const Price& price) const {
  const double per_byte = settled_bytes_ == 0 ? kTokensPerByte
                                              : static_cast<double>(usage_.prompt_tokens) /
                                                    static_cast<double>(settled_bytes_);
  const auto prompt =
      static_cast<std::int64_t>(std::llround(per_byte * static_cast<double>(prompt_bytes)));
  const std::int64_t reply = settled_ == 0 ? 0 : generated(usage_) / settled_;
  return {
      .calls = 1, .tokens = static_cast<double>(prompt + reply), .money = price.of(prompt, reply)};
}

Spend Meter::expected(std::size_t prompt_bytes, const Price& price) const {
  const std::lock_guard lock(mutex_);
  return expected_locked(prompt_bytes, price);
}

bool Meter::is_known(const Hash& key) const {
  const std::lock_guard lock(mutex_);
  return answered_.contains(key);
}

std::stop_token Meter::time_up() const {
  return budget_.seconds ? time_up_.get_token() : std::stop_token();
}

void Meter::settle(const Ticket& ticket, const std::optional<Usage>& usage) {
  const std::lock_guard lock(mutex_);
  under_way_.erase(ticket.key);
  settled_one_.notify_all();
  expected_tokens_ -= ticket.expected_tokens;
  expected_money_ -= ticket.expected_money;
  if (!usage) return;
  answered_.insert(ticket.key);
  usage_ += *usage;
  money_ += ticket.price.of(usage->prompt_tokens, generated(*usage));
  ++settled_;
  settled_bytes_ += ticket.prompt_bytes;
}

bool Meter::await(const Hash& key, const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  return settled_one_.wait(lock, stop, [&] { return !under_way_.contains(key); });
}

double Meter::money() const {
  const std::lock_guard lock(mutex_);
  return money_;
}

double Meter::seconds() const {
  return std::chrono::duration<double>(clock_->now() - start_).count();
}

Usage Meter::usage() const {
  const std::lock_guard lock(mutex_);
  return usage_;
}

std::int64_t Meter::tokens_locked() const {
  return usage_.prompt_tokens + generated(usage_);
}

bool Meter::spent_locked() const {
  return shortage_ != Shortage::none || (budget_.lm_calls && admitted_ >= *budget_.lm_calls) ||
         (budget_.tokens && tokens_locked() >= *budget_.tokens) ||
         (budget_.money && money_ >= *budget_.money) ||
         (budget_.seconds && seconds() >= *budget_.seconds);
}

bool Meter::spent() const {
  const std::lock_guard lock(mutex_);
  return spent_locked();
}

std::optional<double> Meter::runs_left_locked(const Spend& each) const {
  std::optional<double> left;
  const auto reaches_for = [&](double room, double taken) {
    if (taken > 0) left = std::max(0.0, std::min(left.value_or(room / taken), room / taken));
  };
  if (budget_.lm_calls) reaches_for(static_cast<double>(*budget_.lm_calls - admitted_), each.calls);
  if (budget_.tokens)
    reaches_for(static_cast<double>(*budget_.tokens - tokens_locked()), each.tokens);
  if (budget_.money) reaches_for(*budget_.money - money_, each.money);
  if (budget_.seconds && settled_ > 0) {
    const double each_call = seconds() / static_cast<double>(settled_);
    reaches_for(*budget_.seconds - seconds(), each.calls * each_call);
  }
  return left;
}

std::optional<double> Meter::runs_left(const Spend& each) const {
  const std::lock_guard lock(mutex_);
  return runs_left_locked(each);
}

std::optional<double> Meter::calls_left() const {
  const std::lock_guard lock(mutex_);
  const Spend all{.calls = static_cast<double>(settled_),
                  .tokens = static_cast<double>(tokens_locked()),
                  .money = money_};
  return runs_left_locked(settled_ == 0 ? Spend{.calls = 1}
                                        : all * (1 / static_cast<double>(settled_)));
}

std::string Meter::reason() const {
  const std::lock_guard lock(mutex_);
  if (budget_.lm_calls && admitted_ >= *budget_.lm_calls) {
    return "the budget of " + std::to_string(*budget_.lm_calls) + " LM calls is spent";
  }
  if (budget_.seconds && seconds() >= *budget_.seconds) {
    return "the budget of " + number_text(*budget_.seconds) + " seconds is spent";
  }
  if (budget_.tokens && tokens_locked() >= *budget_.tokens) {
    return "the budget of " + std::to_string(*budget_.tokens) + " tokens is spent";
  }
  if (budget_.money && money_ >= *budget_.money)
    return "the budget of " + number_text(*budget_.money) + " in money is spent";
  if (shortage_ == Shortage::none) return {};
  return "what is left of the budget of " +
         (shortage_ == Shortage::tokens ? std::to_string(*budget_.tokens) + " tokens"
                                        : number_text(*budget_.money) + " in money") +
         " does not reach for another call";
}

namespace {

// The requests of one call that the budget let through.
class Admitted {
 public:
  explicit Admitted(Meter& meter) : meter_(&meter) {}
  // Also when the model throws: others may wait for these answers.
  ~Admitted() {
    for (const Place& place : places_) settle(place, std::nullopt);
  }
  Admitted(const Admitted&) = delete;
  Admitted& operator=(const Admitted&) = delete;

  void add(std::size_t index, const LmRequest& request, const Meter::Ticket& ticket) {
    places_.push_back({index, ticket});
    requests_.push_back(request);
    keys_.insert(ticket.key);
  }
  bool contains(const Hash& key) const { return keys_.contains(key); }

  void ask(const Lm& lm, const std::stop_token& stop, std::vector<Result<LmReply>>& replies) {
    if (requests_.empty()) return;
    const std::stop_token time_up = meter_->time_up();
    AnyStop either;
    either.add(stop);
    either.add(time_up);
    std::vector<Result<LmReply>> answers = lm.complete(requests_, either.token());
    for (std::size_t i = 0; i < answers.size(); ++i) {
      settle(places_[i], answers[i] ? std::optional(answers[i]->usage) : std::nullopt);
      if (!answers[i] && answers[i].error().kind == ErrorKind::stopped &&
          time_up.stop_requested() && !stop.stop_requested()) {
        answers[i] = stopped("budget", meter_->reason());
      }
      replies[places_[i].index] = std::move(answers[i]);
    }
    places_.clear();
  }

 private:
  struct Place {
    std::size_t index = 0;
    Meter::Ticket ticket;
  };
  void settle(const Place& place, const std::optional<Usage>& usage) const {
    if (place.ticket.admission == Meter::Admission::fresh) meter_->settle(place.ticket, usage);
  }

  Meter* meter_;
  std::vector<Place> places_;
  std::vector<LmRequest> requests_;
  std::unordered_set<Hash> keys_;
};

}  // namespace

std::vector<Result<LmReply>> MeteredLm::complete(std::span<const LmRequest> requests,
                                                 std::stop_token stop) const {
  std::vector<Result<LmReply>> replies(requests.size(), stopped("budget", "the budget is spent"));
  std::vector<Hash> keys;
  std::vector<std::size_t> open;
  for (const LmRequest& request : requests) {
    open.push_back(keys.size());
    keys.push_back(request_key(inner_->info(), request));
  }
  while (!open.empty()) {
    Admitted admitted(*meter_);
    std::vector<std::size_t> elsewhere;
    for (const std::size_t i : open) {
      const Meter::Ticket ticket = meter_->admit(keys[i], prompt_bytes(requests[i].prompt), price_);
      if (ticket.admission == Meter::Admission::refused) continue;
      // A twin in the same batch shares its answer, or its failure.
      if (ticket.admission == Meter::Admission::under_way && !admitted.contains(keys[i])) {
        elsewhere.push_back(i);
      } else {
        admitted.add(i, requests[i], ticket);
      }
    }
    admitted.ask(*inner_, stop, replies);
    open.clear();
    for (const std::size_t i : elsewhere) {
      if (meter_->await(keys[i], stop)) {
        open.push_back(i);
      } else {
        replies[i] = stopped(inner_->info().identity, "the call was stopped");
      }
    }
  }
  return replies;
}

}  // namespace hone
