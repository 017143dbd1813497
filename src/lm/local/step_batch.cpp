#include "lm/local/step_batch.hpp"

#include <algorithm>
#include <utility>

#include "lm/local/stopwatch.hpp"

namespace hone::local {

StepBatch::StepBatch(llama_context* context, std::size_t vocabulary, KvStore& store,
                     const BatchLimits& limits, LocalCounters& counters)
    : context_(context),
      vocabulary_(vocabulary),
      store_(&store),
      limits_(limits),
      counters_(&counters) {}

void StepBatch::build(std::vector<Member> members) {
  members_ = std::move(members);
  entries_.clear();
  receivers_.clear();
  sets_.clear();
  for (std::size_t i = 0; i < members_.size(); ++i) {
    if (members_[i].is_new) {
      add_new_lane(i);
    } else {
      add_live_lane(i);
    }
    add_branches(i);
  }
}

void StepBatch::add_live_lane(std::size_t index) {
  Lane& lane = *members_[index].lane;
  if (lane.pending().empty()) return;
  std::vector<llama_seq_id> set(1, lane.sequence());
  set.insert(set.end(), lane.branches().begin(), lane.branches().end());
  sets_.push_back(std::move(set));
  auto position = static_cast<llama_pos>(store_->size(lane.sequence()));
  for (const Token token : lane.pending()) {
    entries_.push_back(
        {token, position++, sets_.size() - 1, receivers_.size(), receivers_.size(), index});
  }
  if (!lane.wants_row()) return;
  receivers_.push_back({&lane, 0});
  entries_.back().last_receiver = receivers_.size();
}

void StepBatch::add_new_lane(std::size_t index) {
  const Tokens& tokens = members_[index].lane->work().tokens;
  const bool has_neighbour = index > 0 && members_[index - 1].is_new;
  const std::size_t seed = store_->size(members_[index].lane->sequence());
  const std::size_t begin = has_neighbour ? std::max(seed, members_[index].common) : seed;

  // Lanes index ... members[k] - 1 share the token at `position`; the further on, the fewer.
  std::vector<std::size_t> shared;  // by following lane: so many tokens in common with this one
  for (std::size_t other = index + 1; other < members_.size(); ++other) {
    const std::size_t common = members_[other].common;
    shared.push_back(shared.empty() ? common : std::min(shared.back(), common));
  }
  std::size_t members = static_cast<std::size_t>(-1);
  for (std::size_t position = begin; position < tokens.size(); ++position) {
    std::size_t count = 0;
    while (count < shared.size() && shared[count] > position &&
           store_->size(members_[index + 1 + count].lane->sequence()) <= position) {
      ++count;
    }
    if (count != members) {
      members = count;
      std::vector<llama_seq_id> set;
      for (std::size_t lane = index; lane <= index + count; ++lane) {
        set.push_back(members_[lane].lane->sequence());
        const auto branches = members_[lane].lane->branches();
        set.insert(set.end(), branches.begin(), branches.end());
      }
      sets_.push_back(std::move(set));
    }
    Entry entry{tokens[position],
                static_cast<llama_pos>(position),
                sets_.size() - 1,
                receivers_.size(),
                0,
                index};
    for (std::size_t lane = index; lane <= index + count; ++lane) {
      if (members_[lane].lane->work().tokens.size() == position + 1)
        receivers_.push_back({members_[lane].lane, 0});
    }
    entry.last_receiver = receivers_.size();
    entries_.push_back(entry);
  }
}

void StepBatch::add_branches(std::size_t index) {
  Lane& lane = *members_[index].lane;
  const LabelTrie* trie = lane.trie();
  if (trie == nullptr) return;
  const std::size_t first = lane.first_branch();
  const std::size_t last = first + lane.branches().size();
  const std::size_t base = std::max(lane.work().tokens.size() * (members_[index].is_new ? 1 : 0),
                                    store_->size(lane.sequence()) + lane.pending().size());
  for (std::size_t i = 0; i < trie->nodes.size(); ++i) {
    const LabelTrie::Node& node = trie->nodes[i];
    const std::size_t from = std::max(node.first_branch, first);
    const std::size_t to = std::min(node.last_branch, last);
    if (from >= to) continue;
    std::vector<llama_seq_id> set;
    for (std::size_t branch = from; branch < to; ++branch)
      set.push_back(lane.branches()[branch - first]);
    sets_.push_back(std::move(set));
    Entry entry{node.token,
                static_cast<llama_pos>(base + node.depth - 1),
                sets_.size() - 1,
                receivers_.size(),
                0,
                index};
    if (!lane.has_row(i + 1)) receivers_.push_back({&lane, i + 1});
    entry.last_receiver = receivers_.size();
    entries_.push_back(entry);
  }
}

Result<bool> StepBatch::compute() {
  std::size_t first = 0;
  while (first < entries_.size()) {
    std::size_t last = first;
    std::size_t rows = 0;
    while (last < entries_.size() && last - first < limits_.tokens) {
      const bool has_row = entries_[last].first_receiver < entries_[last].last_receiver;
      if (has_row && rows == limits_.rows) break;
      rows += has_row ? 1 : 0;
      ++last;
    }
    const auto decoded = decode(first, last);
    if (!decoded || !*decoded) return decoded;
    for (std::size_t i = first; i < last; ++i) {
      counters_->attended_tokens += entries_[i].position + 1;
      store_->append(sets_[entries_[i].set], entries_[i].token);
      ++members_[entries_[i].charge].computed;
    }
    counters_->computed_tokens += static_cast<std::int64_t>(last - first);
    counters_->rows += static_cast<std::int64_t>(rows);
    deliver(first, last);
    first = last;
  }
  return true;
}

Result<bool> StepBatch::decode(std::size_t first, std::size_t last) {
  batch_tokens_.clear();
  batch_positions_.clear();
  batch_set_sizes_.clear();
  batch_sets_.clear();
  batch_outputs_.clear();
  for (std::size_t i = first; i < last; ++i) {
    Entry& entry = entries_[i];
    batch_tokens_.push_back(entry.token);
    batch_positions_.push_back(entry.position);
    batch_set_sizes_.push_back(static_cast<std::int32_t>(sets_[entry.set].size()));
    batch_sets_.push_back(sets_[entry.set].data());
    batch_outputs_.push_back(entry.first_receiver < entry.last_receiver ? 1 : 0);
  }
  llama_batch batch{};
  batch.n_tokens = static_cast<std::int32_t>(last - first);
  batch.token = batch_tokens_.data();
  batch.pos = batch_positions_.data();
  batch.n_seq_id = batch_set_sizes_.data();
  batch.seq_id = batch_sets_.data();
  batch.logits = batch_outputs_.data();

  LogCapture log;
  Stopwatch watch(counters_->decode_seconds);
  const std::int32_t status = llama_decode(context_, batch);
  llama_synchronize(context_);
  ++counters_->decode_calls;
  if (status == 0) return true;
  if (status == 1) return false;
  if (status == 2) return stopped("engine", "stopped before the reply was complete");
  return internal_error(
      "engine", log.text("llama.cpp could not compute a batch (" + std::to_string(status) + ")"));
}

void StepBatch::deliver(std::size_t first, std::size_t last) {
  Stopwatch watch(counters_->row_seconds);
  const std::size_t size = vocabulary_;
  for (std::size_t i = first; i < last; ++i) {
    const Entry& entry = entries_[i];
    if (entry.first_receiver == entry.last_receiver) continue;
    const float* logits = llama_get_logits_ith(context_, static_cast<std::int32_t>(i - first));
    const std::span<const float> row(logits, size);
    if (observer_) {
      const Tokens& tokens = store_->tokens(sets_[entry.set].front());
      observer_(Tokens(tokens.begin(), tokens.begin() + entry.position + 1), row);
    }
    for (std::size_t k = entry.first_receiver; k < entry.last_receiver; ++k) {
      receivers_[k].lane->take_row(receivers_[k].row, row);
    }
  }
}

}  // namespace hone::local
