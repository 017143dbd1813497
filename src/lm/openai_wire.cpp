#include "openai_wire.hpp"

#include <algorithm>
#include <cctype>
#include <cstdint>
#include <limits>
#include <utility>
#include <variant>
#include <vector>

#include "hone/base/text.hpp"

namespace hone::wire {
namespace {

constexpr std::size_t kMaxStops = 4;

void append_string(std::string& out, std::string_view text) {
  static constexpr char kHex[] = "0123456789abcdef";
  std::string repaired;
  if (!is_utf8(text)) {
    repaired = to_utf8(text);
    text = repaired;
  }
  out.push_back('"');
  std::size_t begin = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto c = static_cast<unsigned char>(text[i]);
    if (c >= 0x20 && c != '"' && c != '\\') continue;
    out.append(text, begin, i - begin);
    begin = i + 1;
    out.push_back('\\');
    switch (c) {
      case '"':
        out.push_back('"');
        break;
      case '\\':
        out.push_back('\\');
        break;
      case '\n':
        out.push_back('n');
        break;
      case '\t':
        out.push_back('t');
        break;
      case '\r':
        out.push_back('r');
        break;
      default:
        out.append("u00");
        out.push_back(kHex[c >> 4]);
        out.push_back(kHex[c & 0xF]);
    }
  }
  out.append(text, begin, text.size() - begin);
  out.push_back('"');
}

void append_key(std::string& out, std::string_view key) {
  out.append(",\"").append(key).append("\":");
}

void append_number(std::string& out, std::string_view key, double number) {
  append_key(out, key);
  out.append(number_text(number));
}

std::string running_text(const LmRequest& request) {
  std::string text;
  for (std::size_t i = 0; i < request.prompt.size(); ++i) text += request.prompt[i].text();
  return text + sent_prefix(request);
}

void append_messages(std::string& out, const LmRequest& request) {
  append_key(out, "messages");
  out.push_back('[');
  if (request.prompt.is_text()) {
    out.append("{\"role\":\"user\",\"content\":");
    append_string(out, running_text(request));
    out.push_back('}');
  } else {
    for (std::size_t i = 0; i < request.prompt.size(); ++i) {
      const Segment& segment = request.prompt[i];
      if (i > 0) out.push_back(',');
      out.append("{\"role\":\"").append(to_string(segment.role())).append("\",\"content\":");
      append_string(out, segment.text());
      out.push_back('}');
    }
  }
  out.push_back(']');
}

void append_token_bias(std::string& out, const LmSettings& settings) {
  if (settings.token_bias.empty()) return;
  append_key(out, "logit_bias");
  char separator = '{';
  for (const auto& [token, bias] : settings.token_bias) {
    out.push_back(std::exchange(separator, ','));
    out.append("\"").append(std::to_string(token)).append("\":").append(number_text(bias));
  }
  out.push_back('}');
}

std::uint64_t sampling_seed(const LmRequest& request) {
  const std::uint64_t mixed = request.sample == 0
                                  ? request.seed
                                  : Hasher().add(request.seed).add(request.sample).finish().low;
  return mixed & 0x7FFFFFFF;  // servers disagree on wider numbers
}

void append_settings(std::string& out, const LmRequest& request) {
  const LmSettings& settings = request.settings;
  append_number(out, "temperature", settings.temperature);
  if (settings.temperature > 0) {
    if (settings.top_p < 1) append_number(out, "top_p", settings.top_p);
    if (settings.top_k > 0) append_number(out, "top_k", static_cast<double>(settings.top_k));
    if (settings.min_p > 0) append_number(out, "min_p", settings.min_p);
    append_number(out, "seed", static_cast<double>(sampling_seed(request)));
  }
  if (settings.repetition_penalty != 1)
    append_number(out, "repetition_penalty", settings.repetition_penalty);
  if (settings.frequency_penalty != 0)
    append_number(out, "frequency_penalty", settings.frequency_penalty);
  if (settings.presence_penalty != 0)
    append_number(out, "presence_penalty", settings.presence_penalty);
  append_token_bias(out, settings);
}

void append_stops(std::string& out, const std::vector<std::string>& stops) {
  if (stops.empty()) return;
  append_key(out, "stop");
  out.push_back('[');
  for (std::size_t i = 0; i < std::min(stops.size(), kMaxStops); ++i) {
    if (i > 0) out.push_back(',');
    append_string(out, stops[i]);
  }
  out.push_back(']');
}

// An upper estimate without a tokenizer: real text has three to four bytes a token, and a limit
// that is too high only matters for a reply that misses every stop string.
std::size_t tokens_in(std::string_view text) {
  return text.size() / 2 + 4;
}

void cut_at_stops(std::string& text, const std::vector<std::string>& stops) {
  for (const std::string& stop : stops) {
    if (stop.empty()) continue;
    if (const std::size_t at = text.find(stop); at != std::string::npos) text.resize(at);
  }
}

std::int64_t count(const Value& usage, std::string_view name) {
  const Value* number = usage.find(name);
  constexpr double kMost = 1e12;  // a server's slip must not spoil sums
  if (number == nullptr || !number->is_number()) return 0;
  const double value = number->as_double();
  return value >= 0 && value <= kMost ? static_cast<std::int64_t>(value) : 0;
}

Usage parse_usage(const Value& body) {
  const Value usage = body.get("usage");
  Usage spent;
  spent.lm_calls = 1;
  spent.prompt_tokens = count(usage, "prompt_tokens");
  spent.generated_tokens = count(usage, "completion_tokens");
  const std::int64_t shared = count(usage.get("prompt_tokens_details"), "cached_tokens");
  spent.computed_tokens =
      std::max<std::int64_t>(0, spent.prompt_tokens - shared) + spent.generated_tokens;
  return spent;
}

// Chat: logprobs.content[i].{token, logprob}. Completions: logprobs.tokens[i] and
// token_logprobs[i]; llama-server writes the chat form there too. Tokens that begin behind the
// first `size` bytes were cut with a stop string.
std::vector<TokenScore> parse_tokens(const Value& choice, std::size_t size) {
  std::vector<TokenScore> tokens;
  std::size_t begin = 0;
  const auto add = [&](const Value& text, const Value& log_prob) {
    if (!text.is_string() || begin >= size) return;
    tokens.push_back({text.as_string(), log_prob.is_number()
                                            ? log_prob.as_double()
                                            : -std::numeric_limits<double>::infinity()});
    begin += text.as_string().size();
  };
  const Value scores = choice.get("logprobs");
  if (const Value content = scores.get("content"); content.is_list()) {
    for (const Value& token : content.as_list()) add(token.get("token"), token.get("logprob"));
    return tokens;
  }
  const Value texts = scores.get("tokens");
  const Value numbers = scores.get("token_logprobs");
  if (!texts.is_list() || !numbers.is_list()) return tokens;
  for (std::size_t i = 0; i < std::min(texts.size(), numbers.size()); ++i)
    add(texts.as_list()[i], numbers.as_list()[i]);
  return tokens;
}

std::string_view without_leading_space(std::string_view text) {
  while (!text.empty() && std::isspace(static_cast<unsigned char>(text.front())) != 0)
    text.remove_prefix(1);
  return text;
}

// A chat model that got a running text may or may not say the last marker of it again.
bool repeats(std::string_view reply, std::string_view prefix) {
  const std::string_view marker = trim(prefix);
  return !marker.empty() && without_leading_space(reply).starts_with(marker);
}

}  // namespace

