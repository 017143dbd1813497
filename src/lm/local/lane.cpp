#include "lm/local/lane.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/lm/label_choice.hpp"

#include "lm/local/kernels/rows.hpp"

namespace hone::local {
namespace {

Error not_a_number() {
  return internal_error(
      "model", "its logits are not numbers: the model file is damaged, or its weights overflow");
}

// A token limit may cut a character in two.
std::string well_formed(std::string text) {
  for (int cut = 0; cut < 3 && !text.empty() && !is_utf8(text); ++cut) {
    if ((static_cast<unsigned char>(text.back()) & 0x80U) == 0) break;
    text.pop_back();
  }
  return is_utf8(text) ? text : to_utf8(text);
}

}  // namespace

bool Work::is_withdrawn() const {
  return !stops.empty() && std::all_of(stops.begin(), stops.end(), [](const std::stop_token& stop) {
    return stop.stop_requested();
  });
}

void Retirement::retire(int sequence) {
  if (sequence == kNoSequence) return;
  if (defer_) {
    deferred_.push_back(sequence);
  } else {
    store_->release(sequence);
  }
}

void Retirement::flush() {
  for (const int sequence : deferred_) store_->release(sequence);
  deferred_.clear();
}

std::size_t Lane::sequences_needed(const SlotProgram& program, bool defers) {
  if (!defers) {
    // One more while a sequence is replaced by a shorter copy of itself.
    const std::size_t own = program.steps.size() < 2 ? 1 : 2;
    return own + std::min(program.most_branches, kMostBranches);
  }
  if (program.steps.size() < 2) return 1 + program.most_branches;
  std::size_t total = 1;
  for (const SlotStep& step : program.steps) total += 1 + step.trie.branches;
  return total;
}

Lane::Lane(const Work& work, int sequence, KvStore& store, Retirement& retirement,
           Tokenizer& tokenizer, const Terms& terms)
    : work_(&work),
      sequence_(sequence),
      store_(&store),
      retirement_(&retirement),
      tokenizer_(&tokenizer),
      terms_(terms),
      chooser_(work.request->settings, work.request->seed, work.request->sample, tokenizer) {
  if (work.program->steps.empty()) {
    finish();
    return;
  }
  const auto fed = static_cast<std::ptrdiff_t>(store.size(sequence));
  pending_.assign(work.tokens.begin() + fed, work.tokens.end());
  begin_step();
}

const LabelTrie* Lane::trie() const {
  return !is_done_ && step().label != nullptr && step().trie.branches > 0 ? &step().trie : nullptr;
}

void Lane::begin_step() {
  const SlotStep& current = step();
  group_ = 0;
  if (pending_.empty()) {
    // The row after the last token was read by the slot before: compute that token again.
    const Tokens& fed = store_->tokens(sequence_);
    pending_.assign(1, fed.back());
    move_to(store_->fork(sequence_, fed.size() - 1));
    if (is_done_) return;
  }
  if (current.label != nullptr) {
    row_taken_.assign(current.trie.nodes.size() + 1, false);
    scores_.assign(current.label->labels.size(), 0.0);
    fork_branches();
    return;
  }
  value_.clear();
  tokens_.clear();
  chosen_tokens_ = 0;
  value_start_ = store_->size(sequence_) + pending_.size();
  grammar_ = current.grammar ? GrammarState(SamplerPtr(llama_sampler_clone(current.grammar.get())))
                             : GrammarState();
}

void Lane::fork_branches() {
  for (const int branch : branches_) retirement_->retire(branch);
  branches_.clear();
  const std::size_t total = step().trie.branches;
  const std::size_t count = std::min(kMostBranches, total - std::min(total, first_branch()));
  for (std::size_t i = 0; i < count; ++i) {
    const int branch = store_->fork(sequence_, store_->size(sequence_));
    if (branch == kNoSequence)
      return fail(internal_error("engine", "no sequence is free for a label"));
    branches_.push_back(branch);
  }
}

void Lane::take_row(std::size_t row, std::span<const float> logits) {
  if (is_done_) return;
  if (step().label != nullptr) {
    take_label_row(row, logits);
    return;
  }
  choice_ = chooser_.choose(logits, grammar_, step().space_first && tokens_.empty(), *tokenizer_);
  ++generated_;
  if (choice_.kind == Choice::Kind::failure) {
    fail(argmax(logits) == logits.size()
             ? not_a_number()
             : internal_error("grammar of " + step().text->field,
                              "no token of this model fits after '" + value_ + "'"));
  }
}

void Lane::take_label_row(std::size_t row, std::span<const float> logits) {
  if (row_taken_[row]) return;
  row_taken_[row] = true;
  const double total = log_sum_exp(logits);
  if (!std::isfinite(total)) return fail(not_a_number());
  for (const LabelTrie::Term& term : step().trie.terms[row]) {
    scores_[term.label] +=
        static_cast<double>(logits[static_cast<std::size_t>(term.token)]) - total;
  }
}

void Lane::advance() {
  if (is_done_) return;
  pending_.clear();
  if (step().label == nullptr) {
    advance_text();
    return;
  }
  if ((group_ + 1) * kMostBranches < step().trie.branches) {
    ++group_;
    fork_branches();
    return;
  }
  finish_label();
}

void Lane::move_to(int sequence) {
  if (sequence == kNoSequence) return fail(internal_error("engine", "no sequence is free"));
  retirement_->retire(std::exchange(sequence_, sequence));
}

void Lane::finish_label() {
  const LabelSlot& slot = *step().label;
  const LabelTrie& trie = step().trie;
  LabelScores scores{slot.field, scores_, choose_label(scores_, slot, *work_->request)};
  const std::size_t chosen = scores.chosen;
  reply_.labels.push_back(std::move(scores));
  reply_.text += step().forced + slot.lead + slot.labels[chosen];

  const Tokens& tokens = trie.labels[chosen];
  std::size_t fed = 0;
  if (step_ + 1 < work_->program->steps.size() && !terms_.feeds_labels_again &&
      trie.deepest_node[chosen] >= 0) {
    // The chosen label's tokens are in the cache already, on one of the branches.
    const LabelTrie::Node& node = trie.nodes[static_cast<std::size_t>(trie.deepest_node[chosen])];
    const std::size_t branch = std::max(node.first_branch, first_branch());
    if (branch < node.last_branch && branch - first_branch() < branches_.size()) {
      const std::size_t size = store_->size(sequence_) + node.depth;
      move_to(store_->fork(branches_[branch - first_branch()], size));
      fed = node.depth;
    }
  }
  for (const int branch : branches_) retirement_->retire(branch);
  branches_.clear();
  if (is_done_) return;
  if (++step_ == work_->program->steps.size()) return finish();
  pending_.assign(tokens.begin() + static_cast<std::ptrdiff_t>(fed), tokens.end());
  pending_.insert(pending_.end(), step().pushed_tokens.begin(), step().pushed_tokens.end());
  begin_step();
}

std::optional<std::size_t> Lane::find_stop(std::size_t old_size) const {
  std::optional<std::size_t> first;
  for (const std::string& stop : step().text->stop) {
    if (stop.empty()) continue;
    const std::size_t from = old_size + 1 > stop.size() ? old_size + 1 - stop.size() : 0;
    const std::size_t found = value_.find(stop, from);
    if (found != std::string::npos && (!first || found < *first)) first = found;
  }
  return first;
}

void Lane::append(Token token, double log_prob) {
  value_ += tokenizer_->piece(token);
  tokens_.push_back({token, value_.size(), log_prob});
  grammar_.accept(token);
}

void Lane::advance_text() {
  if (choice_.kind == Choice::Kind::end) return finish_text(value_.size());
  const std::size_t old_size = value_.size();
  append(choice_.token, choice_.log_prob);
  chosen_tokens_ = tokens_.size();
  chooser_.accept(choice_.token);
  if (const auto stop = find_stop(old_size)) return finish_text(*stop);
  if (grammar_.is_set() && grammar_.must_end(*tokenizer_)) return finish_text(value_.size());
  const std::size_t most = work_->request->settings.max_tokens.value_or(step().text->max_tokens);
  if (tokens_.size() >= most || store_->size(sequence_) + 1 >= terms_.token_limit) {
    reply_.truncated = true;
    if (grammar_.is_set()) close_value();
    return finish_text(value_.size());
  }
  pending_.assign(1, choice_.token);
}

void Lane::close_value() {
  constexpr int kMostTokens = 1024;
  Tokens closers;
  for (const char* text : {"\"", "]", "}"}) {
    const Tokens tokens = tokenizer_->encode(text);
    if (tokens.size() == 1) closers.push_back(tokens.front());
  }
  const Tokens& any = tokenizer_->first_byte_tokens();
  closers.insert(closers.end(), any.begin(), any.end());
  for (int i = 0; i < kMostTokens && !grammar_.may_end(*tokenizer_); ++i) {
    const auto next = std::find_if(closers.begin(), closers.end(),
                                   [&](Token token) { return grammar_.allows(token); });
    if (next == closers.end()) return;
    append(*next);
  }
}

void Lane::report_tokens(std::size_t size) {
  std::size_t begin = 0;
  for (std::size_t i = 0; i < chosen_tokens_ && begin < size; ++i) {
    reply_.tokens.push_back({value_.substr(begin, tokens_[i].end - begin), tokens_[i].log_prob});
    begin = tokens_[i].end;
  }
}

void Lane::finish_text(std::size_t size) {
  if (work_->request->settings.log_probs) report_tokens(size);
  const bool space_first = step().space_first;
  value_.resize(size);
  reply_.text += step().pushed;
  if (space_first && !value_.starts_with(' ')) reply_.text += ' ';
  reply_.text += well_formed(value_);
  if (++step_ == work_->program->steps.size()) return finish();

  // Tokens that reach beyond the value leave the cache; what they held of the value is pushed as
  // text.
  std::size_t kept = 0;
  while (kept < tokens_.size() && tokens_[kept].end <= size) ++kept;
  const std::size_t fed = store_->size(sequence_) - value_start_;
  if (kept < fed) move_to(store_->fork(sequence_, value_start_ + kept));
  if (is_done_) return;
  for (std::size_t i = std::min(kept, fed); i < kept; ++i) pending_.push_back(tokens_[i].token);
  const std::string tail = value_.substr(kept == 0 ? 0 : tokens_[kept - 1].end);
  Tokens pushed = step().pushed_tokens;
  if (!tail.empty()) {
    pushed = tokenizer_->encode(tail + step().pushed);
    pushed.insert(pushed.end(), step().trie.context.begin(), step().trie.context.end());
  }
  pending_.insert(pending_.end(), pushed.begin(), pushed.end());
  if (store_->size(sequence_) + pending_.size() + 1 > terms_.token_limit) {
    return fail(bad_request(
        "prompt", "the context is full before the reply is: " + std::to_string(terms_.token_limit) +
                      " tokens; use fewer or shorter demos, or ask for shorter values"));
  }
  begin_step();
}

void Lane::finish() {
  reply_.text += work_->program->trailing;
  is_done_ = true;
  release();
}

void Lane::fail(Error error) {
  error_ = std::move(error);
  is_done_ = true;
}

void Lane::release() {
  for (const int branch : branches_) retirement_->retire(branch);
  branches_.clear();
  retirement_->retire(std::exchange(sequence_, kNoSequence));
}

Result<LmReply> Lane::result() && {
  if (error_) return *std::move(error_);
  return std::move(reply_);
}

}  // namespace hone::local
