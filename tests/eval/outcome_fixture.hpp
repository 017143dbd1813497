// What a metric needs to be asked by hand.
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include "hone/eval/metric.hpp"
#include "hone/program/call.hpp"
#include "hone/testing/scripted_lm.hpp"

namespace hone::testing_eval {

inline Value json(std::string_view text) {
  return Value::parse_json(text).value();
}

// Scores a prediction, both sides given as JSON.
inline Result<Score> ask(const Metric& metric, std::string_view example,
                         std::string_view prediction) {
  const ScriptedLm lm = ScriptedLm::in_turn({});
  Call call(lm);
  const Example labelled(json(example));
  const Value predicted = json(prediction);
  return metric(Outcome{labelled, predicted, call.trace(), call});
}

inline double score(const Metric& metric, std::string_view example, std::string_view prediction) {
  return ask(metric, example, prediction).value().value;
}

// As above for one field "x".
inline double score_of(const Metric& metric, const Value& expected, const Value& predicted) {
  return score(metric, Value::object({{"x", expected}}).to_json(),
               Value::object({{"x", predicted}}).to_json());
}

}  // namespace hone::testing_eval