std::string sent_prefix(const LmRequest& request) {
  std::string prefix;
  if (!request.prompt.is_text()) return prefix;
  for (const ReplyPart& part : request.reply->parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      prefix += forced->text;
      continue;
    }
    prefix += std::visit(
        [](const auto& slot) -> std::string {
          if constexpr (requires { slot.lead; }) {
            return slot.lead;
          } else {
            return {};
          }
        },
        part);
    break;
  }
  prefix.resize(prefix.find_last_not_of(' ') + 1);
  return prefix;
}

std::size_t token_limit(const LmRequest& request, bool prefix_is_sent) {
  std::size_t limit = 0;
  bool in_prefix = prefix_is_sent;
  for (const ReplyPart& part : request.reply->parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      if (!in_prefix) limit += tokens_in(forced->text);
    } else if (const auto* slot = std::get_if<TextSlot>(&part)) {
      limit += request.settings.max_tokens.value_or(slot->max_tokens) +
               (in_prefix ? 0 : tokens_in(slot->lead));
      in_prefix = false;
    } else {
      const auto& choice = std::get<LabelSlot>(part);
      std::size_t longest = 0;
      for (const std::string& label : choice.labels) longest = std::max(longest, tokens_in(label));
      limit += longest + tokens_in(choice.close) + (in_prefix ? 0 : tokens_in(choice.lead));
      in_prefix = false;
    }
  }
  if (limit == 0) limit = request.settings.max_tokens.value_or(TextSlot{}.max_tokens);
  return limit;
}

