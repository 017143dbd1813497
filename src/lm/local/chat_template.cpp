#include "lm/local/chat_template.hpp"

#include <jinja/lexer.h>
#include <jinja/parser.h>
#include <jinja/runtime.h>
#include <jinja/value.h>

#include <exception>
#include <utility>

namespace hone::local {
namespace {

struct Message {
  std::string role;
  std::string text;
};

std::vector<Message> messages_of(const Prompt& prompt) {
  std::vector<Message> messages;
  messages.reserve(prompt.size());
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    messages.push_back({std::string(to_string(prompt[i].role())), prompt[i].text()});
  }
  return messages;
}

// Templates that know no system role want its text in the first user message.
bool merge_system(std::vector<Message>& messages) {
  if (messages.size() < 2 || messages[0].role != "system" || messages[1].role != "user")
    return false;
  messages[1].text = messages[0].text + "\n\n" + messages[1].text;
  messages.erase(messages.begin());
  return true;
}

jinja::value marked(const std::string& text) {
  auto value = jinja::mk_val<jinja::value_string>(text);
  value->val_str.mark_input();
  return value;
}

}  // namespace

struct ChatTemplate::Program {
  jinja::program program;
  std::string source;
  std::string bos;
  std::string eos;

  std::vector<ChatPart> render(const std::vector<Message>& messages) const {
    auto list = jinja::mk_val<jinja::value_array>();
    for (const Message& message : messages) {
      auto object = jinja::mk_val<jinja::value_object>();
      object->insert("role", jinja::mk_val<jinja::value_string>(message.role));
      object->insert("content", marked(message.text));
      list->push_back(object);
    }
    jinja::context context(source);
    context.set_val("messages", list);
    context.set_val("bos_token", jinja::mk_val<jinja::value_string>(bos));
    context.set_val("eos_token", jinja::mk_val<jinja::value_string>(eos));
    context.set_val("add_generation_prompt", jinja::mk_val<jinja::value_bool>(true));
    context.set_val("enable_thinking", jinja::mk_val<jinja::value_bool>(false));
    jinja::runtime runtime(context);
    const auto parts = jinja::runtime::gather_string_parts(runtime.execute(program));
    std::vector<ChatPart> rendered;
    for (const auto& part : parts->val_str.parts) rendered.push_back({part.is_input, part.val});
    return rendered;
  }
};

ChatTemplate::ChatTemplate() = default;
ChatTemplate::ChatTemplate(ChatTemplate&&) noexcept = default;
ChatTemplate& ChatTemplate::operator=(ChatTemplate&&) noexcept = default;
ChatTemplate::~ChatTemplate() = default;

Result<ChatTemplate> ChatTemplate::parse(const std::string& source, std::string bos,
                                         std::string eos) {
  ChatTemplate result;
  if (source.empty()) return result;
  try {
    jinja::lexer lexer;
    auto lexed = lexer.tokenize(source);
    result.program_ = std::make_unique<Program>();
    result.program_->program = jinja::parse_from_tokens(lexed);
    result.program_->source = lexed.source;
  } catch (const std::exception& error) {
    return bad_request("chat template of the model", error.what());
  }
  result.program_->bos = std::move(bos);
  result.program_->eos = std::move(eos);
  return result;
}

Result<std::vector<ChatPart>> ChatTemplate::render(const Prompt& prompt) const {
  std::vector<Message> messages = messages_of(prompt);
  if (!program_) {
    std::vector<ChatPart> parts;
    for (Message& message : messages) parts.push_back({true, std::move(message.text) + "\n\n"});
    return parts;
  }
  std::string fault;
  try {
    return program_->render(messages);
  } catch (const std::exception& error) {
    fault = error.what();
  }
  if (merge_system(messages)) {
    try {
      return program_->render(messages);
    } catch (const std::exception& error) {
      fault = error.what();
    }
  }
  return bad_request("chat template of the model", "it refuses this conversation: " + fault);
}

}  // namespace hone::local
