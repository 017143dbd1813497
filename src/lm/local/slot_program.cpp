#include "lm/local/slot_program.hpp"

#include <algorithm>
#include <cmath>
#include <map>

#include "lm/local/token_order.hpp"

namespace hone::local {
namespace {

// How many leading tokens lie wholly inside the first `bytes` bytes.
std::size_t tokens_within(const Tokenizer& tokenizer, const Tokens& tokens, std::size_t bytes) {
  std::size_t seen = 0;
  std::size_t count = 0;
  for (const Token token : tokens) {
    seen += tokenizer.piece(token).size();
    if (seen > bytes) break;
    ++count;
  }
  return count;
}

struct BuildNode {
  std::map<Token, std::size_t> children;  // ordered: the same trie for the same labels
  bool is_fed = false;
};

class TrieBuilder {
 public:
  TrieBuilder(const LabelSlot& slot, const Tokenizer& tokenizer) {
    for (const std::string& label : slot.labels)
      trie_.labels.push_back(tokenizer.encode(slot.lead + label));
    std::size_t context = trie_.labels.front().size();
    for (const Tokens& label : trie_.labels) {
      context = std::min({context, common_prefix(label, trie_.labels.front()),
                          tokens_within(tokenizer, label, slot.lead.size())});
    }
    trie_.context.assign(trie_.labels.front().begin(),
                         trie_.labels.front().begin() + static_cast<std::ptrdiff_t>(context));
    for (Tokens& label : trie_.labels)
      label.erase(label.begin(), label.begin() + static_cast<std::ptrdiff_t>(context));

    close_ = tokenizer.encode(slot.close);
  }

  LabelTrie build() {
    build_.emplace_back();
    std::vector<std::vector<std::size_t>> paths;
    for (const Tokens& label : trie_.labels) paths.push_back(insert(label));
    for (std::size_t i = 0; i < paths.size(); ++i) {
      // A label that begins another is told apart from it by what follows it.
      const bool begins_another = !build_[paths[i].back()].children.empty() && !close_.empty();
      for (std::size_t k = 0; k + 1 < paths[i].size(); ++k)
        need(paths[i][k], {i, trie_.labels[i][k]});
      if (begins_another) need(paths[i].back(), {i, close_.front()});
    }
    trie_.terms.emplace_back(std::move(needs_[0]));
    number(0, -1, 0);
    for (const std::vector<std::size_t>& path : paths) {
      int deepest = -1;
      for (const std::size_t node : path) {
        if (node != 0 && build_[node].is_fed) deepest = numbers_.at(node);
      }
      trie_.deepest_node.push_back(deepest);
    }
    return std::move(trie_);
  }

 private:
  std::vector<std::size_t> insert(const Tokens& label) {
    std::vector<std::size_t> path = {0};
    for (const Token token : label) {
      const auto [child, is_new] = build_[path.back()].children.try_emplace(token, build_.size());
      path.push_back(child->second);
      if (is_new) build_.emplace_back();
    }
    return path;
  }

  void need(std::size_t node, LabelTrie::Term term) {
    build_[node].is_fed = true;
    needs_[node].push_back(term);
  }

  void number(std::size_t node, int number_of_node, std::size_t depth) {
    bool is_leaf = true;
    for (const auto& [token, child] : build_[node].children) {
      if (!build_[child].is_fed) continue;
      is_leaf = false;
      const int index = static_cast<int>(trie_.nodes.size());
      numbers_[child] = index;
      trie_.nodes.push_back({token, number_of_node, depth + 1, trie_.branches, 0});
      trie_.terms.emplace_back(std::move(needs_[child]));
      number(child, index, depth + 1);
      trie_.nodes[static_cast<std::size_t>(index)].last_branch = trie_.branches;
    }
    if (is_leaf && node != 0) ++trie_.branches;
  }

  LabelTrie trie_;
  Tokens close_;
  std::vector<BuildNode> build_;
  std::map<std::size_t, std::vector<LabelTrie::Term>> needs_;
  std::map<std::size_t, int> numbers_;
};

Result<std::shared_ptr<llama_sampler>> compile_grammar(const TextSlot& slot, bool space_first,
                                                       const Tokenizer& tokenizer) {
  std::string text = slot.grammar;
  const char* root = "root";
  if (space_first) {
    text += "\nhone-spaced-root ::= \" \" root\n";
    root = "hone-spaced-root";
  }
  LogCapture log;
  llama_sampler* sampler = llama_sampler_init_grammar(tokenizer.vocab(), text.c_str(), root);
  if (sampler == nullptr)
    return bad_request("grammar of " + slot.field, log.text("it does not parse"));
  return std::shared_ptr<llama_sampler>(sampler, SamplerDeleter());
}

Result<void> add_text_slot(SlotStep& step, const TextSlot& slot, const Tokenizer& tokenizer) {
  if (slot.grammar.empty() && slot.stop.empty()) {
    return bad_request("reply plan, " + slot.field,
                       "a value without a grammar needs a stop string");
  }
  if (slot.max_tokens == 0)
    return bad_request("reply plan, " + slot.field, "max_tokens is 0; a value has at least one");
  step.text = &slot;
  step.space_first = slot.lead.ends_with(' ');
  step.pushed =
      step.forced + (step.space_first ? slot.lead.substr(0, slot.lead.size() - 1) : slot.lead);
  step.pushed_tokens = tokenizer.encode(step.pushed);
  if (slot.grammar.empty()) return {};
  auto grammar = compile_grammar(slot, step.space_first, tokenizer);
  if (!grammar) return grammar.error();
  step.grammar = *std::move(grammar);
  return {};
}

Result<void> add_label_slot(SlotStep& step, const LabelSlot& slot, const Tokenizer& tokenizer) {
  if (slot.labels.empty())
    return bad_request("reply plan, " + slot.field, "a choice needs at least one label");
  if (!slot.bias.empty() && slot.bias.size() != slot.labels.size()) {
    return bad_request("reply plan, " + slot.field, "there must be one bias a label");
  }
  if (!std::all_of(slot.bias.begin(), slot.bias.end(),
                   [](double bias) { return std::isfinite(bias); })) {
    return bad_request("reply plan, " + slot.field, "a bias is no finite number");
  }
  step.label = &slot;
  step.trie = TrieBuilder(slot, tokenizer).build();
  step.pushed = step.forced;
  step.pushed_tokens = tokenizer.encode(step.pushed);
  step.pushed_tokens.insert(step.pushed_tokens.end(), step.trie.context.begin(),
                            step.trie.context.end());
  return {};
}

}  // namespace

Result<SlotProgram> compile_plan(std::shared_ptr<const ReplyPlan> plan, Tokenizer& tokenizer) {
  SlotProgram program;
  std::string forced;
  for (const ReplyPart& part : plan->parts) {
    if (const auto* text = std::get_if<ForcedText>(&part)) {
      forced += text->text;
      continue;
    }
    SlotStep step;
    step.forced = std::move(forced);
    forced.clear();
    const auto* label = std::get_if<LabelSlot>(&part);
    const auto added = label != nullptr ? add_label_slot(step, *label, tokenizer)
                                        : add_text_slot(step, std::get<TextSlot>(part), tokenizer);
    if (!added) return added.error();
    program.most_branches = std::max(program.most_branches, step.trie.branches);
    program.steps.push_back(std::move(step));
  }
  program.trailing = std::move(forced);
  program.plan = std::move(plan);
  return program;
}

}  // namespace hone::local
