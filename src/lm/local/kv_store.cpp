#include "lm/local/kv_store.hpp"

#include <algorithm>

namespace hone::local {
KvStore::KvStore(llama_memory_t memory, std::size_t cells)
    : memory_(memory), sequences_(kMostSequences), references_(cells, 0) {
  for (std::size_t id = kMostSequences; id > 0; --id) free_ids_.push_back(static_cast<int>(id) - 1);
}

int KvStore::fork(int source, std::size_t count) {
  if (free_ids_.empty()) return kNoSequence;
  const int id = free_ids_.back();
  free_ids_.pop_back();
  if (source == kNoSequence || count == 0) return id;
  const Sequence& from = sequences_[static_cast<std::size_t>(source)];
  Sequence& to = sequences_[static_cast<std::size_t>(id)];
  to.tokens.assign(from.tokens.begin(), from.tokens.begin() + static_cast<std::ptrdiff_t>(count));
  to.cells.assign(from.cells.begin(), from.cells.begin() + static_cast<std::ptrdiff_t>(count));
  for (const std::uint32_t cell : to.cells) ++references_[cell];
  llama_memory_seq_cp(memory_, source, id, 0, static_cast<llama_pos>(count));
  return id;
}

void KvStore::release(int sequence) {
  Sequence& state = sequences_[static_cast<std::size_t>(sequence)];
  if (!state.cells.empty()) llama_memory_seq_rm(memory_, sequence, -1, -1);
  for (const std::uint32_t cell : state.cells) {
    if (--references_[cell] == 0) {
      --used_;
      lowest_free_ = std::min<std::size_t>(lowest_free_, cell);
    }
  }
  state.tokens.clear();
  state.cells.clear();
  free_ids_.push_back(sequence);
}

void KvStore::clear() {
  llama_memory_clear(memory_, false);
  free_ids_.clear();
  for (std::size_t id = kMostSequences; id > 0; --id) {
    sequences_[id - 1] = {};
    free_ids_.push_back(static_cast<int>(id) - 1);
  }
  std::fill(references_.begin(), references_.end(), std::uint16_t{0});
  lowest_free_ = 0;
  used_ = 0;
}

void KvStore::append(std::span<const llama_seq_id> sequences, Token token) {
  while (lowest_free_ < references_.size() && references_[lowest_free_] != 0) ++lowest_free_;
  if (lowest_free_ == references_.size()) return;
  const auto cell = static_cast<std::uint32_t>(lowest_free_);
  references_[cell] = static_cast<std::uint16_t>(sequences.size());
  ++used_;
  for (const llama_seq_id id : sequences) {
    Sequence& state = sequences_[static_cast<std::size_t>(id)];
    state.tokens.push_back(token);
    state.cells.push_back(cell);
  }
}

bool KvStore::is_compact() const {
  return std::all_of(references_.begin(), references_.begin() + static_cast<std::ptrdiff_t>(used_),
                     [](std::uint16_t count) { return count != 0; });
}

std::size_t KvStore::highest_cell(int sequence) const {
  const auto& cells = sequences_[static_cast<std::size_t>(sequence)].cells;
  return cells.empty() ? 0 : *std::max_element(cells.begin(), cells.end());
}

std::size_t KvStore::exclusive_cells(std::span<const int> sequences) const {
  std::vector<std::uint16_t> held(references_.size(), 0);
  std::size_t count = 0;
  for (const int sequence : sequences) {
    for (const std::uint32_t cell : sequences_[static_cast<std::size_t>(sequence)].cells)
      count += ++held[cell] == references_[cell] ? 1 : 0;
  }
  return count;
}

}  // namespace hone::local
