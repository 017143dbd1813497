// Gathers the model requests of many concurrent runs into batches.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <stop_token>
#include <utility>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

// Every lane runs one rollout at a time on its own thread. A request waits here until each lane
// waits too (or has left); then one of them sends everything as one batch, sorted by task. So what
// a batch holds, and in which order, follows from the tasks alone and not from timing, and a
// batching engine sees as much at once as there is.
class Gate {
 public:
  Gate(std::size_t lanes, std::stop_token stop) : active_(lanes), stop_(std::move(stop)) {}

  // `order` is the task's position. Blocks until the batch that holds the request is done.
  Result<LmReply> complete(std::size_t order, const Lm& lm, const LmRequest& request);
  // A lane has no more tasks.
  void leave();

 private:
  struct Waiting {
    std::size_t order;
    const Lm* lm;
    const LmRequest* request;
    std::optional<Result<LmReply>> result;
  };

  void send(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable wake_;
  std::size_t active_;
  std::vector<Waiting*> waiting_;
  std::stop_token stop_;
};

}  // namespace hone
