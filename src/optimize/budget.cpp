#include "hone/optimize/budget.hpp"

#include <algorithm>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {

Meter::Meter(Budget budget, const Clock& clock)
    : budget_(budget), clock_(&clock), start_(clock.now()) {}

Meter::Admission Meter::admit(const Hash& key) {
  const std::lock_guard lock(mutex_);
  if (seen_.contains(key)) return Admission::known;
  if (spent_locked()) return Admission::refused;
  seen_.insert(key);
  ++admitted_;
  return Admission::fresh;
}

void Meter::charge(const Usage& usage) {
  const std::lock_guard lock(mutex_);
  usage_ += usage;
}

double Meter::money() const {
  const Usage spent = usage();
  return (static_cast<double>(spent.prompt_tokens) * budget_.price_per_million_prompt_tokens +
          static_cast<double>(spent.generated_tokens) *
              budget_.price_per_million_generated_tokens) /
         1e6;
}

double Meter::seconds() const {
  return std::chrono::duration<double>(clock_->now() - start_).count();
}

Usage Meter::usage() const {
  const std::lock_guard lock(mutex_);
  return usage_;
}

std::optional<std::int64_t> Meter::calls_left() const {
  const std::lock_guard lock(mutex_);
  if (!budget_.lm_calls) return std::nullopt;
  return std::max<std::int64_t>(0, *budget_.lm_calls - admitted_);
}

bool Meter::spent_locked() const {
  const double money =
      (static_cast<double>(usage_.prompt_tokens) * budget_.price_per_million_prompt_tokens +
       static_cast<double>(usage_.generated_tokens) * budget_.price_per_million_generated_tokens) /
      1e6;
  return (budget_.lm_calls && admitted_ >= *budget_.lm_calls) ||
         (budget_.tokens && usage_.prompt_tokens + usage_.generated_tokens >= *budget_.tokens) ||
         (budget_.money && money >= *budget_.money) ||
         (budget_.seconds && seconds() >= *budget_.seconds);
}

bool Meter::spent() const {
  const std::lock_guard lock(mutex_);
  return spent_locked();
}

std::string Meter::reason() const {
  const std::lock_guard lock(mutex_);
  if (budget_.lm_calls && admitted_ >= *budget_.lm_calls) {
    return "the budget of " + std::to_string(*budget_.lm_calls) + " LM calls is spent";
  }
  if (budget_.tokens && usage_.prompt_tokens + usage_.generated_tokens >= *budget_.tokens) {
    return "the budget of " + std::to_string(*budget_.tokens) + " tokens is spent";
  }
  if (budget_.seconds && seconds() >= *budget_.seconds) {
    return "the budget of " + number_text(*budget_.seconds) + " seconds is spent";
  }
  return spent_locked() ? "the budget of " + number_text(*budget_.money) + " in money is spent"
                        : std::string();
}

std::vector<Result<LmReply>> MeteredLm::complete(std::span<const LmRequest> requests,
                                                 std::stop_token stop) const {
  std::vector<Result<LmReply>> replies;
  replies.reserve(requests.size());
  std::vector<LmRequest> admitted;
  std::vector<std::pair<std::size_t, Meter::Admission>> places;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const Meter::Admission admission = meter_->admit(request_key(inner_->info(), requests[i]));
    if (admission != Meter::Admission::refused) {
      admitted.push_back(requests[i]);
      places.emplace_back(i, admission);
    }
    replies.emplace_back(stopped("budget", "the budget is spent"));
  }
  std::vector<Result<LmReply>> answered = inner_->complete(admitted, std::move(stop));
  for (std::size_t i = 0; i < answered.size(); ++i) {
    const auto& [place, admission] = places[i];
    if (answered[i] && admission == Meter::Admission::fresh) meter_->charge(answered[i]->usage);
    replies[place] = std::move(answered[i]);
  }
  return replies;
}

}  // namespace hone
