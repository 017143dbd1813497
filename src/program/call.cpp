#include "hone/program/call.hpp"

#include <chrono>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {

Call::Call(const Lm& lm, CallOptions options) : lm_(&lm), options_(std::move(options)) {}

Result<const Lm*> Call::model(std::string_view name) const {
  if (name.empty()) return lm_;
  if (const auto found = options_.models.find(name); found != options_.models.end())
    return found->second;
  std::vector<std::string> known;
  for (const auto& [other, ignored] : options_.models) known.push_back(other);
  return bad_request("model", "this run has no model named '" + std::string(name) + "'" +
                                  did_you_mean(name, known));
}

Result<LmReply> Call::complete(const Lm& lm, const LmRequest& request) {
  if (stop_requested()) return stopped({}, "the run was stopped");
  const auto start = std::chrono::steady_clock::now();
  Result<LmReply> reply = options_.executor
                              ? options_.executor->complete(lm, request, options_.stop)
                              : lm.complete_one(request, options_.stop);
  if (reply) {
    // A model that measures its own time knows better: it can tell waiting in a queue from
    // computing.
    if (reply->usage.seconds <= 0) {
      reply->usage.seconds =
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    if (reply->usage.lm_calls == 0) reply->usage.lm_calls = 1;
  }
  return reply;
}

Result<Embedding> Call::embed(const std::string& text) const {
  if (options_.embedder == nullptr) return bad_request("embedder", "this run has none");
  Result<std::vector<Embedding>> points = options_.embedder->embed({&text, 1}, options_.stop);
  if (!points) return points.error();
  return std::move(points->front());
}

std::uint64_t Call::next_seed(std::string_view place) {
  auto found = uses_.find(place);
  if (found == uses_.end()) found = uses_.emplace(std::string(place), 0).first;
  return Hasher()
      .add(options_.seed)
      .add(options_.sample)
      .add(place)
      .add(found->second++)
      .finish()
      .low;
}

}  // namespace hone
