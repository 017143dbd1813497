// The language model interface.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/prompt.hpp"
#include "hone/core/reply_plan.hpp"
#include "hone/core/trace.hpp"

namespace hone {

// How to decode. The defaults are greedy: the most probable token each time. Numbers are finite.
struct LmSettings {
  double temperature = 0;         // 0 is greedy; the truncations below then do nothing
  double top_p = 1;               // 0 to 1; at 0 only the most probable token is left
  std::int64_t top_k = 0;         // 0 = all
  double min_p = 0;               // 0 to 1
  double repetition_penalty = 1;  // over the generated text
  double frequency_penalty = 0;
  double presence_penalty = 0;
  // Added to logits where values are generated; scores of labels are left alone. By text: to the
  // text's first token, in this model's tokenizer. By token number: bad_request where the model has
  // no such token.
  std::map<std::string, double> logit_bias = {};
  std::map<std::int32_t, double> token_bias = {};
  // Of each generated value, at least 1; else what the reply plan says.
  std::optional<std::size_t> max_tokens = {};
  bool log_probs = false;  // fill LmReply::tokens
  Hash hash() const;
  friend bool operator==(const LmSettings&, const LmSettings&) = default;
};

struct LmRequest {
  Prompt prompt;
  std::shared_ptr<const ReplyPlan> reply;  // never null
  LmSettings settings;
  std::uint64_t seed = 0;    // of sampling; ignored when greedy
  std::uint64_t sample = 0;  // asks for another answer to the same request
  // Withdraws this request alone, from any thread and while complete() runs: it is answered
  // `stopped`, and what it held is free for the others at the engine's next step. Requests of one
  // candidate share a token. No part of the request's identity.
  std::stop_token stop = {};
};

struct LmReply {
  std::string text;                 // the whole reply, forced text included
  std::vector<LabelScores> labels;  // of every label slot, when the engine scores labels
  // The tokens generated for values, in order, when the settings ask for them and the engine knows
  // them. What ends a value (a stop string, an end token) is left out.
  std::vector<TokenScore> tokens = {};
  Usage usage;
  bool truncated = false;  // a value hit its token limit

  // Of everything generated: the sum over `tokens`.
  double log_prob() const;
};

struct LmInfo {
  std::string
      identity;  // endpoint and model, with a content hash where there is one: part of cache keys
                 // and of saved programs, the same on every machine with the same model
  bool scores_labels = false;      // fills LmReply::labels; calibration needs it
  bool follows_plan = false;       // replies always fit the reply plan
  bool likes_batches = false;      // computes requests that come together cheaper than one by one
  std::size_t context_tokens = 0;  // 0 = unknown
};

// Thread safe: const means concurrent. A decorator (cache, rate limit, endpoint pool) is an Lm that
// holds another.
class Lm {
 public:
  virtual ~Lm() = default;
  virtual const LmInfo& info() const = 0;
  // One result a request, in order. A failure of one request is its own Error and leaves the others
  // alone: bad_request (prompt does not fit the context, key refused), temporary, bad_reply,
  // stopped (by `stop`, which ends the whole call, or by the request's own). Blocking.
  virtual std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                                std::stop_token stop) const = 0;

  Result<LmReply> complete_one(const LmRequest& request, std::stop_token stop = {}) const {
    return complete({&request, 1}, std::move(stop)).front();
  }
};

// What identifies a request to a model for caching: model identity, prompt, plan, settings, sample
// (and the seed unless decoding is greedy). Of a single choice whose labels the model scores only
// the first three: the scores are the same for all the rest.
Hash request_key(const LmInfo& info, const LmRequest& request);

}  // namespace hone
