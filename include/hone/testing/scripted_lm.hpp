// A language model whose answers are written by the test.
#pragma once

#include <cstddef>
#include <functional>
#include <mutex>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/lm/lm.hpp"

namespace hone {

// How a ScriptedLm answers. Either `reply` gives the whole text of a reply, as a remote server
// would, or `score` and `value` fill the slots of the reply plan, as an engine that follows plans
// does. Functions may be called from several threads at once.
struct Script {
  std::function<Result<std::string>(const LmRequest&)> reply;
  // One log-probability a label. With it the model says `scores_labels`; without it every label
  // scores 0.
  std::function<std::vector<double>(const LmRequest&, const LabelSlot&)> score;
  std::function<std::string(const LmRequest&, const TextSlot&)>
      value;  // without lead; without it: empty
};

// Thread safe. Tokens are counted as a quarter of the bytes, rounded up, so that sums in tests are
// exact.
class ScriptedLm final : public Lm {
 public:
  // Precondition: `reply`, or else `score` or `value`, is set. The flags of the info follow from
  // which ones are.
  explicit ScriptedLm(Script script, std::string identity = "scripted");
  explicit ScriptedLm(std::function<Result<std::string>(const LmRequest&)> reply);
  // These texts in turn; a call past the end is a bad_request.
  static ScriptedLm in_turn(std::vector<std::string> replies);

  const LmInfo& info() const override { return info_; }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

  std::size_t calls() const;                     // requests answered or failed, so far
  std::vector<LmRequest> requests() const;       // in the order of arrival
  std::vector<std::size_t> batch_sizes() const;  // of each complete()

  ScriptedLm(ScriptedLm&& other) noexcept;

 private:
  Result<LmReply> answer(const LmRequest& request) const;
  Result<LmReply> follow_plan(const LmRequest& request) const;

  Script script_;
  LmInfo info_;
  mutable std::mutex mutex_;
  mutable std::vector<LmRequest> requests_;
  mutable std::vector<std::size_t> batch_sizes_;
};

}  // namespace hone
