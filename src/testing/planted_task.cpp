#include "hone/testing/planted_task.hpp"

#include <algorithm>
#include <cstdlib>
#include <string>
#include <string_view>

namespace hone::testing {
namespace {

constexpr std::string_view kLevel = "care level ";

long care_level(const std::string& text) {
  long highest = 0;
  for (std::size_t at = text.find(kLevel); at != std::string::npos; at = text.find(kLevel, at + 1))
    highest = std::max(highest, std::strtol(text.c_str() + at + kLevel.size(), nullptr, 10));
  return highest;
}

std::vector<double> answer(const LmRequest& request) {
  const std::string text = request.prompt.dump();
  long demos = 0;
  for (std::size_t at = text.find("Parity: "); at != std::string::npos;
       at = text.find("Parity: ", at + 1))
    ++demos;
  // Other formats than the completion one are not what this model was made for: it is wrong there.
  const std::size_t at = text.rfind("Number: ");
  if (at == std::string::npos) return {-1.0, -1.0};
  const long number = std::strtol(text.c_str() + at + 8, nullptr, 10);
  const bool is_right = number % 10 < 2 + demos + care_level(text);
  const bool says_even = (number % 2 == 0) == is_right;
  return says_even ? std::vector<double>{-0.1, -3.0} : std::vector<double>{-3.0, -0.1};
}

std::string propose(const LmRequest& request, const TextSlot& slot) {
  const std::string text = "Look at the last digit, " + std::string(kLevel) +
                           std::to_string(care_level(request.prompt.dump()) + 3) + ".";
  return slot.field == "rules" ? "[\"" + text + "\"]" : text;
}

Examples examples(int first, int count) {
  Examples out;
  for (int i = first; i < first + count; ++i)
    out.emplace_back(Value::object({{"number", i}, {"parity", i % 2 == 0 ? "even" : "odd"}}));
  return out;
}

}  // namespace

PlantedTask planted_task(int train, int val) {
  PredictorOptions options;
  options.format = Format::completion;
  Program student = Program::predict(Signature::parse("number: int -> parity: enum(even, odd)",
                                                      "Say whether the number is even or odd.")
                                         .value(),
                                     options);
  Script script;
  script.score = [](const LmRequest& request, const LabelSlot&) { return answer(request); };
  script.value = propose;
  return {std::move(student), Task{examples(0, train), examples(1000, val), exact_match("parity")},
          std::move(script)};
}

}  // namespace hone::testing
