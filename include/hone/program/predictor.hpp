// The one place where a program asks a model: a signature with instructions, demos, format and
// settings.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/adapter/prompt_template.hpp"
#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/value.hpp"
#include "hone/lm/lm.hpp"
#include "hone/program/call.hpp"

namespace hone {

// How label scores are corrected before the best is chosen.
//   none          the raw log-probabilities
//   content_free  each label's mean score on inputs without content is subtracted (contextual
//   calibration:
//                 Zhao et al. 2021, "Calibrate Before Use")
//   batch         each label's mean score over a batch of unlabelled inputs is subtracted (Zhou et
//   al. 2023,
//                 "Batch Calibration")
// What is subtracted is learned once, kept in the parameter "<predictor>.label_bias" and saved with
// the program.
enum class Calibration { none, content_free, batch };

inline constexpr std::array<Calibration, 3> kCalibrations = {
    Calibration::none, Calibration::content_free, Calibration::batch};

std::string_view to_string(Calibration calibration);
Result<Calibration> parse_calibration(std::string_view name);

// Whether the model reasons in a field of its own before it answers (chain of thought: Wei et al.
// 2022).
enum class Reasoning { none, chain_of_thought };

inline constexpr std::array<Reasoning, 2> kReasonings = {Reasoning::none,
                                                         Reasoning::chain_of_thought};

// As the parameter `module` says it: "predict" or "chain_of_thought".
std::string_view to_string(Reasoning reasoning);
Result<Reasoning> parse_reasoning(std::string_view name);

struct PredictorOptions {
  Format format = Format::chat;
  Reasoning reasoning = Reasoning::none;
  std::vector<Value> demos = {};
  Calibration calibration = Calibration::none;
  std::map<std::string, std::vector<double>> label_bias = {};  // by enum output; learned
  LmSettings settings = {};
  std::string model = {};  // a name Call::model knows; empty = the run's default
  // More tries, with the faults told, when a remote model's reply does not fit.
  std::size_t parse_retries = 1;
};

// Immutable; copies are cheap; const means concurrent. Its prompt's common part is rendered when it
// is made.
//
// Parameters (relative to its path): instructions, demos, format, module (predict |
// chain_of_thought), calibration and label_bias (with enum or bool outputs), lm.temperature,
// lm.top_p, lm.max_tokens (null while the reply plan's own limits hold), lm.top_k, lm.min_p,
// lm.logit_bias, model, parse_retries. A signature with a field `reasoning` of its own has no
// parameter `module`.
class Predictor {
 public:
  explicit Predictor(Signature signature, PredictorOptions options = {});

  // Asks the model and returns an object with every output of signature() (and `reasoning` first,
  // with a chain of thought). Throws Exception: bad_request for inputs that do not fit, bad_reply
  // after the last retry, or what the model failed with. Every try is recorded in the call's trace.
  Value operator()(Call& call, const Value& inputs) const;
  Result<Value> run(Call& call, const Value& inputs) const;

  const std::string& path() const;
  const Signature& signature() const;            // as declared
  const Signature& effective_signature() const;  // with `reasoning`, when it reasons
  const PredictorOptions& options() const;
  const PromptTemplate& prompt_template() const;

  Predictor with_path(std::string path) const;
  Predictor with_options(PredictorOptions options) const;
  Predictor with_instructions(std::string instructions) const;

  // What can be tuned, with full paths and the current values.
  std::vector<Param> params() const;
  // With the candidate's values for this predictor's parameters; values outside their domains are a
  // bad_request.
  Result<Predictor> with(const Candidate& candidate) const;

 private:
  struct State;
  explicit Predictor(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace hone
