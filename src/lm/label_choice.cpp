#include "hone/lm/label_choice.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "hone/base/rng.hpp"

namespace hone {
namespace {

std::vector<double> biased(std::span<const double> log_probs, const std::vector<double>& bias) {
  std::vector<double> scores(log_probs.begin(), log_probs.end());
  for (std::size_t i = 0; i < std::min(scores.size(), bias.size()); ++i) scores[i] -= bias[i];
  return scores;
}

std::size_t draw(const std::vector<double>& scores, double top, const LmSettings& settings,
                 double uniform) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });
  if (settings.top_k > 0 && order.size() > static_cast<std::size_t>(settings.top_k))
    order.resize(static_cast<std::size_t>(settings.top_k));
  std::vector<double> weights;
  for (const std::size_t i : order)
    weights.push_back(std::exp((scores[i] - top) / settings.temperature));
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  double kept = 0;
  std::size_t end = 0;
  while (end < weights.size() && (end == 0 || kept < settings.top_p * total) &&
         (end == 0 || weights[end] >= settings.min_p)) {
    kept += weights[end++];
  }
  double target = uniform * kept;
  for (std::size_t i = 0; i < end; ++i) {
    target -= weights[i];
    if (target < 0) return order[i];
  }
  return order[end - 1];
}

}  // namespace

std::size_t choose_label(std::span<const double> log_probs, const LabelSlot& slot,
                         const LmRequest& request) {
  const std::vector<double> scores = biased(log_probs, slot.bias);
  const auto best = std::max_element(scores.begin(), scores.end());
  const bool is_greedy = request.settings.temperature <= 0;
  if (is_greedy || scores.empty() || !std::isfinite(*best))
    return static_cast<std::size_t>(best - scores.begin());
  // With the prompt, else all examples of one block would draw alike.
  const Hash stream =
      Hasher().add(slot.field).add(request.prompt.hash()).add(request.sample).finish();
  return draw(scores, *best, request.settings, Rng(request.seed, stream).uniform());
}

void choose_label_anew(LmReply& reply, const LmRequest& request) {
  const ReplyPlan& plan = *request.reply;
  if (!plan.is_single_choice() || reply.labels.size() != 1) return;
  std::string text;
  for (const ReplyPart& part : plan.parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      text += forced->text;
    } else if (const auto* slot = std::get_if<LabelSlot>(&part)) {
      LabelScores& scores = reply.labels.front();
      if (scores.log_probs.size() != slot->labels.size()) return;
      scores.chosen = choose_label(scores.log_probs, *slot, request);
      text += slot->lead + slot->labels[scores.chosen];
    }
  }
  reply.text = std::move(text);
}

}  // namespace hone
