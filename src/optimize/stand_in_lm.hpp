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

RequestKind request_kind(const LmInfo& info, const LmRequest& request);

// Tells parts of prompts that a model which keeps prefixes has seen from those it has not.
class PrefixWatch {
 public:
  // Bytes of the prompt behind its longest known beginning, which it then knows.
  std::size_t fresh_bytes(const Prompt& prompt);

 private:
  std::map<Hash, bool> known_;
};

// What models said, by request_key().
using KnownReplies = std::map<Hash, LmReply>;

// A kind of request nothing was known of.
struct UnknownKind {
  std::size_t requests = 0;
  std::size_t prompt_bytes = 0;
  bool has_text = false;  // something is generated, not chosen
  // The first few, which mostly come as one batch, and then some from everywhere.
  std::vector<LmRequest> examples;
};

// Labels get hashes for scores; other values a text of their grammar, of the length that replies of
// their kind had, different for different requests. A request that is known to the letter gets its
// own reply. Thread safe.
class StandInLm final : public Lm {
 public:
  // `replies` must outlive it; `parallel`: requests a remote model answers at once.
  StandInLm(const LmInfo& real, const Observations& known, const KnownReplies& replies,
            std::size_t parallel);

  const LmInfo& info() const override { return info_; }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;
  // Those that weigh something.
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
  Result<LmReply> invent(const LmRequest& request, const Hash& key, const Rates& rates) const;
  Result<std::string> value(const TextSlot& slot, std::size_t bytes, const Hash& key) const;
  // Those of the kind, or of prompts of the next size, or of all.
  const Rates& rates(const RequestKind& kind) const;
  void note_unknown(const RequestKind& kind, const LmRequest& request) const;

  LmInfo info_;
  bool computes_batches_ = false;
  double parallel_ = 1;
  const KnownReplies* replies_;
  std::map<RequestKind, Rates> known_;
  Rates usual_;
  mutable std::mutex mutex_;
  mutable PrefixWatch watch_;
  mutable std::map<Hash, internal::GrammarText> grammars_;
  mutable std::map<RequestKind, UnknownKind> unknown_;
  mutable std::size_t prompt_bytes_ = 0;  // of all requests
};

}  // namespace hone
