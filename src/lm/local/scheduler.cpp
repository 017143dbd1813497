#include "lm/local/scheduler.hpp"

#include <algorithm>
#include <numeric>
#include <utility>

#include "lm/local/stopwatch.hpp"
#include "lm/local/token_order.hpp"

namespace hone::local {
namespace {

constexpr std::size_t kMostPrefixes = 48;
constexpr std::size_t kLeastUse = 8;  // tokens
constexpr std::size_t kReplyReserve =
    128;  // cells set aside for a reply that may be longer but seldom is

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

std::size_t reply_reserve(const Work& work) {
  std::size_t cells = 0;
  bool is_first = true;
  for (const SlotStep& step : work.program->steps) {
    if (!is_first) cells += step.pushed_tokens.size() + 2;
    if (step.text != nullptr) {
      cells += std::min(work.request->settings.max_tokens.value_or(step.text->max_tokens),
                        kReplyReserve);
    } else {
      cells += step.trie.nodes.size();
    }
    is_first = false;
  }
  return cells;
}

}  // namespace

Scheduler::Scheduler(llama_context* context, Tokenizer& tokenizer, ScheduleLimits limits)
    : tokenizer_(&tokenizer),
      limits_(limits),
      store_(llama_get_memory(context), llama_n_ctx(context)),
      retirement_(store_, limits.exact),
      at_once_(store_, false),
      width_(limits.width),
      batch_(context, tokenizer.vocabulary_size(), store_,
             BatchLimits{limits.batch_tokens, limits.rows}, counters_) {}

std::vector<Result<LmReply>> Scheduler::run(std::span<const Work> works,
                                            const std::stop_token& stop) {
  ++run_number_;
  width_ = limits_.width;
  is_halved_ = false;
  Run run;
  run.works = works;
  run.order.resize(works.size());
  std::iota(run.order.begin(), run.order.end(), std::size_t{0});
  sort_by_tokens(works, run.order, run.common);
  run.results.resize(works.size());
  run.computed.assign(works.size(), 0);
  run.generated.assign(works.size(), 0);
  run.wants_whole_cache.assign(works.size(), false);
  run.may_shrink = std::any_of(works.begin(), works.end(), [](const Work& work) {
    return !work.stops.empty() &&
           std::all_of(work.stops.begin(), work.stops.end(),
                       [](const std::stop_token& own) { return own.stop_possible(); });
  });

  while (true) {
    if (stop.stop_requested()) {
      abandon(run, stopped("engine", "stopped before the reply was complete"));
      break;
    }
    if (run.may_shrink) drop_withdrawn(run);
    if (!limits_.exact) preempt(run);
    admit(run);
    if (active_.empty()) {
      if (run.next >= run.order.size()) break;
      continue;
    }
    const auto computed = compute(run);
    if (!computed) {
      fail_all(run, computed.error());
      break;
    }
    if (!*computed) {
      restart(run);
      continue;
    }
    keep_prefixes(run);
    {
      Stopwatch watch(counters_.row_seconds);
      for (Active& active : active_) active.lane->advance();
    }
    collect(run);
  }
  if (spine_ != kNoSequence) retirement_.retire(std::exchange(spine_, kNoSequence));
  end_wave();
  while (store_.used() > limits_.kept_cells && drop_one_prefix()) end_wave();

  std::vector<Result<LmReply>> results;
  results.reserve(works.size());
  for (std::size_t i = 0; i < works.size(); ++i) {
    Result<LmReply> result = *std::move(run.results[i]);
    if (result) {
      result->usage.computed_tokens = static_cast<std::int64_t>(run.computed[i]);
      result->usage.generated_tokens = static_cast<std::int64_t>(run.generated[i]);
    }
    results.push_back(std::move(result));
  }
  return results;
}

void Scheduler::forget() {
  active_.clear();
  prefixes_.clear();
  spine_ = kNoSequence;
  retirement_ = Retirement(store_, limits_.exact);
  store_.clear();
}

// ---- Which requests are computed now ----

void Scheduler::admit(Run& run) {
  std::size_t step_tokens = demand();
  while (run.next < run.order.size() && has_width(run.works[run.order[run.next]]) &&
         admit_next(run, step_tokens)) {
  }
  if (!active_.empty() || run.next >= run.order.size()) return;
  // Nothing lives and the next request still found no room: it cannot be computed at all.
  const std::size_t work = run.order[run.next++];
  run.results[work] = too_small("this request's " + std::to_string(run.works[work].tokens.size()) +
                                " tokens and its labels");
}

bool Scheduler::has_width(const Work& work) const {
  // Choices among labels are over in a step or two: they need room in a batch, not a place among
  // live replies.
  constexpr std::size_t kMostChoices = 192;
  const bool is_choice = std::all_of(work.program->steps.begin(), work.program->steps.end(),
                                     [](const SlotStep& step) { return step.text == nullptr; });
  return active_.size() < (is_choice && !is_halved_ ? std::max(width_, kMostChoices) : width_);
}

bool Scheduler::must_be_alone(const Run& run, std::size_t work) const {
  // Leaves some for kept prefixes.
  constexpr std::size_t kMostHeld = 128;
  const SlotProgram& program = *run.works[work].program;
  return run.wants_whole_cache[work] ||
         (limits_.exact && (program.most_branches > Lane::kMostBranches ||
                            Lane::sequences_needed(program, true) > kMostHeld));
}

bool Scheduler::admit_next(Run& run, std::size_t& step_tokens) {
  const std::size_t index = run.order[run.next];
  const Work& work = run.works[index];
  const bool is_alone = must_be_alone(run, index);
  if (!active_.empty() && (is_alone || active_.front().is_alone)) return false;
  if (run.wants_whole_cache[index]) drop_all_prefixes();
  Source source = best_prefix(work.tokens, true);
  source.count = std::min(source.count, work.tokens.size() - 1);
  // The first token of all prompts, or a template's, is no use of a prefix.
  if (source.count >= kLeastUse) touch_prefix(source.sequence);
  std::size_t shared = source.count;
  // The request before, when it begins in this very step, shares its tokens within the batch.
  const bool has_neighbour =
      !active_.empty() && active_.back().is_new && active_.back().place + 1 == run.next;
  if (has_neighbour && run.common[run.next] > source.count) {
    // It may hold more than the common tokens already, from a prefix that was dropped since.
    const int neighbour = active_.back().lane->sequence();
    shared = run.common[run.next];
    source = {neighbour, std::min(store_.size(neighbour), shared)};
  }
  if (limits_.exact && !active_.empty() && opens_inner_node(run, shared)) return false;

  const std::size_t nodes = work.program->steps.front().trie.nodes.size();
  const std::size_t added = work.tokens.size() - shared + nodes;
  const std::size_t unit = limits_.step_tokens;
  const bool fills_up = step_tokens == 0 || step_tokens + added <= round_up(step_tokens, unit);
  if (!fills_up && !(step_tokens < unit && added > unit / 4)) return false;

  const bool frees_at_once = !limits_.exact || is_alone;
  const std::size_t sequences = Lane::sequences_needed(*work.program, !frees_at_once);
  if (!has_sequences(sequences)) {
    // Prefixes are not given up for what waits for a live request's end all the same.
    if (!active_.empty() && !has_sequences(sequences, prefixes_.size())) return false;
    if ((limits_.exact && !active_.empty()) || !drop_one_prefix()) return false;
    end_wave();
    return admit_next(run, step_tokens);
  }
  const std::size_t reserve = reply_reserve(work);
  const std::size_t needed =
      step_tokens + added + (active_.empty() ? 1 : reserve + outstanding_reserve());
  if (store_.free() < needed) {
    return make_room(needed) && admit_next(run, step_tokens);
  }
  const int sequence = store_.fork(source.sequence, source.count);
  Active active;
  active.work = index;
  active.place = run.next;
  active.is_new = true;
  active.reserve = reserve;
  active.sequences = sequences;
  active.is_alone = is_alone;
  active.lane = std::make_unique<Lane>(
      work, sequence, store_, frees_at_once ? at_once_ : retirement_, *tokenizer_,
      Lane::Terms{.token_limit = limits_.token_limit,
                  .feeds_labels_again = limits_.exact && is_alone});
  active_.push_back(std::move(active));
  counters_.shared_tokens += static_cast<std::int64_t>(shared);
  step_tokens += added;
  ++run.next;
  return true;
}

bool Scheduler::opens_inner_node(const Run& run, std::size_t shared) const {
  const Work& work = run.works[run.order[run.next]];
  const bool next_shares_more =
      run.next + 1 < run.order.size() && run.common[run.next + 1] > shared;
  return next_shares_more || work.keep > shared;
}

bool Scheduler::has_sequences(std::size_t count, std::size_t given_up) const {
  constexpr std::size_t kSpare = 3;  // for the spine, its successor and a prefix to keep
  std::size_t promised = 0;
  for (const Active& active : active_) {
    const std::size_t held = 1 + active.lane->branches().size();
    promised += active.sequences > held ? active.sequences - held : 0;
  }
  return store_.free_sequences() + given_up >= count + promised + kSpare;
}

std::size_t Scheduler::outstanding_reserve() const {
  std::size_t cells = 0;
  for (const Active& active : active_) {
    const std::size_t grown = store_.size(active.lane->sequence()) + active.lane->pending().size();
    const std::size_t prompt = active.lane->work().tokens.size();
    const std::size_t used = grown > prompt ? grown - prompt : 0;
    cells += active.reserve > used ? active.reserve - used : 0;
  }
  return cells;
}

std::size_t Scheduler::demand() const {
  std::size_t tokens = 0;
  for (const Active& active : active_) {
    tokens += active.lane->pending().size();
    if (const LabelTrie* trie = active.lane->trie()) tokens += trie->nodes.size();
  }
  return tokens;
}

// ---- Prefixes that stay in the cache ----

Scheduler::Source Scheduler::best_prefix(const Tokens& tokens, bool with_spine) const {
  Source best;
  const auto consider = [&](int sequence) {
    const std::size_t count = common_prefix(store_.tokens(sequence), tokens);
    if (count > best.count) best = {sequence, count};
  };
  for (const Prefix& prefix : prefixes_) consider(prefix.sequence);
  if (with_spine && spine_ != kNoSequence) consider(spine_);
  return best;
}

void Scheduler::touch_prefix(int sequence) {
  for (Prefix& prefix : prefixes_) {
    if (prefix.sequence == sequence) prefix.used = run_number_;
  }
}

void Scheduler::keep_prefixes(const Run& run) {
  const Active* last = nullptr;
  for (const Active& active : active_) {
    if (!active.is_new) continue;
    last = &active;
    const Work& work = active.lane->work();
    const int sequence = active.lane->sequence();
    const std::size_t keep = std::min(work.keep, store_.size(sequence));
    if (keep == 0) continue;
    const Source covering = best_prefix(work.tokens, false);
    if (covering.count >= keep) continue;
    if (prefixes_.size() >= kMostPrefixes && !drop_one_prefix()) continue;
    if (store_.free_sequences() < 2) continue;
    const int kept = store_.fork(sequence, keep);
    // What the new one begins with needs no sequence of its own.
    std::erase_if(prefixes_, [&](const Prefix& prefix) {
      const std::size_t size = store_.size(prefix.sequence);
      if (size > keep || common_prefix(store_.tokens(prefix.sequence), store_.tokens(kept)) < size)
        return false;
      retirement_.retire(prefix.sequence);
      return true;
    });
    prefixes_.push_back({kept, run_number_});
  }
  if (last == nullptr) return;
  int spine = kNoSequence;
  if (run.next < run.order.size()) {
    const Work& next = run.works[run.order[run.next]];
    const std::size_t common = std::min(run.common[run.next], store_.size(last->lane->sequence()));
    if (common > best_prefix(next.tokens, false).count)
      spine = store_.fork(last->lane->sequence(), common);
  }
  retirement_.retire(std::exchange(spine_, spine));
}

bool Scheduler::drop_one_prefix() {
  if (prefixes_.empty()) return false;
  const auto victim =
      std::min_element(prefixes_.begin(), prefixes_.end(), [&](const Prefix& a, const Prefix& b) {
        if (limits_.exact) return store_.highest_cell(a.sequence) > store_.highest_cell(b.sequence);
        if (a.used != b.used) return a.used < b.used;
        return store_.size(a.sequence) > store_.size(b.sequence);
      });
  retirement_.retire(victim->sequence);
  prefixes_.erase(victim);
  ++counters_.evicted_prefixes;
  return true;
}

void Scheduler::drop_all_prefixes() {
  while (drop_one_prefix()) {
  }
  retirement_.retire(std::exchange(spine_, kNoSequence));
  end_wave();
}

bool Scheduler::make_room(std::size_t cells) {
  if (limits_.exact && !active_.empty()) return false;
  if (!active_.empty()) {
    // What live requests hold as well comes free with them alone; then dropping prefixes helps
    // nobody.
    std::vector<int> sequences;
    for (const Prefix& prefix : prefixes_) sequences.push_back(prefix.sequence);
    if (store_.free() + store_.exclusive_cells(sequences) < cells) return false;
  }
  while (store_.free() < cells) {
    if (!drop_one_prefix()) {
      if (!active_.empty() || spine_ == kNoSequence) return false;
      retirement_.retire(std::exchange(spine_, kNoSequence));
    }
    if (active_.empty()) end_wave();
  }
  return true;
}

void Scheduler::end_wave() {
  if (!active_.empty()) return;
  retirement_.flush();
  if (!limits_.exact) return;
  while (!store_.is_compact()) {
    if (!drop_one_prefix()) {
      if (spine_ == kNoSequence) return;
      retirement_.retire(std::exchange(spine_, kNoSequence));
    }
    retirement_.flush();
  }
}

Result<bool> Scheduler::compute(Run& run) {
  std::vector<StepBatch::Member> members;
  members.reserve(active_.size());
  for (const Active& active : active_)
    // Live ones keep a place in an order that may have been made anew since.
    members.push_back(
        {active.lane.get(), active.is_new, active.is_new ? run.common[active.place] : 0});
  batch_.build(std::move(members));
  if (store_.free() < batch_.size() && !make_room(batch_.size())) return false;
  const auto computed = batch_.compute();
  for (std::size_t i = 0; i < active_.size(); ++i)
    run.computed[active_[i].work] += batch_.members()[i].computed;
  if (computed && *computed) count_width();
  return computed;
}

void Scheduler::count_width() {
  const auto width = static_cast<std::size_t>(std::count_if(
      active_.begin(), active_.end(),
      [](const Active& active) { return !active.is_new && active.lane->extends_value(); }));
  if (width >= counters_.steps_by_width.size()) counters_.steps_by_width.resize(width + 1, 0);
  if (width > 0) ++counters_.steps_by_width[width];
}

// ---- Ends ----

void Scheduler::collect(Run& run) {
  for (Active& active : active_) {
    active.is_new = false;
    if (!active.lane->is_done()) continue;
    active.lane->release();
    run.generated[active.work] += active.lane->generated();
    counters_.generated_tokens += static_cast<std::int64_t>(active.lane->generated());
    run.results[active.work] = std::move(*active.lane).result();
    active.lane.reset();
  }
  std::erase_if(active_, [](const Active& active) { return active.lane == nullptr; });
  if (active_.empty()) end_wave();
}

void Scheduler::drop_withdrawn(Run& run) {
  const Error error = stopped("engine", "the request was withdrawn before its reply was complete");
  const auto is_withdrawn = [&](std::size_t work) {
    if (!run.works[work].is_withdrawn()) return false;
    run.results[work] = error;
    return true;
  };
  std::erase_if(active_, [&](Active& active) {
    if (!is_withdrawn(active.work)) return false;
    active.lane->release();
    return true;
  });
  if (active_.empty()) end_wave();
  erase_from(run.order, run.common, run.next, is_withdrawn);
}

// Replies that grew longer than what was set aside for them may not all fit. The youngest wait then
// and begin again, which loses the least, until the next step has room.
void Scheduler::preempt(Run& run) {
  std::vector<std::size_t> waiting;
  while (active_.size() > 1 && store_.free() < demand() && !make_room(demand())) {
    active_.back().lane->release();
    waiting.push_back(active_.back().work);
    active_.pop_back();
  }
  if (waiting.empty()) return;
  counters_.restarts += static_cast<std::int64_t>(waiting.size());
  width_ = active_.size();
  is_halved_ = true;
  requeue(run, std::move(waiting));
}

void Scheduler::requeue(Run& run, std::vector<std::size_t> works) {
  works.insert(works.end(), run.order.begin() + static_cast<std::ptrdiff_t>(run.next),
               run.order.end());
  run.order = std::move(works);
  run.next = 0;
  sort_by_tokens(run.works, run.order, run.common);
}

Error Scheduler::too_small(const std::string& what) const {
  return bad_request("engine", "the cache of " + std::to_string(store_.capacity()) +
                                   " tokens is too small for " + what +
                                   "; open the model with more context_cells, or ask for less");
}

void Scheduler::restart(Run& run) {
  counters_.restarts += static_cast<std::int64_t>(active_.size());
  std::vector<std::size_t> order;
  for (Active& active : active_) {
    active.lane->release();
    order.push_back(active.work);
  }
  const bool was_alone = active_.size() == 1;
  width_ = std::max<std::size_t>(1, active_.size() / 2);
  is_halved_ = true;
  active_.clear();
  retirement_.retire(std::exchange(spine_, kNoSequence));
  end_wave();
  if (was_alone) {
    const std::size_t work = order.front();
    if (run.wants_whole_cache[work]) {
      run.results[work] = too_small("this request and its reply");
      order.clear();
    }
    run.wants_whole_cache[work] = true;
  }
  requeue(run, std::move(order));
}

// Between steps everything in the cache is whole, and the prefixes stay.
void Scheduler::abandon(Run& run, const Error& error) {
  for (Active& active : active_) active.lane->release();
  active_.clear();
  end_wave();
  for (auto& result : run.results) {
    if (!result) result = error;
  }
}

void Scheduler::fail_all(Run& run, const Error& error) {
  forget();
  for (auto& result : run.results) {
    if (!result) result = error;
  }
}

}  // namespace hone::local
