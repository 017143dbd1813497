#include "lm/local/sampler.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "lm/local/rows.hpp"

namespace hone::local {
namespace {

constexpr float kExcluded = -std::numeric_limits<float>::infinity();

bool starts_well(Token token, bool space_first, Tokenizer& tokenizer) {
  return !space_first || tokenizer.begins_with_space()[static_cast<std::size_t>(token)] ||
         tokenizer.ends_generation(token);
}

}  // namespace

bool GrammarState::allows(Token token) const {
  llama_token_data data{token, 0.0F, 0.0F};
  llama_token_data_array list{&data, 1, -1, false};
  llama_sampler_apply(grammar_.get(), &list);
  return std::isfinite(data.logit);
}

void GrammarState::mask(std::vector<llama_token_data>& candidates) const {
  llama_token_data_array list{candidates.data(), candidates.size(), -1, false};
  llama_sampler_apply(grammar_.get(), &list);
}

void GrammarState::accept(Token token) {
  if (grammar_) llama_sampler_accept(grammar_.get(), token);
}

bool GrammarState::may_end(const Tokenizer& tokenizer) const {
  for (const Token token :
       {llama_vocab_eos(tokenizer.vocab()), llama_vocab_eot(tokenizer.vocab())}) {
    if (token != LLAMA_TOKEN_NULL && tokenizer.ends_generation(token)) return allows(token);
  }
  return false;
}

bool GrammarState::must_end(Tokenizer& tokenizer) const {
  if (!may_end(tokenizer)) return false;
  std::vector<llama_token_data> candidates;
  for (const Token token : tokenizer.first_byte_tokens()) candidates.push_back({token, 0.0F, 0.0F});
  mask(candidates);
  return std::none_of(candidates.begin(), candidates.end(),
                      [](const llama_token_data& data) { return std::isfinite(data.logit); });
}

TokenChooser::TokenChooser(const LmSettings& settings, std::uint64_t seed, std::uint64_t sample,
                           const Tokenizer& tokenizer)
    : settings_(settings),
      is_greedy_(settings.temperature <= 0),
      has_penalties_(settings.repetition_penalty != 1 || settings.frequency_penalty != 0 ||
                     settings.presence_penalty != 0),
      rng_(seed, hash_of("sample " + std::to_string(sample))) {
  for (const auto& [text, bias] : settings.logit_bias) {
    const Tokens tokens = tokenizer.encode(text);
    if (!tokens.empty()) bias_.emplace_back(tokens.front(), static_cast<float>(bias));
  }
}

void TokenChooser::accept(Token token) {
  if (has_penalties_) ++counts_[token];
}

void TokenChooser::adjust(std::vector<float>& row) const {
  for (const auto& [token, bias] : bias_) row[static_cast<std::size_t>(token)] += bias;
  for (const auto& [token, count] : counts_) {
    float& logit = row[static_cast<std::size_t>(token)];
    const auto penalty = static_cast<float>(settings_.repetition_penalty);
    logit = logit > 0 ? logit / penalty : logit * penalty;
    logit -= static_cast<float>(settings_.frequency_penalty) * static_cast<float>(count) +
             static_cast<float>(settings_.presence_penalty);
  }
}

Token TokenChooser::draw(std::vector<llama_token_data>& candidates) {
  std::erase_if(candidates,
                [](const llama_token_data& data) { return !std::isfinite(data.logit); });
  // Ties by id, so that the draw does not depend on the sort.
  std::sort(candidates.begin(), candidates.end(),
            [](const llama_token_data& a, const llama_token_data& b) {
              return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
            });
  std::size_t kept = candidates.size();
  if (settings_.top_k > 0) kept = std::min(kept, static_cast<std::size_t>(settings_.top_k));
  std::vector<double> weights(kept);
  double total = 0;
  for (std::size_t i = 0; i < kept; ++i) {
    const double difference =
        static_cast<double>(candidates[i].logit) - static_cast<double>(candidates[0].logit);
    weights[i] = std::exp(difference / settings_.temperature);
    total += weights[i];
  }
  double seen = 0;
  std::size_t end = 0;
  while (end < kept &&
         (end == 0 || (seen < settings_.top_p * total && weights[end] >= settings_.min_p))) {
    seen += weights[end++];
  }
  double target = rng_.uniform() * seen;
  for (std::size_t i = 0; i < end; ++i) {
    target -= weights[i];
    if (target < 0) return candidates[i].id;
  }
  return candidates[end - 1].id;
}

Choice TokenChooser::pick(std::span<const float> row, bool space_first, Tokenizer& tokenizer) {
  if (is_greedy_) {
    std::size_t best = argmax(row);
    if (best == row.size()) return {};
    if (!starts_well(static_cast<Token>(best), space_first, tokenizer)) {
      best = row.size();
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (!starts_well(static_cast<Token>(i), true, tokenizer)) continue;
        if (best == row.size() || row[i] > row[best]) best = i;
      }
    }
    return best == row.size() ? Choice{} : Choice{Choice::Kind::token, static_cast<Token>(best)};
  }
  const std::size_t best = argmax(row);
  if (best == row.size()) return {};
  // What is e^-40 of the best cannot be drawn; leaving it out spares the sort.
  const float floor = row[best] - static_cast<float>(std::min(40.0 * settings_.temperature, 1e30));
  candidates_.clear();
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] < floor && !space_first) continue;
    if (starts_well(static_cast<Token>(i), space_first, tokenizer)) {
      candidates_.push_back({static_cast<Token>(i), row[i], 0.0F});
    }
  }
  if (candidates_.empty()) return {};
  return {Choice::Kind::token, draw(candidates_)};
}

