#include "reply_json.hpp"

#include <algorithm>
#include <limits>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/lm/label_choice.hpp"

namespace hone {
namespace {

Result<LabelScores> scores_from(const Value& json) {
  const Value field = json.get("field");
  const Value log_probs = json.get("log_probs");
  const Value chosen = json.get("chosen");
  if (!field.is_string() || !log_probs.is_list() || !chosen.is_int())
    return bad_request("", "labels are malformed");
  LabelScores scores;
  scores.field = field.as_string();
  for (const Value& number : log_probs.as_list()) {
    // JSON has no infinity: a label the model rules out is written as null.
    scores.log_probs.push_back(number.is_number() ? number.as_double()
                                                  : -std::numeric_limits<double>::infinity());
  }
  scores.chosen = static_cast<std::size_t>(chosen.as_int());
  if (scores.chosen >= scores.log_probs.size())
    return bad_request("", "the chosen label is out of range");
  return scores;
}

Result<std::vector<TokenScore>> tokens_from(const Value& json) {
  std::vector<TokenScore> tokens;
  for (const Value& token : json.as_list()) {
    const Value words = token.get("text");
    if (!words.is_string()) return bad_request("", "tokens are malformed");
    const Value number = token.get("log_prob");
    tokens.push_back({words.as_string(), number.is_number()
                                             ? number.as_double()
                                             : -std::numeric_limits<double>::infinity()});
  }
  return tokens;
}

}  // namespace

bool fits_json(const LmReply& reply) {
  return is_utf8(reply.text) &&
         std::all_of(reply.tokens.begin(), reply.tokens.end(),
                     [](const TokenScore& token) { return is_utf8(token.text); });
}

std::string reply_to_json(const LmReply& reply) {
  Value::List labels;
  for (const LabelScores& scores : reply.labels) {
    labels.push_back(Value::object({{"field", scores.field},
                                    {"log_probs", Value::numbers(scores.log_probs)},
                                    {"chosen", scores.chosen}}));
  }
  Value::Object out = {{"text", reply.text},
                       {"labels", Value::list(std::move(labels))},
                       {"truncated", reply.truncated},
                       {"prompt_tokens", reply.usage.prompt_tokens},
                       {"generated_tokens", reply.usage.generated_tokens},
                       {"seconds", reply.usage.seconds}};
  if (!reply.tokens.empty()) {
    Value::List tokens;
    for (const TokenScore& token : reply.tokens)
      tokens.push_back(Value::object({{"text", token.text}, {"log_prob", token.log_prob}}));
    out.emplace_back("tokens", Value::list(std::move(tokens)));
  }
  return Value::object(std::move(out)).to_json();
}

Result<LmReply> reply_from_json(std::string_view text) {
  const Result<Value> json = Value::parse_json(text);
  if (!json) return json.error();
  const Value words = json->get("text");
  const Value labels = json->get("labels");
  const Value truncated = json->get("truncated");
  const Value prompt_tokens = json->get("prompt_tokens");
  if (!words.is_string() || !labels.is_list() || !truncated.is_bool() || !prompt_tokens.is_int()) {
    return bad_request("", "is no reply");
  }
  LmReply reply;
  reply.text = words.as_string();
  reply.truncated = truncated.as_bool();
  reply.usage.prompt_tokens = prompt_tokens.as_int();
  const Value generated_tokens = json->get("generated_tokens");
  if (generated_tokens.is_int()) reply.usage.generated_tokens = generated_tokens.as_int();
  const Value seconds = json->get("seconds");
  if (seconds.is_number()) reply.usage.seconds = seconds.as_double();
  for (const Value& label : labels.as_list()) {
    Result<LabelScores> scores = scores_from(label);
    if (!scores) return scores.error();
    reply.labels.push_back(*std::move(scores));
  }
  if (const Value tokens = json->get("tokens"); tokens.is_list()) {
    Result<std::vector<TokenScore>> scores = tokens_from(tokens);
    if (!scores) return scores.error();
    reply.tokens = *std::move(scores);
  }
  return reply;
}

LmReply served_from_cache(LmReply reply, const LmRequest& request) {
  choose_label_anew(reply, request);
  const std::int64_t prompt_tokens = reply.usage.prompt_tokens;
  const std::int64_t generated_tokens = reply.usage.generated_tokens;
  const double seconds = reply.usage.seconds;
  reply.usage = Usage{};
  reply.usage.lm_calls = 1;
  reply.usage.cached_calls = 1;
  reply.usage.prompt_tokens = prompt_tokens;
  reply.usage.cached_generated_tokens = generated_tokens;
  reply.usage.cached_seconds = seconds;
  return reply;
}

}  // namespace hone
