#include "optimize/stand_in_lm.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>
#include <utility>

#include "hone/base/rng.hpp"
#include "hone/lm/label_choice.hpp"

#include "optimize/prompt_bytes.hpp"

namespace hone {
namespace {

// Of a value nobody has seen yet: an instruction of two or three sentences.
constexpr double kUnknownText = 240;
// A kind with a smaller share of all prompt bytes, where nothing is generated, is not worth a call.
constexpr double kSmallShare = 0.03;
constexpr std::size_t kFirstExamples = 8;
constexpr std::size_t kMostExamples = 12;
// Two with the same beginning tell tokens a byte, and time a token, of prompts that share it.
constexpr std::size_t kMostLabelExamples = 2;

double ratio(double part, double whole, double otherwise) {
  return whole > 0 ? part / whole : otherwise;
}

std::string words(const Hash& key, std::size_t bytes) {
  static constexpr std::array<std::string_view, 16> kWords = {
      "look", "at", "the",  "input", "and",     "answer", "with", "care",
      "when", "it", "says", "what",  "matters", "most",   "in",   "this"};
  Rng rng(key.low, key);
  std::string out;
  while (out.size() < bytes) {
    if (!out.empty()) out += ' ';
    out += kWords[rng.below(kWords.size())];
  }
  return out.substr(0, std::max<std::size_t>(1, bytes));
}

std::size_t text_slots(const ReplyPlan& plan) {
  return static_cast<std::size_t>(
      std::count_if(plan.parts.begin(), plan.parts.end(),
                    [](const ReplyPart& part) { return std::holds_alternative<TextSlot>(part); }));
}

bool has_text(const ReplyPlan& plan) {
  return text_slots(plan) > 0;
}

}  // namespace

RequestKind request_kind(const LmInfo& info, const LmRequest& request) {
  const std::size_t size =
      has_text(*request.reply) ? request.prompt.size() : prompt_bytes(request.prompt);
  return {info.identity, request.reply->hash(), static_cast<int>(std::bit_width(size))};
}

std::size_t PrefixWatch::fresh_bytes(const Prompt& prompt) {
  Hash chain;
  std::size_t fresh = 0;
  for (std::size_t i = 0; i < prompt.size(); ++i) {
    chain = Hasher().add(chain).add(prompt[i].hash()).finish();
    if (known_.emplace(chain, true).second) fresh += prompt[i].text().size();
  }
  return fresh;
}

StandInLm::StandInLm(const LmInfo& real, const Observations& known, const KnownReplies& replies,
                     std::size_t parallel)
    : info_(real),
      computes_batches_(real.likes_batches),
      parallel_(static_cast<double>(parallel)),
      replies_(&replies) {
  // Answers cost nothing here, and one thread at a time leaves the order of requests alone.
  info_.likes_batches = false;
  info_.context_tokens = 0;
  RequestTotals all;
  const auto rates_of = [&](const RequestTotals& totals) {
    Rates rates;
    const auto count = static_cast<double>(totals.requests);
    const auto computed =
        static_cast<double>(totals.usage.computed_tokens - totals.usage.generated_tokens);
    rates.tokens_per_byte = ratio(static_cast<double>(totals.usage.prompt_tokens),
                                  static_cast<double>(totals.prompt_bytes), 0.25);
    rates.computed_per_byte = ratio(std::max(0.0, computed),
                                    static_cast<double>(totals.fresh_bytes), rates.tokens_per_byte);
    rates.generated = ratio(static_cast<double>(totals.usage.generated_tokens), count, 0);
    rates.text_bytes = ratio(static_cast<double>(totals.text_bytes), count, 0);
    rates.seconds_per_call = ratio(totals.seconds, count, 0);
    rates.seconds_per_token =
        ratio(totals.seconds, static_cast<double>(totals.usage.computed_tokens), 0);
    return rates;
  };
  for (const auto& [kind, totals] : known) {
    if (kind.model != info_.identity || totals.requests == 0) continue;
    Rates& rates = known_.emplace(kind, rates_of(totals)).first->second;
    // A few tokens behind a beginning that was known take long for their number: time is learned
    // together with prompts of the next sizes.
    RequestTotals near;
    for (const auto& [other, more] : known) {
      if (other.model == kind.model && other.plan == kind.plan &&
          std::abs(other.prompt_size - kind.prompt_size) <= 1) {
        near += more;
      }
    }
    rates.seconds_per_token =
        ratio(near.seconds, static_cast<double>(near.usage.computed_tokens), 0);
    all += totals;
  }
  usual_ = rates_of(all);
  usual_.generated.reset();
  usual_.text_bytes = kUnknownText;
}

const StandInLm::Rates& StandInLm::rates(const RequestKind& kind) const {
  const Rates* nearest = &usual_;
  int least = std::numeric_limits<int>::max();
  for (auto each = known_.lower_bound({kind.model, kind.plan, 0});
       each != known_.end() && each->first.plan == kind.plan; ++each) {
    const int distance = std::abs(each->first.prompt_size - kind.prompt_size);
    if (distance >= least) continue;
    least = distance;
    nearest = &each->second;
  }
  return *nearest;
}

std::vector<Result<LmReply>> StandInLm::complete(std::span<const LmRequest> requests,
                                                 std::stop_token stop) const {
  std::vector<Result<LmReply>> replies;
  replies.reserve(requests.size());
  for (const LmRequest& request : requests) {
    if (stop.stop_requested()) {
      replies.emplace_back(stopped("rehearsal", "a stop was asked for"));
    } else {
      replies.push_back(answer(request));
    }
  }
  return replies;
}

Result<LmReply> StandInLm::answer(const LmRequest& request) const {
  const RequestKind kind = request_kind(info_, request);
  const Rates& rates = this->rates(kind);
  const Hash key = request_key(info_, request);
  const auto said = replies_->find(key);
  Result<LmReply> reply = said == replies_->end() ? invent(request, key, rates) : said->second;
  if (!reply) return reply;
  const std::lock_guard lock(mutex_);
  const double computed =
      rates.computed_per_byte * static_cast<double>(watch_.fresh_bytes(request.prompt)) +
      static_cast<double>(reply->usage.generated_tokens);
  reply->usage.lm_calls = 1;
  reply->usage.computed_tokens = std::llround(computed);
  reply->usage.seconds =
      computes_batches_ ? computed * rates.seconds_per_token : rates.seconds_per_call / parallel_;
  note_unknown(kind, request);
  return reply;
}

Result<LmReply> StandInLm::invent(const LmRequest& request, const Hash& key,
                                  const Rates& rates) const {
  const std::size_t slots = std::max<std::size_t>(1, text_slots(*request.reply));
  const auto bytes = static_cast<std::size_t>(rates.text_bytes) / slots;
  LmReply reply;
  std::size_t text_bytes = 0;
  for (const ReplyPart& part : request.reply->parts) {
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      reply.text += forced->text;
    } else if (const auto* slot = std::get_if<TextSlot>(&part)) {
      Result<std::string> text = value(*slot, bytes, Hasher().add(key).add(slot->field).finish());
      if (!text) return text.error();
      text_bytes += text->size();
      reply.text += slot->lead + *text;
    } else {
      const auto& choice = std::get<LabelSlot>(part);
      LabelScores scores{.field = choice.field, .log_probs = {}, .chosen = 0};
      Rng rng(key.low, key);
      for (std::size_t i = 0; i < choice.labels.size(); ++i)
        scores.log_probs.push_back(-3 * rng.uniform());
      scores.chosen = choose_label(scores.log_probs, choice, request);
      reply.text += choice.lead + choice.labels[scores.chosen];
      if (info_.scores_labels) reply.labels.push_back(std::move(scores));
    }
  }
  reply.usage.prompt_tokens =
      std::llround(static_cast<double>(prompt_bytes(request.prompt)) * rates.tokens_per_byte);
  reply.usage.generated_tokens = std::llround(rates.generated.value_or(
      rates.tokens_per_byte *
      static_cast<double>(info_.follows_plan ? text_bytes : reply.text.size())));
  return reply;
}

