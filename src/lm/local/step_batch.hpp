// What all live requests need next, as one batch for llama.cpp.
#pragma once

#include <llama.h>

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/lm/local.hpp"

#include "lm/local/kv_store.hpp"
#include "lm/local/lane.hpp"
#include "lm/local/tokenizer.hpp"

namespace hone::local {

// What a test wants to see of each row: the tokens before it and the logits.
using RowObserver = std::function<void(const Tokens& before, std::span<const float> logits)>;

// Of one llama_decode.
struct BatchLimits {
  std::size_t tokens = 2048;
  std::size_t rows = 64;  // of output
};

// A token that several lanes share is in it once, with all their sequences. Not thread safe.
class StepBatch {
 public:
  struct Member {
    Lane* lane = nullptr;
    bool is_new = false;       // its prompt is still to be computed
    std::size_t common = 0;    // so many tokens are those of the request before it in the order
    std::size_t computed = 0;  // tokens it is charged with; filled by compute()
  };

  // All of it outlives the batch.
  StepBatch(llama_context* context, std::size_t vocabulary, KvStore& store,
            const BatchLimits& limits, LocalCounters& counters);

  // New members that follow each other in the order stand side by side.
  void build(std::vector<Member> members);
  std::size_t size() const { return entries_.size(); }  // tokens
  const std::vector<Member>& members() const { return members_; }
  // Computes it and hands out the rows. False when the cache has no room.
  Result<bool> compute();
  void observe_rows(RowObserver observer) { observer_ = std::move(observer); }

 private:
  struct Receiver {
    Lane* lane;
    std::size_t row;
  };
  struct Entry {
    Token token;
    llama_pos position;
    std::size_t set;  // index into sets_
    std::size_t first_receiver = 0, last_receiver = 0;
    std::size_t charge = 0;  // index into members_
  };

  void add_live_lane(std::size_t index);
  void add_new_lane(std::size_t index);
  void add_branches(std::size_t index);
  Result<bool> decode(std::size_t first, std::size_t last);
  void deliver(std::size_t first, std::size_t last);

  llama_context* context_;
  std::size_t vocabulary_;
  KvStore* store_;
  BatchLimits limits_;
  LocalCounters* counters_;
  RowObserver observer_;

  std::vector<Member> members_;
  std::vector<Entry> entries_;
  std::vector<Receiver> receivers_;
  std::vector<std::vector<llama_seq_id>> sets_;
  std::vector<llama_token> batch_tokens_;
  std::vector<llama_pos> batch_positions_;
  std::vector<std::int32_t> batch_set_sizes_;
  std::vector<llama_seq_id*> batch_sets_;
  std::vector<std::int8_t> batch_outputs_;
};

}  // namespace hone::local
