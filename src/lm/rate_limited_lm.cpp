#include "hone/lm/rate_limited_lm.hpp"

#include <algorithm>
#include <condition_variable>
#include <limits>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

#include "any_stop.hpp"

namespace hone {

struct RateLimitedLm::Bucket {
  explicit Bucket(RateLimits given) : limits(std::move(given)) {
    if (limits.clock == nullptr) limits.clock = std::make_shared<const SystemClock>();
    if (limits.max_concurrent == 0) limits.max_concurrent = std::numeric_limits<std::size_t>::max();
    limits.burst = std::max<std::size_t>(1, limits.burst);
    tokens = static_cast<double>(limits.burst);
    filled = limits.clock->now();
  }

  bool is_rate_limited() const { return limits.requests_per_minute > 0; }

  void refill() {
    const Clock::TimePoint now = limits.clock->now();
    const double minutes = std::chrono::duration<double, std::ratio<60>>(now - filled).count();
    tokens =
        std::min(static_cast<double>(limits.burst), tokens + minutes * limits.requests_per_minute);
    filled = now;
  }

  Clock::Duration until_next_token() const {
    const double minutes = (1 - tokens) / limits.requests_per_minute;
    return std::chrono::ceil<Clock::Duration>(
        std::chrono::duration<double, std::ratio<60>>(minutes));
  }

  // How many of `wanted` may go now, at least one; 0 only after a stop.
  std::size_t acquire(std::size_t wanted, const std::stop_token& stop) {
    std::unique_lock lock(mutex);
    while (!stop.stop_requested()) {
      if (running >= limits.max_concurrent) {
        freed.wait(lock, stop, [&] { return running < limits.max_concurrent; });
        continue;
      }
      std::size_t granted = std::min(wanted, limits.max_concurrent - running);
      if (is_rate_limited()) {
        refill();
        // The sum of many small refills may miss a whole token by rounding.
        constexpr double kSlack = 1e-9;
        granted = std::min(granted, static_cast<std::size_t>(tokens + kSlack));
        tokens -= static_cast<double>(granted);
      }
      if (granted > 0) {
        running += granted;
        return granted;
      }
      const Clock::Duration wait = until_next_token();
      lock.unlock();
      limits.clock->sleep_for(wait, stop);
      lock.lock();
    }
    return 0;
  }

  void release(std::size_t count) {
    {
      const std::lock_guard lock(mutex);
      running -= count;
    }
    freed.notify_all();
  }

  RateLimits limits;
  std::mutex mutex;
  std::condition_variable_any freed;
  double tokens = 0;
  Clock::TimePoint filled;
  std::size_t running = 0;
};

RateLimitedLm::RateLimitedLm(std::shared_ptr<const Lm> inner, RateLimits limits)
    : inner_(std::move(inner)), bucket_(std::make_unique<Bucket>(std::move(limits))) {}
RateLimitedLm::~RateLimitedLm() = default;

const LmInfo& RateLimitedLm::info() const {
  return inner_->info();
}

std::vector<Result<LmReply>> RateLimitedLm::complete(std::span<const LmRequest> requests,
                                                     std::stop_token stop) const {
  struct Release {
    Bucket& bucket;
    std::size_t count;
    ~Release() { bucket.release(count); }
  };
  std::vector<Result<LmReply>> replies(
      requests.size(), stopped("rate limit", "the call was stopped while it waited its turn"));
  std::vector<std::size_t> open(requests.size());
  std::iota(open.begin(), open.end(), std::size_t{0});
  std::optional<AnyStop> wait_end;  // the call's stop and those of the requests, for every wait
  while (true) {
    // Nobody wants them any more, and they take no turn from the others.
    std::erase_if(open, [&](std::size_t index) {
      if (!requests[index].stop.stop_requested()) return false;
      replies[index] = stopped("rate limit", "the request was withdrawn");
      return true;
    });
    if (open.empty()) break;
    if (!wait_end || wait_end->token().stop_requested()) {
      wait_end.emplace();
      wait_end->add(stop);
      for (const std::size_t index : open) wait_end->add(requests[index].stop);
    }
    const std::size_t granted = bucket_->acquire(open.size(), wait_end->token());
    if (granted == 0) {
      if (stop.stop_requested()) break;
      continue;
    }
    const Release release{*bucket_, granted};
    std::vector<LmRequest> piece;
    piece.reserve(granted);
    for (std::size_t i = 0; i < granted; ++i) piece.push_back(requests[open[i]]);
    std::vector<Result<LmReply>> answers = inner_->complete(piece, stop);
    for (std::size_t i = 0; i < granted; ++i) replies[open[i]] = std::move(answers[i]);
    open.erase(open.begin(), open.begin() + static_cast<std::ptrdiff_t>(granted));
  }
  return replies;
}

}  // namespace hone
