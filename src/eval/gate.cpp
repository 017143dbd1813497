#include "eval/gate.hpp"

#include <algorithm>
#include <exception>
#include <string>
#include <utility>

namespace hone {
namespace {

// Lanes wait for their replies: one that never came would keep them waiting for ever.
std::vector<Result<LmReply>> replies_of(const Lm& lm, const std::vector<LmRequest>& requests,
                                        const std::stop_token& stop) {
  const auto all = [&](Error error) {
    return std::vector<Result<LmReply>>(requests.size(), std::move(error));
  };
  try {
    return lm.complete(requests, stop);
  } catch (const Exception& failure) {
    return all(failure.error());
  } catch (const std::exception& failure) {
    return all(internal_error("model " + lm.info().identity, failure.what()));
  }
}

}  // namespace

Result<LmReply> Gate::complete(std::size_t order, const Lm& lm, const LmRequest& request) {
  Waiting mine{order, &lm, &request, std::nullopt};
  std::unique_lock lock(mutex_);
  waiting_.push_back(&mine);
  if (waiting_.size() == active_) {
    send(lock);
  } else {
    wake_.wait(lock, [&] { return mine.result.has_value(); });
  }
  return *std::move(mine.result);
}

void Gate::leave() {
  std::unique_lock lock(mutex_);
  --active_;
  if (active_ > 0 && waiting_.size() == active_) send(lock);
}

void Gate::send(std::unique_lock<std::mutex>& lock) {
  // Nobody else can arrive while the lock is open: every active lane is in `batch`.
  std::vector<Waiting*> batch = std::exchange(waiting_, {});
  lock.unlock();
  std::sort(batch.begin(), batch.end(),
            [](const Waiting* a, const Waiting* b) { return a->order < b->order; });
  std::vector<Waiting*> left = std::move(batch);
  std::vector<std::pair<Waiting*, Result<LmReply>>> done;
  while (!left.empty()) {
    const Lm* lm = left.front()->lm;
    std::vector<Waiting*> others;
    std::vector<Waiting*> group;
    std::vector<LmRequest> requests;
    for (Waiting* entry : left) {
      if (entry->lm != lm) {
        others.push_back(entry);
        continue;
      }
      group.push_back(entry);
      requests.push_back(*entry->request);
    }
    std::vector<Result<LmReply>> replies = replies_of(*lm, requests, stop_);
    for (std::size_t i = 0; i < group.size(); ++i)
      done.emplace_back(group[i], std::move(replies[i]));
    left = std::move(others);
  }
  lock.lock();
  for (auto& [entry, result] : done) entry->result = std::move(result);
  wake_.notify_all();
}

}  // namespace hone