Choice TokenChooser::pick_allowed(std::span<const float> row, const GrammarState& grammar,
                                  bool space_first, Tokenizer& tokenizer) {
  // A few of the best first: the grammar's cost is per candidate.
  constexpr std::size_t kFew = 128;
  for (const std::size_t most : {is_greedy_ ? kFew : row.size(), row.size()}) {
    candidates_.clear();
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (starts_well(static_cast<Token>(i), space_first && !grammar.is_set(), tokenizer)) {
        candidates_.push_back({static_cast<Token>(i), row[i], 0.0F});
      }
    }
    if (most < candidates_.size()) {
      std::nth_element(candidates_.begin(), candidates_.begin() + static_cast<std::ptrdiff_t>(most),
                       candidates_.end(), [](const llama_token_data& a, const llama_token_data& b) {
                         return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
                       });
      candidates_.resize(most);
    }
    grammar.mask(candidates_);
    std::erase_if(candidates_,
                  [](const llama_token_data& data) { return data.logit == kExcluded; });
    if (candidates_.empty()) continue;
    if (!is_greedy_) return {Choice::Kind::token, draw(candidates_)};
    const auto best =
        std::max_element(candidates_.begin(), candidates_.end(),
                         [](const llama_token_data& a, const llama_token_data& b) {
                           return a.logit != b.logit ? a.logit < b.logit : a.id > b.id;
                         });
    return {Choice::Kind::token, best->id};
  }
  return {};
}

Choice TokenChooser::choose(std::span<const float> row, const GrammarState& grammar,
                            bool space_first, Tokenizer& tokenizer) {
  if (needs_copy()) {
    adjusted_.assign(row.begin(), row.end());
    adjust(adjusted_);
    row = adjusted_;
  }
  Choice choice = pick(row, space_first && !grammar.is_set(), tokenizer);
  if (choice.kind == Choice::Kind::token && grammar.is_set() && !grammar.allows(choice.token)) {
    // The model wants to go on with what follows the value: let it, where the value may end.
    if (grammar.may_end(tokenizer)) return {Choice::Kind::end, 0};
    choice = pick_allowed(row, grammar, space_first, tokenizer);
  }
  if (choice.kind == Choice::Kind::token && tokenizer.ends_generation(choice.token))
    return {Choice::Kind::end, 0};
  return choice;
}

}  // namespace hone::local
