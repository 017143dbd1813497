// What happened in one run of a program, step by step.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/prompt.hpp"
#include "hone/core/value.hpp"

namespace hone {

// What was spent. Token counts are the model's own; `computed_tokens` are those that went through
// the model: prompt tokens less whatever was shared or cached, plus generated ones.
struct Usage {
  std::int64_t lm_calls = 0;
  std::int64_t cached_calls = 0;  // answered without the model; counted in lm_calls too
  std::int64_t prompt_tokens = 0;
  std::int64_t computed_tokens = 0;
  std::int64_t generated_tokens = 0;
  // Of cached calls: what the model generated when it was first asked.
  std::int64_t cached_generated_tokens = 0;
  double seconds = 0;         // waiting for the model, summed over calls
  double cached_seconds = 0;  // of cached calls: what was waited when the model was first asked
  Usage& operator+=(const Usage& other);
};

// Log-probabilities of every label of one enum field, in the order of the type's labels, before
// calibration.
struct LabelScores {
  std::string field;
  std::vector<double> log_probs;
  std::size_t chosen = 0;
};

// One generated token: its text, which need not be whole characters, and its log-probability under
// the model alone, before temperature, penalties, biases and grammar.
struct TokenScore {
  std::string text;
  double log_prob = 0;
  friend bool operator==(const TokenScore&, const TokenScore&) = default;
};

// What one step did: a predictor, or a retrieve step, which has only path, inputs and outputs.
struct TraceStep {
  std::string path;
  std::string model;  // the name it asked for; empty = the run's own
  Value inputs;
  Value outputs;  // null when the step failed
  Prompt prompt;
  std::string reply;
  std::vector<LabelScores> labels;
  std::vector<TokenScore> tokens;  // where the predictor's settings ask for log_probs
  Usage usage;
  std::vector<Error> faults;  // of replies, also those a retry mended; or why there was none

  bool asked_model() const { return prompt.size() > 0; }
  // Whether a model answered and the answer could not be read, also where a retry mended it.
  bool has_bad_reply() const;
};

struct Trace {
  std::vector<TraceStep> steps;
  Usage usage() const;
};

}  // namespace hone
