// A reply plan turned into tokens: what is pushed, and where which logits are read.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/reply_plan.hpp"

#include "lm/local/llama_handles.hpp"
#include "lm/local/tokenizer.hpp"

namespace hone::local {

// The labels of one slot as a trie over the tokens that follow the context. A node is fed to the
// model only when some label needs the prediction after it; the row at the context's end (row 0)
// serves the first tokens.
struct LabelTrie {
  struct Node {
    Token token = 0;
    int parent = -1;        // index of a node, -1 = the context's end
    std::size_t depth = 0;  // 1 = directly after the context
    std::size_t first_branch = 0,
                last_branch = 0;  // half-open range of branches that pass through it
  };
  struct Term {
    std::size_t label;
    Token token;
  };
  Tokens context;                        // tokens wholly inside the slot's lead: pushed, not scored
  std::vector<Node> nodes;               // in depth-first order
  std::size_t branches = 0;              // leaves of the trie: sequences it takes to compute it
  std::vector<std::vector<Term>> terms;  // by row: 0 = context's end, i + 1 = after nodes[i]
  std::vector<Tokens> labels;            // every label's tokens after `context`
  std::vector<int> deepest_node;         // by label: its last node that is fed, -1 = none
};

// One slot with the text that is pushed before it.
struct SlotStep {
  std::string forced;  // as the reply holds it, without the slot's lead
  std::string pushed;  // forced and as much of the lead as is pushed
  Tokens pushed_tokens;
  const LabelSlot* label = nullptr;  // exactly one of the two is set; both point into the plan
  const TextSlot* text = nullptr;
  LabelTrie trie;
  // A lead that ends in a space is cut there: the space belongs to the first token of the value,
  // which has to begin with it.
  bool space_first = false;
  std::shared_ptr<llama_sampler> grammar;  // a prototype to clone; null = any text
};

struct SlotProgram {
  std::shared_ptr<const ReplyPlan> plan;
  std::vector<SlotStep> steps;
  std::string trailing;  // text after the last slot: part of the reply, never computed
  std::size_t most_branches = 0;
};

// bad_request when a grammar does not parse, a label slot has no labels or a text slot cannot end.
Result<SlotProgram> compile_plan(std::shared_ptr<const ReplyPlan> plan, Tokenizer& tokenizer);

}  // namespace hone::local
