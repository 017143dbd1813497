#include "hone/testing/scripted_lm.hpp"

#include <atomic>
#include <memory>
#include <utility>

#include "hone/lm/label_choice.hpp"

namespace hone {
namespace {

std::int64_t tokens_of(std::size_t bytes) {
  return static_cast<std::int64_t>((bytes + 3) / 4);
}

std::size_t prompt_bytes(const Prompt& prompt) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < prompt.size(); ++i) bytes += prompt[i].text().size();
  return bytes;
}

}  // namespace

ScriptedLm::ScriptedLm(Script script, std::string identity) : script_(std::move(script)) {
  info_.identity = std::move(identity);
  info_.follows_plan = script_.reply == nullptr;
  info_.scores_labels = script_.reply == nullptr && script_.score != nullptr;
}

ScriptedLm::ScriptedLm(std::function<Result<std::string>(const LmRequest&)> reply)
    : ScriptedLm(Script{.reply = std::move(reply), .score = {}, .value = {}}) {}

ScriptedLm::ScriptedLm(ScriptedLm&& other) noexcept
    : script_(std::move(other.script_)),
      info_(std::move(other.info_)),
      requests_(std::move(other.requests_)),
      batch_sizes_(std::move(other.batch_sizes_)) {}

ScriptedLm ScriptedLm::in_turn(std::vector<std::string> replies) {
  const auto next = std::make_shared<std::atomic<std::size_t>>(0);
  return ScriptedLm([next, replies = std::move(replies)](const LmRequest&) -> Result<std::string> {
    const std::size_t i = next->fetch_add(1);
    if (i >= replies.size()) {
      return bad_request("scripted model",
                         "all " + std::to_string(replies.size()) + " replies are used up");
    }
    return replies[i];
  });
}

std::vector<Result<LmReply>> ScriptedLm::complete(std::span<const LmRequest> requests,
                                                  std::stop_token stop) const {
  {
    const std::lock_guard lock(mutex_);
    requests_.insert(requests_.end(), requests.begin(), requests.end());
    batch_sizes_.push_back(requests.size());
  }
  std::vector<Result<LmReply>> replies;
  replies.reserve(requests.size());
  for (const LmRequest& request : requests) {
    if (stop.stop_requested() || request.stop.stop_requested()) {
      replies.emplace_back(stopped("scripted model", "stopped"));
    } else {
      replies.push_back(answer(request));
    }
  }
  return replies;
}

Result<LmReply> ScriptedLm::answer(const LmRequest& request) const {
  LmReply reply;
  if (script_.reply != nullptr) {
    Result<std::string> text = script_.reply(request);
    if (!text) return text.error();
    reply.text = *std::move(text);
  } else {
    Result<LmReply> filled = follow_plan(request);
    if (!filled) return filled;
    reply = *std::move(filled);
  }
  reply.usage.lm_calls = 1;
  reply.usage.prompt_tokens = tokens_of(prompt_bytes(request.prompt));
  reply.usage.generated_tokens = tokens_of(reply.text.size());
  reply.usage.computed_tokens = reply.usage.prompt_tokens + reply.usage.generated_tokens;
  return reply;
}

Result<LmReply> ScriptedLm::follow_plan(const LmRequest& request) const {
  LmReply reply;
  for (const ReplyPart& part : request.reply->parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      reply.text += forced->text;
    } else if (const auto* slot = std::get_if<TextSlot>(&part)) {
      reply.text += slot->lead;
      if (script_.value != nullptr) reply.text += script_.value(request, *slot);
    } else {
      const auto& choice = std::get<LabelSlot>(part);
      LabelScores scores{.field = choice.field, .log_probs = {}, .chosen = 0};
      scores.log_probs = script_.score != nullptr ? script_.score(request, choice)
                                                  : std::vector<double>(choice.labels.size(), 0.0);
      if (scores.log_probs.size() != choice.labels.size()) {
        return internal_error("scripted model",
                              "scored " + std::to_string(scores.log_probs.size()) + " labels of " +
                                  std::to_string(choice.labels.size()));
      }
      scores.chosen = choose_label(scores.log_probs, choice, request);
      reply.text += choice.lead + choice.labels[scores.chosen];
      if (script_.score != nullptr) reply.labels.push_back(std::move(scores));
    }
  }
  return reply;
}

std::size_t ScriptedLm::calls() const {
  const std::lock_guard lock(mutex_);
  return requests_.size();
}

std::vector<LmRequest> ScriptedLm::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

std::vector<std::size_t> ScriptedLm::batch_sizes() const {
  const std::lock_guard lock(mutex_);
  return batch_sizes_;
}

}  // namespace hone
