// A model that answers at once with what would do for an answer, and says what a real one would
// have taken.
#pragma once

#include <cstddef>
#include <map>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/lm/lm.hpp"
#include "hone/optimize/estimate.hpp"

#include "adapter/grammar_text.hpp"

namespace hone {

Hash request_kind(const LmRequest& request);

// Tells parts of prompts that a model which keeps prefixes has seen from those it has not.
class PrefixWatch {
 public:
  // Bytes of the prompt behind its longest known beginning, which it then knows.
  std::size_t fresh_bytes(const Prompt& prompt);

 private:
  std::map<Hash, bool> known_;
};

// A kind of request nothing was known of.
struct UnknownKind {
  Hash kind;
  LmRequest example;
  std::size_t requests = 0;
};

// Labels get hashes for scores; other values a text of their grammar, of the length that replies of
// their kind had, different for different requests. Thread safe.
class StandInLm final : public Lm {
 public:
  // `parallel`: requests a remote model answers at once.
  StandInLm(const LmInfo& real, const Observations& known, std::size_t parallel);

  const LmInfo& info() const override { return info_; }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;
  std::vector<UnknownKind> unknown_kinds() const;

 private:
  // What a request of a kind takes, on average.
  struct Rates {
    double tokens_per_byte = 0.25;
    double computed_per_byte = 0.25;  // of fresh bytes
    std::optional<double> generated;
    double text_bytes = 0;
    double seconds_per_call = 0;
    double seconds_per_token = 0;  // computed or generated
  };

  Result<LmReply> answer(const LmRequest& request) const;
  Result<std::string> value(const TextSlot& slot, std::size_t bytes, const Hash& key) const;
  const Rates& rates(const Hash& kind) const;

  LmInfo info_;
  bool computes_batches_ = false;
  double parallel_ = 1;
  std::map<Hash, Rates> known_;
  Rates usual_;
  mutable std::mutex mutex_;
  mutable PrefixWatch watch_;
  mutable std::map<Hash, internal::GrammarText> grammars_;
  mutable std::map<Hash, UnknownKind> unknown_;
};

}  // namespace hone
