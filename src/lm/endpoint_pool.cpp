#include "hone/lm/endpoint_pool.hpp"

#include <algorithm>
#include <exception>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>

namespace hone {
namespace {

LmInfo common_info(const std::vector<std::shared_ptr<const Lm>>& endpoints) {
  LmInfo common = endpoints.front()->info();
  std::set<std::string> identities;
  for (const auto& endpoint : endpoints) {
    const LmInfo& info = endpoint->info();
    identities.insert(info.identity);
    common.scores_labels = common.scores_labels && info.scores_labels;
    common.follows_plan = common.follows_plan && info.follows_plan;
    common.likes_batches = common.likes_batches || info.likes_batches;
    const bool is_smaller = info.context_tokens != 0 && info.context_tokens < common.context_tokens;
    if (is_smaller || common.context_tokens == 0) common.context_tokens = info.context_tokens;
  }
  common.identity.clear();
  for (const std::string& identity : identities)
    common.identity += (common.identity.empty() ? "" : " | ") + identity;
  return common;
}

}  // namespace

// Who is busy and who is down.
struct EndpointPool::Board {
  Board(std::size_t endpoints, EndpointPoolOptions given)
      : options(std::move(given)),
        in_flight(endpoints),
        down_until(endpoints, Clock::TimePoint::min()) {
    if (options.clock == nullptr) options.clock = std::make_shared<const SystemClock>();
  }

  // The least loaded endpoint that is up and that `tried` does not rule out; the load goes up by
  // one.
  std::optional<std::size_t> pick(const std::vector<bool>& tried) {
    const Clock::TimePoint now = options.clock->now();
    const std::lock_guard lock(mutex);
    std::optional<std::size_t> best;
    for (std::size_t i = 0; i < in_flight.size(); ++i) {
      if (tried[i] || down_until[i] > now) continue;
      if (!best || in_flight[i] < in_flight[*best]) best = i;
    }
    if (best) ++in_flight[*best];
    return best;
  }

  void finish(std::size_t endpoint, std::size_t requests, bool failed) {
    Clock::TimePoint until;
    if (failed) until = options.clock->now() + options.cool_down;
    const std::lock_guard lock(mutex);
    in_flight[endpoint] -= requests;
    if (failed) down_until[endpoint] = until;
  }

  // What one call picked and did not finish yet: off the board at its end, whatever ends it.
  class Load {
   public:
    explicit Load(Board& board) : board_(board), requests_(board.in_flight.size()) {}
    ~Load() {
      for (std::size_t e = 0; e < requests_.size(); ++e) {
        if (requests_[e] > 0) board_.finish(e, requests_[e], false);
      }
    }
    Load(const Load&) = delete;
    Load& operator=(const Load&) = delete;

    std::optional<std::size_t> pick(const std::vector<bool>& tried) {
      const std::optional<std::size_t> endpoint = board_.pick(tried);
      if (endpoint) ++requests_[*endpoint];
      return endpoint;
    }
    void finish(std::size_t endpoint, bool failed) {
      if (requests_[endpoint] == 0) return;
      board_.finish(endpoint, requests_[endpoint], failed);
      requests_[endpoint] = 0;
    }

   private:
    Board& board_;
    std::vector<std::size_t> requests_;  // of each endpoint
  };

  EndpointPoolOptions options;
  std::mutex mutex;
  std::vector<std::size_t> in_flight;
  std::vector<Clock::TimePoint> down_until;
};

namespace {

// What one endpoint gets of a batch in one round, and what it makes of it.
struct Share {
  std::vector<std::size_t> indices;
  std::vector<LmRequest> requests;
  std::vector<Result<LmReply>> replies;
  std::exception_ptr fault;
};

void run_share(const Lm& endpoint, Share& share, const std::stop_token& stop) {
  try {
    share.replies = endpoint.complete(share.requests, stop);
  } catch (...) {
    share.fault = std::current_exception();
  }
}

void run_shares(const std::vector<std::shared_ptr<const Lm>>& endpoints, std::vector<Share>& shares,
                const std::stop_token& stop) {
  std::vector<std::jthread> threads;
  std::optional<std::size_t> here;
  for (std::size_t e = 0; e < shares.size(); ++e) {
    if (shares[e].requests.empty()) continue;
    if (here)
      threads.emplace_back(
          [&endpoints, &shares, &stop, e = *here] { run_share(*endpoints[e], shares[e], stop); });
    here = e;
  }
  if (here) run_share(*endpoints[*here], shares[*here], stop);
}

}  // namespace

EndpointPool::EndpointPool(std::vector<std::shared_ptr<const Lm>> endpoints,
                           EndpointPoolOptions options)
    : endpoints_(std::move(endpoints)),
      info_(common_info(endpoints_)),
      board_(std::make_unique<Board>(endpoints_.size(), std::move(options))) {}
EndpointPool::~EndpointPool() = default;

std::vector<Result<LmReply>> EndpointPool::complete(std::span<const LmRequest> requests,
                                                    std::stop_token stop) const {
  const std::string count = std::to_string(endpoints_.size());
  std::vector<Result<LmReply>> results(
      requests.size(), temporary("endpoint pool", "all " + count + " endpoints are down for now"));
  std::vector<std::vector<bool>> tried(requests.size(), std::vector<bool>(endpoints_.size()));
  std::vector<std::size_t> open(requests.size());
  for (std::size_t i = 0; i < open.size(); ++i) open[i] = i;

  Board::Load load(*board_);
  while (!open.empty()) {
    std::vector<Share> shares(endpoints_.size());
    for (const std::size_t index : open) {
      const std::optional<std::size_t> endpoint = load.pick(tried[index]);
      if (!endpoint) continue;
      tried[index][*endpoint] = true;
      shares[*endpoint].indices.push_back(index);
      shares[*endpoint].requests.push_back(requests[index]);
    }
    run_shares(endpoints_, shares, stop);
    open.clear();
    std::exception_ptr fault;
    for (std::size_t e = 0; e < shares.size(); ++e) {
      Share& share = shares[e];
      bool failed = share.fault != nullptr;
      for (std::size_t i = 0; i < share.replies.size(); ++i) {
        const std::size_t index = share.indices[i];
        Result<LmReply>& reply = share.replies[i];
        if (!reply && reply.error().is_retryable()) {
          failed = true;
          open.push_back(index);
          reply = temporary(
              "endpoint pool",
              "all " + count + " endpoints are down; the last one: " + reply.error().text());
        }
        results[index] = std::move(reply);
      }
      load.finish(e, failed);
      if (share.fault != nullptr) fault = share.fault;
    }
    if (fault != nullptr) std::rethrow_exception(fault);
    std::sort(open.begin(), open.end());
  }
  return results;
}

}  // namespace hone
