#include "lm/local/prepare.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string_view>
#include <utility>

#include "hone/base/text.hpp"

namespace hone::local {
namespace {

constexpr std::size_t kMostPlans = 64;

void append(Tokens& tokens, const Tokens& more) {
  tokens.insert(tokens.end(), more.begin(), more.end());
}

// A plan's own hash leaves its biases out.
Hash plan_key(const ReplyPlan& plan) {
  Hasher hasher;
  hasher.add(plan.hash());
  for (const ReplyPart& part : plan.parts) {
    if (const auto* label = std::get_if<LabelSlot>(&part)) {
      hasher.add(static_cast<std::uint64_t>(label->bias.size()));
      for (const double bias : label->bias) hasher.add(bias);
    }
  }
  return hasher.finish();
}

Hash work_key(const Tokens& tokens, const Hash& plan, const LmRequest& request) {
  Hasher hasher;
  hasher.add(std::string_view(reinterpret_cast<const char*>(tokens.data()),
                              tokens.size() * sizeof(Token)));
  // What the labels of a single choice score depends on nothing else: biases and draws come after,
  // for every answer by its own request.
  if (request.reply->is_single_choice()) return hasher.add(request.reply->hash()).finish();
  hasher.add(plan).add(request.settings.hash());
  // With the prompt: prompts cut into other segments may have the same tokens, and draw other
  // labels.
  if (request.settings.temperature > 0)
    hasher.add(request.seed).add(request.sample).add(request.prompt.hash());
  return hasher.finish();
}

}  // namespace

Result<Preparation::Plan> Preparation::plan(const std::shared_ptr<const ReplyPlan>& plan) {
  const Hash key = plan_key(*plan);
  const auto found = std::find_if(plans_.begin(), plans_.end(),
                                  [&](const Plan& known) { return known.key == key; });
  if (found != plans_.end()) {
    plans_.splice(plans_.begin(), plans_, found);
    return plans_.front();
  }
  auto program = compile_plan(plan, *tokenizer_);
  if (!program) return program.error();
  plans_.push_front({key, std::make_shared<const SlotProgram>(*std::move(program))});
  if (plans_.size() > kMostPlans) plans_.pop_back();
  return plans_.front();
}

Preparation::PromptTokens Preparation::tokenize_text(const Prompt& prompt) {
  PromptTokens result;
  if (tokenizer_->leading_token() != LLAMA_TOKEN_NULL)
    result.tokens.push_back(tokenizer_->leading_token());
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    const Segment& segment = prompt[i];
    const Hash key = i == 0 ? Hasher().add(segment.hash()).add("start").finish() : segment.hash();
    append(result.tokens, *tokenizer_->cached(key, segment.text(), false, i == 0));
    if (i + 1 == prompt.fixed().size()) result.keep = result.tokens.size();
  }
  return result;
}

Result<Preparation::PromptTokens> Preparation::tokenize_chat(const Prompt& prompt) {
  const auto parts = chat_->render(prompt);
  if (!parts) return parts.error();
  std::size_t first_own = parts->size();
  if (!prompt.rest().empty() && !prompt.fixed().empty()) {
    // The last part that holds the first message of this call alone; templates may trim it.
    const std::string_view own = trim(prompt.rest().front().text());
    for (std::size_t i = parts->size(); i > 0 && first_own == parts->size(); --i) {
      const ChatPart& part = (*parts)[i - 1];
      if (part.from_message && part.text.find(own) != std::string::npos) first_own = i - 1;
    }
  }
  PromptTokens result;
  for (std::size_t i = 0; i < parts->size(); ++i) {
    if (i == first_own) result.keep = result.tokens.size();
    const ChatPart& part = (*parts)[i];
    const Hash key =
        Hasher().add(part.text).add(part.from_message ? "message" : "template").finish();
    append(result.tokens, *tokenizer_->cached(key, part.text, !part.from_message));
  }
  const Token first = tokenizer_->leading_token();
  if (first != LLAMA_TOKEN_NULL && (result.tokens.empty() || result.tokens.front() != first)) {
    result.tokens.insert(result.tokens.begin(), first);
    if (result.keep > 0) ++result.keep;
  }
  return result;
}

Result<Preparation::PromptTokens> Preparation::tokenize(const Prompt& prompt) {
  if (prompt.is_text() || prompt.size() == 0) return tokenize_text(prompt);
  return tokenize_chat(prompt);
}

