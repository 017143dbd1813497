// Which label a reply holds, from what the labels scored.
#pragma once

#include <cstddef>
#include <span>

#include "hone/core/reply_plan.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

// The index of the label that `request` gets. Greedy: the highest log_probs[i] - bias[i], the first
// of equals. Else a draw from the softmax of log_probs - bias at the request's temperature, cut by
// its top_k, top_p and min_p as tokens are. The draw depends on the request's seed, sample, prompt
// and the slot's field alone: where the scores are the same, from whatever engine or cache, so is
// the label. `log_probs` has one entry a label of the slot. Costs O(labels), O(labels log labels)
// when drawing.
std::size_t choose_label(std::span<const double> log_probs, const LabelSlot& slot,
                         const LmRequest& request);

// Where the request's plan is a single choice and `reply` holds its scores: the label that
// `request` gets, and the text with it. What a reply computed for another request, which differs in
// what request_key() leaves out, has to go through.
void choose_label_anew(LmReply& reply, const LmRequest& request);

}  // namespace hone
