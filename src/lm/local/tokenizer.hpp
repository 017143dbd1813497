// Text to tokens and back, with a bounded memory of what was tokenized.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hone/base/hash.hpp"

#include "lm/local/llama_handles.hpp"

namespace hone::local {

// Not thread safe: belongs to the engine and is used under its lock. `vocab` must outlive it.
class Tokenizer {
 public:
  explicit Tokenizer(const llama_vocab* vocab);

  // Tokens of `text` as a continuation of other text. With `special`, names of control tokens in it
  // become those tokens: only for text of a chat template, never for what a user wrote.
  Tokens encode(std::string_view text, bool special = false) const;
  // As above for the beginning of a running text, where some vocabularies put a space of their own.
  Tokens encode_start(std::string_view text) const;
  // As encode() (or encode_start()), remembered under `key`.
  std::shared_ptr<const Tokens> cached(const Hash& key, std::string_view text, bool special,
                                       bool start = false);

  // Bytes a token stands for; empty for control tokens. May be part of a UTF-8 character.
  std::string piece(Token token) const;
  bool ends_generation(Token token) const { return llama_vocab_is_eog(vocab_, token); }

  // BOS when the model asks for one at the beginning of a prompt, else none.
  Token leading_token() const { return add_bos_ ? llama_vocab_bos(vocab_) : LLAMA_TOKEN_NULL; }
  // What an empty prompt is replaced by, so that there is something to predict from.
  Token empty_prompt_token() const;
  std::size_t vocabulary_size() const { return size_; }
  const llama_vocab* vocab() const { return vocab_; }

  // Whether a token's text begins with a space and goes on. Built at the first use.
  const std::vector<bool>& begins_with_space();
  // One token for every first byte a token may begin with, the shortest: enough to see whether a
  // grammar can go on.
  const Tokens& first_byte_tokens();

 private:
  struct Entry {
    Hash key;
    std::shared_ptr<const Tokens> tokens;
  };

  Tokens raw(std::string_view text, bool special) const;

  const llama_vocab* vocab_;
  std::size_t size_;
  bool add_bos_;
  bool adds_space_ = false;
  Tokens line_break_;
  std::vector<bool> begins_with_space_;
  Tokens first_byte_tokens_;
  std::list<Entry> recent_;  // newest first
  std::unordered_map<Hash, std::list<Entry>::iterator> index_;
  std::size_t cached_tokens_ = 0;
};

}  // namespace hone::local
