// Picks the next token of a value from a row of logits.
#pragma once

#include <llama.h>

#include <cstdint>
#include <span>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "hone/base/rng.hpp"
#include "hone/lm/lm.hpp"

#include "lm/local/llama_handles.hpp"
#include "lm/local/tokenizer.hpp"

namespace hone::local {

// What the tokens of a value may be: a clone of a slot's grammar that follows the value.
class GrammarState {
 public:
  GrammarState() = default;
  explicit GrammarState(SamplerPtr grammar) : grammar_(std::move(grammar)) {}

  bool is_set() const { return grammar_ != nullptr; }
  bool allows(Token token) const;
  // Sets the logits of what is not allowed to -infinity.
  void mask(std::vector<llama_token_data>& candidates) const;
  void accept(Token token);
  // Whether the value may end here, and whether it cannot go on.
  bool may_end(const Tokenizer& tokenizer) const;
  bool must_end(Tokenizer& tokenizer) const;

 private:
  SamplerPtr grammar_;
};

// What was decided on a row.
struct Choice {
  enum class Kind {
    token,    // goes on with `token`
    end,      // the value is over: the model or the grammar says so
    failure,  // the row holds NaN, or the grammar allows nothing
  };
  Kind kind = Kind::failure;
  Token token = 0;
  double log_prob = 0;  // of the token under the bare row; only where the settings ask for it
};

// Of one request; values share it, so that penalties see all of the generated text. Not thread
// safe.
class TokenChooser {
 public:
  TokenChooser(const LmSettings& settings, std::uint64_t seed, std::uint64_t sample,
               const Tokenizer& tokenizer);

  // `space_first`: the token has to begin with a space (a grammar then says so itself).
  Choice choose(std::span<const float> row, const GrammarState& grammar, bool space_first,
                Tokenizer& tokenizer);
  // Tells that the token became part of the text.
  void accept(Token token);

 private:
  bool needs_copy() const { return has_penalties_ || !bias_.empty(); }
  void adjust(std::vector<float>& row) const;
  // A draw from the row, whose largest entry is `top`.
  Token draw(std::span<const float> row, float top);
  // A draw from the candidates, at least one, which are left in no particular order.
  Token draw(std::vector<llama_token_data>& candidates);
  Choice pick(std::span<const float> row, bool space_first, Tokenizer& tokenizer);
  Choice pick_allowed(std::span<const float> row, const GrammarState& grammar);

  LmSettings settings_;
  bool is_greedy_;
  bool has_penalties_;
  Rng rng_;
  std::vector<std::pair<Token, float>> bias_;
  std::unordered_map<Token, std::int64_t> counts_;
  std::vector<float> adjusted_;
  std::vector<llama_token_data> candidates_;
};

}  // namespace hone::local
