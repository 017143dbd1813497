// A planted task of two steps, each of which alone helps with half of the examples.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>

#include "hone/testing/planted_task.hpp"

namespace hone::testing {

// Step "look" says whether a number is small, step "answer" its parity. Numbers whose last digit is
// below 5 are answered right once look's instruction says "look well", the others once answer's
// says "answer well". Asked for an instruction, the model improves the step it is shown.
inline PlantedTask planted_pipeline() {
  PredictorOptions options;
  options.format = Format::completion;
  std::vector<PipelineStep> steps;
  steps.push_back(
      {"look",
       Predictor(Signature::parse("number: int -> size: enum(small, large)", "See.").value(),
                 options)});
  steps.push_back({"answer", Predictor(Signature::parse("number: int, size: enum(small, large) -> "
                                                        "parity: enum(even, odd)",
                                                        "Say.")
                                           .value(),
                                       options)});
  PlantedTask out = planted_task();
  out.student = Program::pipeline(std::move(steps)).value();
  out.script.score = [](const LmRequest& request, const LabelSlot& slot) {
    const std::string text = request.prompt.dump();
    if (slot.field == "size") {
      return text.find("look well") != std::string::npos ? std::vector<double>{-0.1, -3.0}
                                                         : std::vector<double>{-3.0, -0.1};
    }
    const long number = std::strtol(text.c_str() + text.rfind("Number: ") + 8, nullptr, 10);
    const bool is_right = number % 10 < 5 ? text.rfind("Size: small") != std::string::npos
                                          : text.find("answer well") != std::string::npos;
    return (number % 2 == 0) == is_right ? std::vector<double>{-0.1, -3.0}
                                         : std::vector<double>{-3.0, -0.1};
  };
  out.script.value = [](const LmRequest& request, const TextSlot&) -> std::string {
    const std::string text = request.prompt.dump();
    return text.find("parity") == std::string::npos ||
                   text.find("answered: size") != std::string::npos
               ? "Please look well."
               : "Please answer well.";
  };
  return out;
}

}  // namespace hone::testing
