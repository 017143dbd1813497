// A language model that is asked no more often than its provider allows.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

struct RateLimits {
  double requests_per_minute = 0;      // 0: no limit
  std::size_t burst = 1;               // requests that may go out at once after a quiet time
  std::size_t max_concurrent = 0;      // requests in flight, over all threads; 0: no limit
  std::shared_ptr<const Clock> clock;  // null: the system's
};

// A token bucket (as in traffic shaping, RFC 2697) and a limit of what is in flight. A batch goes
// on in pieces as large as the limits allow at the time, one after another. Callers wait in no
// particular order. A request that is withdrawn while it waits is answered without a turn. Thread
// safe.
class RateLimitedLm final : public Lm {
 public:
  RateLimitedLm(std::shared_ptr<const Lm> inner, RateLimits limits);
  ~RateLimitedLm() override;

  const LmInfo& info() const override;  // of the inner model
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

 private:
  struct Bucket;
  std::shared_ptr<const Lm> inner_;
  std::unique_ptr<Bucket> bucket_;
};

}  // namespace hone
