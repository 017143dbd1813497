// Computes a set of requests as a trie over tokens, many sequences in each batch.
#pragma once

#include <llama.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/lm/local.hpp"

#include "lm/local/kv_store.hpp"
#include "lm/local/lane.hpp"
#include "lm/local/step_batch.hpp"
#include "lm/local/tokenizer.hpp"

namespace hone::local {

struct ScheduleLimits {
  std::size_t width = 64;           // lanes at once
  std::size_t step_tokens = 512;    // one physical batch
  std::size_t batch_tokens = 2048;  // most tokens of one llama_decode
  std::size_t rows = 64;            // most output rows of one llama_decode
  std::size_t kept_cells = 4096;    // prefixes nobody waits for may hold so many cells
  std::size_t token_limit = 0;      // longest sequence
  bool exact = false;
};

// Requests are taken in the order of their tokens, which is a depth-first walk of the trie: what
// two neighbours share is computed once, as tokens of several sequences. Prompt tokens of new lanes
// and reply tokens of live ones go into the same batches. Prefixes outlive the call (least recently
// used go first).
//
// In exact mode cells rise along every path: nothing is freed while a lane lives, and a lane that
// opens an inner node of the trie waits until it can be placed directly above its own prefix. One
// that would hold more sequences than there are is computed alone: what it frees is then always on
// top, and may be freed at once.
class Scheduler {
 public:
  Scheduler(llama_context* context, Tokenizer& tokenizer, ScheduleLimits limits);

  // One result for each work, in order; fills the usage but for prompt_tokens and lm_calls.
  std::vector<Result<LmReply>> run(std::span<const Work> works, const std::stop_token& stop);

  void forget();
  const LocalCounters& counters() const { return counters_; }
  LocalCounters& counters() { return counters_; }
  const KvStore& store() const { return store_; }
  std::size_t kept_prefixes() const { return prefixes_.size(); }
  // For tests.
  void observe_rows(RowObserver observer) { batch_.observe_rows(std::move(observer)); }

 private:
  struct Prefix {
    int sequence = kNoSequence;
    std::uint64_t used = 0;  // number of the run that last needed it
  };
  struct Active {
    std::size_t work = 0;   // index into the run's works
    std::size_t place = 0;  // index into the run's order
    std::unique_ptr<Lane> lane;
    bool is_new = false;
    std::size_t reserve = 0;    // cells it may still need after its prompt
    std::size_t sequences = 0;  // most it holds at a time
    bool is_alone = false;      // nothing is computed beside it
  };
  struct Source {
    int sequence = kNoSequence;
    std::size_t count = 0;
  };

  // The run in progress.
  struct Run {
    std::span<const Work> works;
    std::vector<std::size_t> order;   // by tokens
    std::vector<std::size_t> common;  // order[i] shares so many tokens with order[i - 1]
    std::size_t next = 0;             // position in order
    bool may_shrink = false;          // some work may be withdrawn
    // By work: found no room even by itself, and is tried once more with the whole cache.
    std::vector<bool> wants_whole_cache;
    std::vector<std::optional<Result<LmReply>>> results;
    std::vector<std::size_t> computed;
    std::vector<std::size_t> generated;
  };

  void admit(Run& run);
  bool has_width(const Work& work) const;
  bool must_be_alone(const Run& run, std::size_t work) const;
  bool admit_next(Run& run, std::size_t& step_tokens);
  bool opens_inner_node(const Run& run, std::size_t shared) const;
  // `given_up`: sequences counted as free that are not yet.
  bool has_sequences(std::size_t count, std::size_t given_up = 0) const;
  std::size_t outstanding_reserve() const;
  Source best_prefix(const Tokens& tokens, bool with_spine) const;
  void touch_prefix(int sequence);
  // False when the cache has no room.
  Result<bool> compute(Run& run);
  void count_width();
  void keep_prefixes(const Run& run);
  void collect(Run& run);
  void drop_withdrawn(Run& run);
  void preempt(Run& run);
  void requeue(Run& run, std::vector<std::size_t> works);
  void restart(Run& run);
  Error too_small(const std::string& what) const;
  bool make_room(std::size_t cells);
  bool drop_one_prefix();
  void drop_all_prefixes();
  void end_wave();
  void abandon(Run& run, const Error& error);
  void fail_all(Run& run, const Error& error);
  std::size_t demand() const;

  Tokenizer* tokenizer_;
  ScheduleLimits limits_;
  KvStore store_;
  Retirement retirement_;
  Retirement at_once_;  // of a lane that is alone
  std::vector<Prefix> prefixes_;
  int spine_ = kNoSequence;  // the last admitted request's path, as far as the next one shares it
  std::size_t width_;
  bool is_halved_ = false;  // there was no room for the usual width
  std::uint64_t run_number_ = 0;
  LocalCounters counters_;
  StepBatch batch_;

  std::vector<Active> active_;
};

}  // namespace hone::local
