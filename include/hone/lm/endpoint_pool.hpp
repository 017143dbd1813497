// Several endpoints of one model as one.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

struct EndpointPoolOptions {
  std::chrono::milliseconds cool_down{30'000};  // how long an endpoint that failed is left alone
  std::shared_ptr<const Clock> clock;           // null: the system's
};

// Every request goes to the endpoint with the least in flight. One that answers with a temporary
// error is left alone for the cool-down time and its request goes to the next; when no endpoint is
// left, the error is temporary too. Endpoints should be the same model: which one answers depends
// on load, and so would the reply. A batch runs on as many threads as it has endpoints. Thread
// safe.
class EndpointPool final : public Lm {
 public:
  // Precondition: at least one endpoint.
  explicit EndpointPool(std::vector<std::shared_ptr<const Lm>> endpoints,
                        EndpointPoolOptions options = {});
  ~EndpointPool() override;

  // The identity names every endpoint, in any order given. What all can do, the pool can; the
  // context is the smallest.
  const LmInfo& info() const override { return info_; }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

 private:
  struct Board;
  std::vector<std::shared_ptr<const Lm>> endpoints_;
  LmInfo info_;
  std::unique_ptr<Board> board_;
};

}  // namespace hone