std::string request_body(const LmRequest& request, std::string_view model, const Dialect& dialect) {
  std::string out;
  out.reserve(4096);
  out.append("{\"model\":");
  append_string(out, model);
  if (dialect.completions) {
    append_key(out, "prompt");
    append_string(out, running_text(request));
  } else {
    append_messages(out, request);
  }
  append_settings(out, request);
  const std::size_t limit = token_limit(request, dialect.completions);
  append_number(out, dialect.max_completion_tokens ? "max_completion_tokens" : "max_tokens",
                static_cast<double>(limit));
  append_stops(out, request.reply->stop);
  if (request.settings.log_probs) {
    append_key(out, "logprobs");
    out.append(dialect.completions ? "1" : "true");
  }
  if (dialect.json_schema && !dialect.completions && !request.reply->json_schema.is_null()) {
    append_key(out, "response_format");
    out.append("{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"reply\",\"schema\":");
    out.append(request.reply->json_schema.to_json());
    out.append("}}");
  }
  out.push_back('}');
  return out;
}

std::string error_message(std::string_view body) {
  const Result<Value> parsed = Value::parse_json(body);
  std::string words;
  if (parsed && parsed->is_object()) {
    const Value error = parsed->get("error");
    for (const Value& candidate :
         {error.get("message"), error, parsed->get("message"), parsed->get("detail")}) {
      if (!candidate.is_string()) continue;
      words = candidate.as_string();
      break;
    }
  } else if (!body.empty() && body.front() != '<') {
    words = to_utf8(body);
  }
  std::replace(words.begin(), words.end(), '\n', ' ');
  return shorten(trim(words), 300);
}

// What is no completion at all says nothing about the program that asked.
static Error no_completion(std::string_view where, const std::string& fault) {
  return temporary(std::string(where),
                   "the server's answer " + fault + "; is it an OpenAI-compatible server?");
}

Result<LmReply> parse_reply(std::string_view body, const LmRequest& request, const Dialect& dialect,
                            std::string_view where) {
  const std::string place(where);
  const Result<Value> parsed = Value::parse_json(body);
  if (!parsed) return no_completion(where, "is not JSON: " + parsed.error().message);
  const Value choices = parsed->get("choices");
  if (!choices.is_list() || choices.size() == 0) {
    const std::string words = error_message(body);
    return no_completion(where, "holds no choices" + (words.empty() ? "" : ": " + words));
  }
  const Value& choice = choices.as_list().front();
  const Value message = choice.get("message");
  const Value content = dialect.completions ? choice.get("text") : message.get("content");
  if (!content.is_string()) {
    const Value refusal = message.get("refusal");
    if (refusal.is_string())
      return bad_reply(place, "the model refused: " + shorten(refusal.as_string(), 300));
    return bad_reply(place, "the server's answer holds no text");
  }
  LmReply reply;
  reply.text = content.as_string();
  const std::string prefix = sent_prefix(request);
  std::size_t kept = reply.text.size();
  if (!dialect.completions && repeats(reply.text, prefix)) {
    std::string tail(without_leading_space(reply.text).substr(trim(prefix).size()));
    const std::size_t begin = kept - tail.size();
    cut_at_stops(tail, request.reply->stop);
    kept = begin + tail.size();
    reply.text = prefix + tail;
  } else {
    cut_at_stops(reply.text, request.reply->stop);
    kept = reply.text.size();
    reply.text.insert(0, prefix);
  }
  if (request.settings.log_probs) reply.tokens = parse_tokens(choice, kept);
  const Value reason = choice.get("finish_reason");
  reply.truncated = reason.is_string() && reason.as_string() == "length";
  reply.usage = parse_usage(*parsed);
  return reply;
}

}  // namespace hone::wire
