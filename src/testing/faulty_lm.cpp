#include "hone/testing/faulty_lm.hpp"

#include <string>
#include <utility>

#include "hone/base/rng.hpp"

namespace hone {

FaultyLm::FaultyLm(std::shared_ptr<const Lm> inner, FaultPlan plan)
    : inner_(std::move(inner)), plan_(std::move(plan)) {}

bool FaultyLm::fails(const LmRequest& request) const {
  return Rng(plan_.seed, request_key(info(), request)).uniform() < plan_.fraction;
}

std::vector<Result<LmReply>> FaultyLm::complete(std::span<const LmRequest> requests,
                                                std::stop_token stop) const {
  std::vector<LmRequest> good;
  for (const LmRequest& request : requests) {
    if (!fails(request)) good.push_back(request);
  }
  std::vector<Result<LmReply>> answers;
  if (!good.empty()) answers = inner_->complete(good, std::move(stop));
  std::vector<Result<LmReply>> results;
  results.reserve(requests.size());
  std::size_t next = 0;
  for (const LmRequest& request : requests) {
    if (!fails(request)) {
      results.push_back(std::move(answers[next++]));
      continue;
    }
    Rng rng(plan_.seed + 1, request_key(info(), request));
    const ErrorKind kind = plan_.kinds[rng.below(plan_.kinds.size())];
    results.emplace_back(
        Error{kind, "faulty model", std::string(to_string(kind)) + " fault, as planned"});
  }
  return results;
}

}  // namespace hone
