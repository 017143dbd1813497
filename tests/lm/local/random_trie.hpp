// Random requests for the scheduler.
#pragma once

#include <memory>
#include <utility>
#include <vector>

#include "hone/base/rng.hpp"

#include "lm/local/model_fixture.hpp"

namespace hone::local {

// Random token strings that share beginnings: nodes of a trie `depth` deep, leaves below them, some
// doubled, some prompts that begin others.
inline std::vector<Tokens> random_trie(Rng& rng, std::size_t leaves, std::size_t depth,
                                       std::size_t longest_run) {
  std::vector<Tokens> nodes = {Tokens{}};
  std::vector<Tokens> prompts;
  while (prompts.size() < leaves) {
    Tokens tokens = nodes[rng.below(nodes.size())];
    const std::size_t run = 1 + rng.below(longest_run);
    for (std::size_t i = 0; i < run; ++i)
      tokens.push_back(static_cast<Token>(100 + rng.below(40000)));
    if (nodes.size() < depth * 2 && tokens.size() < depth * longest_run) nodes.push_back(tokens);
    if (rng.below(3) == 0 && !nodes.back().empty()) prompts.push_back(nodes.back());
    prompts.push_back(tokens);
    if (rng.below(5) == 0) prompts.push_back(tokens);
  }
  prompts.resize(leaves);
  return prompts;
}

struct Trial {
  LmRequest request;
  std::vector<Work> works;
};

// Works with the given tokens that each generate up to `generated` tokens greedily.
inline Trial make_trial(LocalLm::Impl& impl, const std::vector<Tokens>& prompts,
                        std::size_t generated) {
  Trial trial;
  trial.request = make_request({}, {TextSlot{"out", "", "", {"\n\n\n\n"}, generated}});
  auto program = compile_plan(trial.request.reply, impl.tokenizer());
  const auto shared = std::make_shared<const SlotProgram>(*std::move(program));
  for (const Tokens& prompt : prompts) {
    Work work;
    work.program = shared;
    work.tokens = prompt;
    work.prompt_tokens = prompt.size();
    trial.works.push_back(std::move(work));
  }
  return trial;
}

}  // namespace hone::local
