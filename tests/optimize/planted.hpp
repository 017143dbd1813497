// A task whose best candidate is known: the scripted model answers right as often as its prompt
// deserves.
#pragma once

#include <string>

#include "hone/core/example.hpp"
#include "hone/eval/metric.hpp"
#include "hone/optimize/search.hpp"
#include "hone/program/program.hpp"
#include "hone/testing/scripted_lm.hpp"

namespace hone::testing {

inline Signature parity_signature() {
  return Signature::parse("number: int -> parity: enum(even, odd)",
                          "Say whether the number is even or odd.")
      .value();
}

inline Examples parity_examples(int first, int count) {
  Examples out;
  for (int i = first; i < first + count; ++i) {
    out.emplace_back(Value::object({{"number", i}, {"parity", i % 2 == 0 ? "even" : "odd"}}));
  }
  return out;
}

inline Task parity_task(int train = 24, int val = 30) {
  return Task{parity_examples(0, train), parity_examples(1000, val), exact_match("parity")};
}

// Answers right on numbers whose last digit is below the demos the prompt shows (and so on all,
// with ten).
inline ScriptedLm demo_hungry_lm() {
  Script script;
  script.score = [](const LmRequest& request, const LabelSlot&) {
    const std::string text = request.prompt.dump();
    std::size_t demos = 0;
    for (std::size_t at = text.find("Parity: "); at != std::string::npos;
         at = text.find("Parity: ", at + 1))
      ++demos;
    const std::size_t at = text.rfind("Number: ");
    const long number = std::stol(text.substr(at + 8));
    const bool right = number % 10 < static_cast<long>(demos);
    const bool even = (number % 2 == 0) == right;
    return even ? std::vector<double>{-0.1, -3.0} : std::vector<double>{-3.0, -0.1};
  };
  return ScriptedLm(std::move(script));
}

inline Program parity_program() {
  PredictorOptions options;
  options.format = Format::completion;
  return Program::predict(parity_signature(), options);
}

}  // namespace hone::testing
