// The sequences in llama.cpp's KV cache, with the bookkeeping it does not offer: which tokens each
// sequence holds and how many cells are free.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "lm/local/llama_handles.hpp"

namespace hone::local {

inline constexpr int kNoSequence = -1;

// Mirrors a unified cache: a cell is used while any sequence holds it. Sequences are small numbers,
// as llama.cpp knows them. Not thread safe.
//
// While nothing but the newest cells is ever freed, cell numbers here are llama.cpp's own: what the
// exact mode needs to keep cells in rising order along every path.
class KvStore {
 public:
  KvStore(llama_memory_t memory, std::size_t cells);

  // A new sequence with the first `count` tokens of `source` (kNoSequence: none). kNoSequence when
  // all ids are taken. O(cells of the cache), about 10 us.
  int fork(int source, std::size_t count);
  void release(int sequence);
  // Forgets every sequence.
  void clear();

  // Records that llama.cpp computed one token for these sequences, which all end at the same point.
  void append(std::span<const llama_seq_id> sequences, Token token);

  const Tokens& tokens(int sequence) const {
    return sequences_[static_cast<std::size_t>(sequence)].tokens;
  }
  std::size_t size(int sequence) const { return tokens(sequence).size(); }
  std::size_t capacity() const { return references_.size(); }
  std::size_t used() const { return used_; }
  std::size_t free() const { return references_.size() - used_; }
  std::size_t free_sequences() const { return free_ids_.size(); }

  // Whether the used cells are 0 ... used() - 1, without a hole.
  bool is_compact() const;
  // The highest cell a sequence holds; 0 when it holds none.
  std::size_t highest_cell(int sequence) const;
  // Cells that none but these sequences hold. O(cells of the cache + tokens of the sequences).
  std::size_t exclusive_cells(std::span<const int> sequences) const;

 private:
  struct Sequence {
    Tokens tokens;
    std::vector<std::uint32_t> cells;
  };

  llama_memory_t memory_;
  std::vector<Sequence> sequences_;
  std::vector<int> free_ids_;              // highest last-in order
  std::vector<std::uint16_t> references_;  // by cell
  std::size_t lowest_free_ = 0;            // no free cell below
  std::size_t used_ = 0;
};

}  // namespace hone::local
