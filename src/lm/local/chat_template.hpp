// A model's own chat template (Jinja, from the GGUF file), rendered so that user text keeps apart
// from it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/prompt.hpp"

namespace hone::local {

// A stretch of a rendered chat: text of the template, whose control tokens are meant, or text of a
// message, which must never become a control token.
struct ChatPart {
  bool from_message = false;
  std::string text;
};

// Immutable after construction; render() may be called from one thread at a time.
class ChatTemplate {
 public:
  // The template of a model without one: contents as plain paragraphs.
  ChatTemplate();
  // bad_request when the template is not Jinja that this build understands.
  static Result<ChatTemplate> parse(const std::string& source, std::string bos, std::string eos);
  ChatTemplate(ChatTemplate&&) noexcept;
  ChatTemplate& operator=(ChatTemplate&&) noexcept;
  ~ChatTemplate();

  // The conversation up to where the assistant's reply begins. A system message is put before the
  // first user message when the template refuses it. bad_request when the template refuses the
  // conversation.
  Result<std::vector<ChatPart>> render(const Prompt& prompt) const;

 private:
  struct Program;
  std::unique_ptr<Program> program_;
};

}  // namespace hone::local
