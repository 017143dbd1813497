#include "lm/local/sampler.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "lm/local/kernels/rows.hpp"

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
  for (const auto& [token, bias] : settings.token_bias)
    bias_.emplace_back(token, static_cast<float>(bias));
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

Token TokenChooser::draw(std::span<const float> row, float top) {
  const bool is_whole = settings_.top_k <= 0 && settings_.top_p >= 1 && settings_.min_p <= 0;
  if (is_whole)
    return static_cast<Token>(draw_softmax(row, top, settings_.temperature, rng_.uniform()));
  candidates_.clear();
  if (settings_.top_k > 0) {
    for (const std::size_t i : largest(row, static_cast<std::size_t>(settings_.top_k)))
      candidates_.push_back({static_cast<Token>(i), row[i], 0.0F});
    return draw(candidates_);
  }
  // All that is left out together weighs less than a millionth.
  constexpr double kNegligible = 27;
  const bool has_floor = settings_.min_p > 0 && settings_.top_p >= 1;
  // At least 0: whatever min_p says, the largest entry stays in.
  const double reach =
      has_floor ? std::clamp(-std::log(settings_.min_p), 0.0, kNegligible) : kNegligible;
  const float floor = top - static_cast<float>(std::min(reach * settings_.temperature, 1e30));
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] >= floor) candidates_.push_back({static_cast<Token>(i), row[i], 0.0F});
  }
  return draw(candidates_);
}

Token TokenChooser::draw(std::vector<llama_token_data>& candidates) {
  // Ties by id, so that the draw does not depend on the sort.
  const auto is_before = [](const llama_token_data& a, const llama_token_data& b) {
    return a.logit != b.logit ? a.logit > b.logit : a.id < b.id;
  };
  const auto place = [&](std::size_t i) {
    return candidates.begin() + static_cast<std::ptrdiff_t>(i);
  };
  if (settings_.top_k > 0 && candidates.size() > static_cast<std::size_t>(settings_.top_k)) {
    const auto kept = static_cast<std::size_t>(settings_.top_k);
    std::nth_element(candidates.begin(), place(kept), candidates.end(), is_before);
    candidates.resize(kept);
  }
  const float top = std::min_element(candidates.begin(), candidates.end(), is_before)->logit;
  const auto weight = [&](const llama_token_data& data) {
    return std::exp((static_cast<double>(data.logit) - static_cast<double>(top)) /
                    settings_.temperature);
  };
  double total = 0;
  for (const llama_token_data& data : candidates) total += weight(data);
  // Only as much is sorted as top_p lets in.
  double seen = 0;
  std::size_t end = 0;
  std::size_t sorted = 0;
  while (end < candidates.size() && (end == 0 || seen < settings_.top_p * total)) {
    if (end == sorted) {
      constexpr std::size_t kFirst = 64;
      const std::size_t next = std::min(candidates.size(), std::max(kFirst, 2 * sorted));
      std::partial_sort(place(sorted), place(next), candidates.end(), is_before);
      sorted = next;
    }
    const double mine = weight(candidates[end]);
    if (end > 0 && mine < settings_.min_p) break;
    seen += mine;
    ++end;
  }
  double target = rng_.uniform() * seen;
  for (std::size_t i = 0; i < end; ++i) {
    target -= weight(candidates[i]);
    if (target < 0) return candidates[i].id;
  }
  return candidates[end - 1].id;
}

Choice TokenChooser::pick(std::span<const float> row, bool space_first, Tokenizer& tokenizer) {
  const std::size_t best = argmax(row);
  if (best == row.size()) return {};
  const bool fits = starts_well(static_cast<Token>(best), space_first, tokenizer);
  if (is_greedy_ && fits) return {Choice::Kind::token, static_cast<Token>(best)};
  if (!is_greedy_ && !space_first) return {Choice::Kind::token, draw(row, row[best])};
  candidates_.clear();
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (std::isfinite(row[i]) && starts_well(static_cast<Token>(i), space_first, tokenizer))
      candidates_.push_back({static_cast<Token>(i), row[i], 0.0F});
  }
  if (candidates_.empty()) return {};
  if (!is_greedy_) return {Choice::Kind::token, draw(candidates_)};
  const auto first = std::max_element(
      candidates_.begin(), candidates_.end(),
      [](const llama_token_data& a, const llama_token_data& b) { return a.logit < b.logit; });
  return {Choice::Kind::token, first->id};
}

Choice TokenChooser::pick_allowed(std::span<const float> row, const GrammarState& grammar) {
  // Draws that are thrown away until one fits follow the masked distribution, and cost far less
  // than masking.
  constexpr int kDraws = 8;
  const float top = row[argmax(row)];
  for (int i = 0; !is_greedy_ && i < kDraws; ++i) {
    const Token token = draw(row, top);
    if (grammar.allows(token)) return {Choice::Kind::token, token};
  }
  // A few of the best first: the grammar's cost is per candidate.
  for (const std::size_t most : {std::size_t{128}, std::size_t{2048}, row.size()}) {
    candidates_.clear();
    for (const std::size_t i : largest(row, most))
      candidates_.push_back({static_cast<Token>(i), row[i], 0.0F});
    grammar.mask(candidates_);
    std::erase_if(candidates_,
                  [](const llama_token_data& data) { return data.logit == kExcluded; });
    if (candidates_.empty()) continue;
    return {Choice::Kind::token, is_greedy_ ? candidates_.front().id : draw(candidates_)};
  }
  return {};
}

Choice TokenChooser::choose(std::span<const float> row, const GrammarState& grammar,
                            bool space_first, Tokenizer& tokenizer) {
  const std::span<const float> bare = row;
  if (needs_copy()) {
    adjusted_.assign(row.begin(), row.end());
    adjust(adjusted_);
    row = adjusted_;
  }
  Choice choice = pick(row, space_first && !grammar.is_set(), tokenizer);
  if (choice.kind == Choice::Kind::token && grammar.is_set() && !grammar.allows(choice.token)) {
    // The model wants to go on with what follows the value: let it, where the value may end.
    if (grammar.may_end(tokenizer)) return {Choice::Kind::end};
    choice = pick_allowed(row, grammar);
  }
  if (choice.kind == Choice::Kind::token && tokenizer.ends_generation(choice.token))
    return {Choice::Kind::end};
  if (settings_.log_probs && choice.kind == Choice::Kind::token) {
    choice.log_prob =
        static_cast<double>(bare[static_cast<std::size_t>(choice.token)]) - log_sum_exp(bare);
  }
  return choice;
}

}  // namespace hone::local
