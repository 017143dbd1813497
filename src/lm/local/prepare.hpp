// Requests made into work: prompts tokenized, plans compiled, identical ones merged.
#pragma once

#include <list>
#include <memory>
#include <optional>
#include <span>
#include <unordered_map>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/lm/lm.hpp"

#include "lm/local/chat_template.hpp"
#include "lm/local/lane.hpp"
#include "lm/local/slot_program.hpp"
#include "lm/local/tokenizer.hpp"

namespace hone::local {

struct Prepared {
  std::vector<Work> works;
  std::vector<std::optional<Result<LmReply>>>
      answers;  // by request: set where there is nothing to compute
};

// Not thread safe: belongs to the engine. What it is constructed with must outlive it.
class Preparation {
 public:
  // `token_limit`: the longest a sequence may get; `cells`: what a prompt and the tokens that score
  // its first labels have to fit together.
  Preparation(Tokenizer& tokenizer, const ChatTemplate& chat, std::size_t token_limit,
              std::size_t cells)
      : tokenizer_(&tokenizer), chat_(&chat), token_limit_(token_limit), cells_(cells) {}

  Prepared prepare(std::span<const LmRequest> requests);

 private:
  struct Plan {
    Hash key;
    std::shared_ptr<const SlotProgram> program;
  };
  struct PromptTokens {
    Tokens tokens;
    std::size_t keep = 0;
  };

  Result<Plan> plan(const std::shared_ptr<const ReplyPlan>& plan);
  Result<PromptTokens> tokenize(const Prompt& prompt);
  PromptTokens tokenize_text(const Prompt& prompt);
  Result<PromptTokens> tokenize_chat(const Prompt& prompt);
  Result<void> check_settings(const LmSettings& settings) const;
  Result<void> check_room(const Prompt& prompt, const Work& work);

  Tokenizer* tokenizer_;
  const ChatTemplate* chat_;
  std::size_t token_limit_;
  std::size_t cells_;
  std::list<Plan> plans_;  // most recently used first
};

}  // namespace hone::local