Result<void> Preparation::check_room(const Prompt& prompt, const Work& work) {
  const std::size_t tokens = work.tokens.size();
  const std::size_t label_tokens = work.program->steps.front().trie.nodes.size();
  const bool fits_alone = tokens + 1 <= token_limit_;
  if (fits_alone && tokens + label_tokens + 1 <= cells_) return {};
  constexpr std::size_t kNamed = 3;
  std::vector<std::pair<std::size_t, std::size_t>> longest;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    longest.emplace_back(tokenizer_->encode(prompt[i].text()).size(), i);
  }
  std::sort(longest.begin(), longest.end(), [](const auto& a, const auto& b) {
    return a.first != b.first ? a.first > b.first : a.second < b.second;
  });
  std::string message = "it has " + std::to_string(tokens) + " tokens with the start of its reply";
  message += fits_alone ? ", its labels " + std::to_string(label_tokens) + " more, and the cache" +
                              " holds " + std::to_string(cells_)
                        : ", and the context holds " + std::to_string(token_limit_);
  message += "; its longest parts are ";
  for (std::size_t i = 0; i < std::min(kNamed, longest.size()); ++i) {
    const auto [count, index] = longest[i];
    message += (i == 0 ? "" : ", ") + std::string("part ") + std::to_string(index + 1) + " of " +
               std::to_string(prompt.size()) + " (" + std::string(to_string(prompt[index].role())) +
               ", " + std::to_string(count) + " tokens: \"" +
               shorten(trim(prompt[index].text()), 40) + "\")";
  }
  // The input comes last, before what a reply is to begin with.
  std::size_t input = prompt.size();
  while (input > 1 && prompt[input - 1].role() == Role::assistant) --input;
  const bool is_input = !longest.empty() && longest.front().second + 1 == input;
  message += is_input ? "; shorten the input" : "; use fewer or shorter demos";
  return bad_request("prompt", fits_alone ? message + ", or more context_cells" : message);
}

Result<void> Preparation::check_settings(const LmSettings& settings) const {
  const auto refuse = [](const std::string& name) {
    return bad_request("settings", name + " is no finite number");
  };
  for (const auto& [name, value] :
       {std::pair("temperature", settings.temperature), std::pair("top_p", settings.top_p),
        std::pair("min_p", settings.min_p),
        std::pair("repetition_penalty", settings.repetition_penalty),
        std::pair("frequency_penalty", settings.frequency_penalty),
        std::pair("presence_penalty", settings.presence_penalty)}) {
    if (!std::isfinite(value)) return refuse(name);
  }
  for (const auto& [name, value] :
       {std::pair("top_p", settings.top_p), std::pair("min_p", settings.min_p)}) {
    if (value >= 0 && value <= 1) continue;
    return bad_request("settings", std::string(name) + ": expected a number from 0 to 1, got " +
                                       number_text(value));
  }
  for (const auto& [text, bias] : settings.logit_bias) {
    if (!std::isfinite(bias)) return refuse("logit_bias of '" + text + "'");
  }
  for (const auto& [token, bias] : settings.token_bias) {
    if (!std::isfinite(bias)) return refuse("token_bias of " + std::to_string(token));
  }
  if (settings.max_tokens == std::size_t{0})
    return bad_request("settings", "max_tokens is 0; a value has at least one token");
  for (const auto& [token, bias] : settings.token_bias) {
    if (token >= 0 && static_cast<std::size_t>(token) < tokenizer_->vocabulary_size()) continue;
    return bad_request("token_bias", "this model has no token " + std::to_string(token) +
                                         "; its tokens are 0 to " +
                                         std::to_string(tokenizer_->vocabulary_size() - 1));
  }
  return {};
}

Prepared Preparation::prepare(std::span<const LmRequest> requests) {
  Prepared prepared;
  prepared.answers.resize(requests.size());
  std::map<const ReplyPlan*, Result<Plan>> plans;
  std::unordered_map<Hash, std::size_t> known;
  for (std::size_t i = 0; i < requests.size(); ++i) {
    const LmRequest& request = requests[i];
    auto planned = plans.find(request.reply.get());
    if (planned == plans.end())
      planned = plans.emplace(request.reply.get(), plan(request.reply)).first;
    if (!planned->second) {
      prepared.answers[i] = planned->second.error();
      continue;
    }
    const Plan& compiled = *planned->second;
    if (const auto checked = check_settings(request.settings); !checked) {
      prepared.answers[i] = checked.error();
      continue;
    }
    auto prompt = tokenize(request.prompt);
    if (!prompt) {
      prepared.answers[i] = prompt.error();
      continue;
    }
    Work work;
    work.request = &request;
    work.program = compiled.program;
    work.tokens = std::move(prompt->tokens);
    work.prompt_tokens = work.tokens.size();
    if (compiled.program->steps.empty()) {
      LmReply reply;
      reply.text = compiled.program->trailing;
      reply.usage.lm_calls = 1;
      reply.usage.prompt_tokens = static_cast<std::int64_t>(work.prompt_tokens);
      prepared.answers[i] = std::move(reply);
      continue;
    }
    append(work.tokens, compiled.program->steps.front().pushed_tokens);
    if (work.tokens.empty()) work.tokens.push_back(tokenizer_->empty_prompt_token());
    work.keep = std::min(prompt->keep, work.tokens.size() - 1);
    if (const auto fits = check_room(request.prompt, work); !fits) {
      prepared.answers[i] = fits.error();
      continue;
    }
    const auto [same, is_new] =
        known.try_emplace(work_key(work.tokens, compiled.key, request), prepared.works.size());
    if (is_new) prepared.works.push_back(std::move(work));
    Work& shared = prepared.works[same->second];
    shared.answers.push_back(i);
    shared.stops.push_back(request.stop);
  }
  return prepared;
}

}  // namespace hone::local
