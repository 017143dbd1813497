// A language model that fails some calls, always the same ones.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <stop_token>
#include <vector>

#include "hone/lm/lm.hpp"

namespace hone {

struct FaultPlan {
  double fraction = 0.1;  // of requests, chosen by hashing the seed with the request's key
  std::uint64_t seed = 1;
  std::vector<ErrorKind> kinds = {
      ErrorKind::temporary};  // never empty; which one is drawn per request too
};

// Whether a request fails depends on the request alone, never on order or threads. Requests that do
// not fail go to the inner model as one batch. Thread safe.
class FaultyLm final : public Lm {
 public:
  FaultyLm(std::shared_ptr<const Lm> inner, FaultPlan plan);

  const LmInfo& info() const override { return inner_->info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

  bool fails(const LmRequest& request) const;

 private:
  std::shared_ptr<const Lm> inner_;
  FaultPlan plan_;
};

}  // namespace hone
