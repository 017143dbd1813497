#include "hone/lm/lm.hpp"

#include <numeric>

namespace hone {
namespace {

// A plan's hash leaves biases out, but where one choice is decoded after another, or text after a
// choice, the bias of the first changes what the rest is conditioned on.
void add_biases(const ReplyPlan& plan, Hasher& hasher) {
  for (const ReplyPart& part : plan.parts) {
    const auto* slot = std::get_if<LabelSlot>(&part);
    if (slot == nullptr) continue;
    hasher.add(static_cast<std::uint64_t>(slot->bias.size()));
    for (const double bias : slot->bias) hasher.add(bias);
  }
}

}  // namespace

Hash LmSettings::hash() const {
  Hasher hasher;
  hasher.add(temperature).add(top_p).add(static_cast<std::uint64_t>(top_k)).add(min_p);
  hasher.add(repetition_penalty).add(frequency_penalty).add(presence_penalty);
  hasher.add(static_cast<std::uint64_t>(logit_bias.size()));
  for (const auto& [text, bias] : logit_bias) hasher.add(text).add(bias);
  hasher.add(static_cast<std::uint64_t>(max_tokens.has_value()));
  hasher.add(static_cast<std::uint64_t>(max_tokens.value_or(0)));
  // Younger settings count only where they are used, so that older caches stay valid.
  if (!token_bias.empty()) hasher.add("token_bias");
  for (const auto& [token, bias] : token_bias)
    hasher.add(static_cast<std::uint64_t>(token)).add(bias);
  if (log_probs) hasher.add("log_probs");
  return hasher.finish();
}

double LmReply::log_prob() const {
  return std::accumulate(tokens.begin(), tokens.end(), 0.0,
                         [](double sum, const TokenScore& token) { return sum + token.log_prob; });
}

Hash request_key(const LmInfo& info, const LmRequest& request) {
  Hasher hasher;
  hasher.add(info.identity).add(request.prompt.hash()).add(request.reply->hash());
  if (!request.reply->is_single_choice()) {
    add_biases(*request.reply, hasher);
  } else if (info.scores_labels) {
    // What the labels score depends on nothing else, and whoever gets the reply chooses anew.
    return hasher.add(LmSettings{}.hash()).add(std::uint64_t{0}).add(std::uint64_t{0}).finish();
  }
  hasher.add(request.settings.hash()).add(request.sample);
  const bool is_greedy = request.settings.temperature <= 0;
  hasher.add(is_greedy ? std::uint64_t{0} : request.seed);
  return hasher.finish();
}

}  // namespace hone
