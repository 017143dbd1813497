// Typed predictors: the steps of a program written as a plain struct.
#pragma once

#include <string_view>
#include <utility>

#include "hone/program/call.hpp"
#include "hone/program/predictor.hpp"
#include "hone/typed/signature_of.hpp"

namespace hone {

// One step: asks the model for S::Out given S::In. A value like Predictor, which it holds; `const`
// is concurrent. Outside a program its path is empty; to_program names it after its member.
template <class S>
class Predict {
 public:
  static constexpr std::string_view name = "predict";  // as one of Alternatives<…>

  Predict() : Predict(PredictorOptions{}) {}
  explicit Predict(PredictorOptions options) : predictor_(signature_of<S>(), std::move(options)) {}

  // Throws Exception: see Predictor.
  typename S::Out operator()(Call& call, const typename S::In& inputs) const {
    return from_value<typename S::Out>(predictor_(call, to_value(inputs))).value();
  }

  const Predictor& predictor() const { return predictor_; }
  // Precondition: a predictor with the fields of S.
  void set_predictor(Predictor predictor) { predictor_ = std::move(predictor); }

 private:
  Predictor predictor_;
};

// As above; the model first reasons in a field of its own, which the trace shows.
template <class S>
class ChainOfThought : public Predict<S> {
 public:
  static constexpr std::string_view name = "chain_of_thought";

  ChainOfThought() : ChainOfThought(PredictorOptions{}) {}
  explicit ChainOfThought(PredictorOptions options) : Predict<S>(reasoning(std::move(options))) {}

 private:
  static PredictorOptions reasoning(PredictorOptions options) {
    options.reasoning = Reasoning::chain_of_thought;
    return options;
  }
};

}  // namespace hone