void StandInLm::note_unknown(const RequestKind& kind, const LmRequest& request) const {
  const std::size_t bytes = prompt_bytes(request.prompt);
  prompt_bytes_ += bytes;
  if (known_.contains(kind)) return;
  UnknownKind& unknown = unknown_[kind];
  ++unknown.requests;
  unknown.prompt_bytes += bytes;
  unknown.has_text = has_text(*request.reply);
  const bool is_kept = unknown.requests <= kFirstExamples || std::has_single_bit(unknown.requests);
  const std::size_t most = unknown.has_text ? kMostExamples : kMostLabelExamples;
  if (is_kept && unknown.examples.size() < most) unknown.examples.push_back(request);
}

Result<std::string> StandInLm::value(const TextSlot& slot, std::size_t bytes,
                                     const Hash& key) const {
  std::string wish = words(key, bytes);
  if (slot.grammar.empty()) return wish;
  const Hash name = hash_of(slot.grammar);
  const std::lock_guard lock(mutex_);
  auto grammar = grammars_.find(name);
  if (grammar == grammars_.end()) {
    Result<internal::GrammarText> parsed = internal::GrammarText::parse(slot.grammar);
    if (!parsed) return parsed.error();
    grammar = grammars_.emplace(name, *std::move(parsed)).first;
  }
  std::string text = grammar->second.write(wish);
  // A stop string is part of the grammar, but not of the reply.
  for (const std::string& end : slot.stop) {
    if (!end.empty() && text.ends_with(end)) {
      text.resize(text.size() - end.size());
      break;
    }
  }
  return text;
}

std::vector<UnknownKind> StandInLm::unknown_kinds() const {
  const std::lock_guard lock(mutex_);
  std::vector<UnknownKind> out;
  for (const auto& [kind, unknown] : unknown_) {
    if (unknown.has_text || static_cast<double>(unknown.prompt_bytes) >=
                                kSmallShare * static_cast<double>(prompt_bytes_)) {
      out.push_back(unknown);
    }
  }
  return out;
}

}  // namespace hone
