#include "lm/local/tokenizer.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

namespace hone::local {
namespace {

constexpr std::size_t kMostCachedTokens = std::size_t{512} * 1024;  // 2 MiB

}  // namespace

Tokenizer::Tokenizer(const llama_vocab* vocab)
    : vocab_(vocab),
      size_(static_cast<std::size_t>(llama_vocab_n_tokens(vocab))),
      add_bos_(llama_vocab_get_add_bos(vocab) && llama_vocab_bos(vocab) != LLAMA_TOKEN_NULL) {
  const Tokens probe = raw("a", false);
  adds_space_ = !probe.empty() && piece(probe.front()).starts_with(' ');
  if (adds_space_) line_break_ = raw("\n", false);
}

Tokens Tokenizer::raw(std::string_view text, bool special) const {
  Tokens tokens(text.size() + 2);
  const auto length = static_cast<std::int32_t>(text.size());
  std::int32_t count = llama_tokenize(vocab_, text.data(), length, tokens.data(),
                                      static_cast<std::int32_t>(tokens.size()), false, special);
  if (count < 0) {
    tokens.resize(static_cast<std::size_t>(-static_cast<std::int64_t>(count)));
    count = llama_tokenize(vocab_, text.data(), length, tokens.data(),
                           static_cast<std::int32_t>(tokens.size()), false, special);
  }
  tokens.resize(static_cast<std::size_t>(std::max(count, 0)));
  return tokens;
}

Tokens Tokenizer::encode(std::string_view text, bool special) const {
  if (text.empty()) return {};
  if (!adds_space_) return raw(text, special);
  // SentencePiece puts a space before every text it is given; after a line break it does not.
  Tokens tokens = raw("\n" + std::string(text), special);
  if (tokens.size() < line_break_.size() ||
      !std::equal(line_break_.begin(), line_break_.end(), tokens.begin())) {
    return raw(text, special);
  }
  tokens.erase(tokens.begin(), tokens.begin() + static_cast<std::ptrdiff_t>(line_break_.size()));
  return tokens;
}

Tokens Tokenizer::encode_start(std::string_view text) const {
  return raw(text, false);
}

std::shared_ptr<const Tokens> Tokenizer::cached(const Hash& key, std::string_view text,
                                                bool special, bool start) {
  if (const auto found = index_.find(key); found != index_.end()) {
    recent_.splice(recent_.begin(), recent_, found->second);
    return found->second->tokens;
  }
  auto tokens = std::make_shared<const Tokens>(start ? encode_start(text) : encode(text, special));
  recent_.push_front({key, tokens});
  index_.emplace(key, recent_.begin());
  cached_tokens_ += tokens->size() + 16;
  while (cached_tokens_ > kMostCachedTokens && recent_.size() > 1) {
    cached_tokens_ -= recent_.back().tokens->size() + 16;
    index_.erase(recent_.back().key);
    recent_.pop_back();
  }
  return tokens;
}

std::string Tokenizer::piece(Token token) const {
  std::array<char, 64> buffer{};
  const std::int32_t length = llama_token_to_piece(
      vocab_, token, buffer.data(), static_cast<std::int32_t>(buffer.size()), 0, false);
  if (length >= 0) return std::string(buffer.data(), static_cast<std::size_t>(length));
  std::string longer(static_cast<std::size_t>(-length), '\0');
  const std::int32_t written =
      llama_token_to_piece(vocab_, token, longer.data(), -length, 0, false);
  longer.resize(static_cast<std::size_t>(std::max(written, 0)));
  return longer;
}

Token Tokenizer::empty_prompt_token() const {
  for (const Token token :
       {llama_vocab_bos(vocab_), llama_vocab_eos(vocab_), llama_vocab_nl(vocab_)}) {
    if (token != LLAMA_TOKEN_NULL) return token;
  }
  return 0;
}

const std::vector<bool>& Tokenizer::begins_with_space() {
  if (begins_with_space_.empty()) {
    begins_with_space_.resize(size_);
    for (std::size_t i = 0; i < size_; ++i) {
      const std::string text = piece(static_cast<Token>(i));
      begins_with_space_[i] =
          text.size() > 1 && text[0] == ' ' && text[1] != ' ' && text[1] != '\n';
    }
  }
  return begins_with_space_;
}

const Tokens& Tokenizer::first_byte_tokens() {
  if (first_byte_tokens_.empty()) {
    std::array<Token, 256> best;
    best.fill(LLAMA_TOKEN_NULL);
    std::array<std::size_t, 256> length{};
    for (std::size_t i = 0; i < size_; ++i) {
      const std::string text = piece(static_cast<Token>(i));
      if (text.empty()) continue;
      const auto byte = static_cast<std::uint8_t>(text[0]);
      if (best[byte] == LLAMA_TOKEN_NULL || text.size() < length[byte]) {
        best[byte] = static_cast<Token>(i);
        length[byte] = text.size();
      }
    }
    for (const Token token : best) {
      if (token != LLAMA_TOKEN_NULL) first_byte_tokens_.push_back(token);
    }
  }
  return first_byte_tokens_;
}

}  // namespace hone::local
