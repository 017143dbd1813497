// Requests for tests of language models.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hone/lm/lm.hpp"

namespace hone::tests {

inline std::shared_ptr<const ReplyPlan> text_plan(std::size_t max_tokens = 20) {
  ReplyPlan plan;
  plan.parts = {TextSlot{
      .field = "answer", .lead = " ", .grammar = {}, .stop = {"\n"}, .max_tokens = max_tokens}};
  return std::make_shared<const ReplyPlan>(std::move(plan));
}

// "Label: positive" or "Label: negative".
inline std::shared_ptr<const ReplyPlan> label_plan(std::vector<double> bias = {}) {
  ReplyPlan plan;
  plan.parts = {ForcedText{"\nLabel:"}, LabelSlot{.field = "label",
                                                  .lead = " ",
                                                  .labels = {"positive", "negative"},
                                                  .close = "\n",
                                                  .bias = std::move(bias)}};
  plan.stop = {"\n"};
  return std::make_shared<const ReplyPlan>(std::move(plan));
}

inline Prompt chat_prompt(const std::string& question) {
  return Prompt(std::make_shared<const Segments>(Segments{{Role::system, "Answer."}}),
                {{Role::user, question}});
}

inline Prompt running_prompt(const std::string& text) {
  return Prompt(std::make_shared<const Segments>(Segments{{Role::text, "Say the label."}}),
                {{Role::text, "\n\nText: " + text}});
}

inline LmRequest chat_request(const std::string& question) {
  return LmRequest{.prompt = chat_prompt(question), .reply = text_plan(), .settings = {}};
}

inline std::vector<LmRequest> batch_of(int count) {
  std::vector<LmRequest> batch;
  for (int i = 0; i < count; ++i) batch.push_back(chat_request(std::to_string(i)));
  return batch;
}

inline LmRequest label_request(const std::string& text, std::vector<double> bias = {}) {
  return LmRequest{
      .prompt = running_prompt(text), .reply = label_plan(std::move(bias)), .settings = {}};
}

}  // namespace hone::tests
