// What all proposers share: how they ask, and how much they show.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/core/example.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/optimize/search.hpp"
#include "hone/program/predictor.hpp"

namespace hone {

// Bytes of one part of a proposer's prompt: a small local model has a small context, and a proposal
// that does not fit is none.
inline constexpr std::size_t kPartLimit = 1600;
inline constexpr std::size_t kItemLimit = 400;  // of one example, demo or attempt in a part

struct Part {
  std::string name;         // the field's
  std::string description;  // what the model is told it is
  std::string text;         // empty parts are left out
};

// One question to the proposing model: parts in, one bounded output field out. Bounded types keep a
// small model under a grammar from rambling, so that every reply is a proposal.
struct Question {
  std::string instructions;
  std::vector<Part> parts;
  std::string output;  // name
  Type type = Type::str();
};

struct Asking {
  double temperature = 1.0;
  std::uint64_t sample = 0;
};

// Answers in the order of the questions, all asked at once; none where the model failed or gave
// nothing. Failures are reported as one notice. Questions may differ in their parts.
std::vector<std::optional<Value>> ask(Search& search, const std::vector<Question>& questions,
                                      const Asking& asking);
// The same for text answers, trimmed; empty ones are none.
std::vector<std::optional<std::string>> ask_texts(Search& search,
                                                  const std::vector<Question>& questions,
                                                  const Asking& asking);

// A text of at least one byte and at most `limit`.
Type bounded_text(std::size_t limit, std::string description);

// "ticket: …\nqueue: …" of an object's fields, each shortened.
std::string fields_text(const Value& object, std::size_t limit = kItemLimit);
// Numbered blocks, as many as fit in the limit.
std::string numbered(const std::vector<std::string>& blocks, std::size_t limit = kPartLimit);

// A scored attempt at an instruction.
struct Attempt {
  std::string instruction;
  double score = 0;
};
// The best `count` attempts, worst first and best last, each with its score: the order in which a
// model learns the direction (OPRO: Yang et al. 2023).
std::string history_text(std::vector<Attempt> attempts, std::size_t count);

// A run as a person would tell it: inputs, answer, what was expected, score and feedback.
std::string case_text(const Example& example, const Rollout& rollout, const Signature& signature);
// Cases of the lowest score among rollouts, those with full score left out; `examples` in the
// rollouts' order.
std::string bad_cases_text(const Examples& examples, const std::vector<Rollout>& rollouts,
                           const Signature& signature, std::size_t count);

}  // namespace hone
