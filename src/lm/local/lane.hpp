// One request on its way through the model.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/lm/lm.hpp"

#include "lm/local/kv_store.hpp"
#include "lm/local/sampler.hpp"
#include "lm/local/slot_program.hpp"
#include "lm/local/tokenizer.hpp"

namespace hone::local {

// A request made ready: what is computed for it, and whom it answers.
struct Work {
  const LmRequest* request = nullptr;
  std::shared_ptr<const SlotProgram> program;
  Tokens tokens;  // the prompt and what is pushed before the first slot; never empty
  std::size_t prompt_tokens = 0;
  std::size_t keep = 0;  // so many leading tokens are worth keeping for later requests
  std::vector<std::size_t>
      answers;  // positions in the batch: more than one when requests were merged
  std::vector<std::stop_token> stops;  // of everybody it answers

  // Nobody waits for it any more.
  bool is_withdrawn() const;
};

// Gives sequences back, at once or, where cells must not be freed below live ones, when the wave is
// over.
class Retirement {
 public:
  Retirement(KvStore& store, bool defer) : store_(&store), defer_(defer) {}
  void retire(int sequence);
  void flush();

 private:
  KvStore* store_;
  bool defer_;
  std::vector<int> deferred_;
};

// Runs a slot program. Each step of the engine feeds `pending()` and the branches to the model,
// hands the rows it asked for to take_row(), and calls advance(). Not thread safe.
class Lane {
 public:
  // Branches computed at a time; labels beyond that take further steps.
  static constexpr std::size_t kMostBranches = 96;

  struct Terms {
    std::size_t token_limit = 0;  // the longest a sequence may get
    // Cells rise along every path even where branches are given back at once: goes on from a label
    // by computing its tokens again, above all others, and not from its branch.
    bool feeds_labels_again = false;
  };

  // Takes over `sequence`, which holds the first tokens of work.tokens.
  Lane(const Work& work, int sequence, KvStore& store, Retirement& retirement, Tokenizer& tokenizer,
       const Terms& terms);

  const Work& work() const { return *work_; }
  int sequence() const { return sequence_; }
  // To be fed to sequence() and branches(), in this order.
  const Tokens& pending() const { return pending_; }
  // Whether the row after the last pending token is wanted (there is one then, or it was fed
  // before).
  bool wants_row() const { return !is_done_ && group_ == 0; }
  // Whether what is pending is the last token of a value that goes on.
  bool extends_value() const {
    return !is_done_ && step().text != nullptr && !tokens_.empty() && pending_.size() == 1;
  }
  // Sequences for the label trie's branches first_branch() ..., all at the same point as
  // sequence().
  std::span<const int> branches() const { return branches_; }
  std::size_t first_branch() const { return group_ * kMostBranches; }
  // Null when no trie is to be fed in this step.
  const LabelTrie* trie() const;
  bool has_row(std::size_t row) const { return row_taken_[row]; }
  // Most sequences this lane holds at a time; `defers`: what it retires is given back at its end.
  static std::size_t sequences_needed(const SlotProgram& program, bool defers);

  // `row` 0 is the one after the pending tokens, i + 1 the one after the trie's node i.
  void take_row(std::size_t row, std::span<const float> logits);
  // After every row of a step was taken.
  void advance();

  bool is_done() const { return is_done_; }
  std::size_t generated() const { return generated_; }
  Result<LmReply> result() &&;
  // Gives back every sequence. The lane is over.
  void release();

 private:
  struct Generated {
    Token token;
    std::size_t end;  // of its text in value_
    double log_prob;
  };

  const SlotStep& step() const { return work_->program->steps[step_]; }
  void begin_step();
  void fork_branches();
  void take_label_row(std::size_t row, std::span<const float> logits);
  void finish_label();
  void advance_text();
  void append(Token token, double log_prob = 0);
  void report_tokens(std::size_t size);
  // Where the earliest stop string begins that the newest token completed, if any.
  std::optional<std::size_t> find_stop(std::size_t old_size) const;
  // Ends a value under a grammar that ran out of tokens, by the shortest way the grammar allows.
  void close_value();
  void finish_text(std::size_t size);
  void finish();
  void fail(Error error);
  void move_to(int sequence);

  const Work* work_;
  int sequence_;
  KvStore* store_;
  Retirement* retirement_;
  Tokenizer* tokenizer_;
  Terms terms_;

  std::size_t step_ = 0;
  Tokens pending_;
  bool is_done_ = false;
  std::optional<Error> error_;
  LmReply reply_;
  std::size_t generated_ = 0;

  std::vector<int> branches_;
  std::size_t group_ = 0;
  std::vector<bool> row_taken_;
  std::vector<double> scores_;

  TokenChooser chooser_;
  Choice choice_;
  GrammarState grammar_;
  std::string value_;
  std::vector<Generated> tokens_;
  std::size_t chosen_tokens_ = 0;  // of tokens_: those the model chose; others close the value
  std::size_t value_start_ = 0;    // size of the sequence where the value begins
};

}  // namespace hone::local
