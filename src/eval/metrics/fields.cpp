#include "eval/metrics/fields.hpp"

#include <utility>

#include "hone/base/text.hpp"

namespace hone {
namespace {

constexpr std::size_t kShownBytes = 400;

std::string quoted(const Value& value) {
  return "'" + shorten(value.text(), kShownBytes) + "'";
}

Error no_field(std::string_view metric, std::string_view whose, const Value& fields,
               std::string_view field) {
  std::vector<std::string> names;
  if (fields.is_object()) {
    for (const auto& [name, value] : fields.as_object()) names.push_back(name);
  }
  std::string message(whose);
  message.append(" has no field '").append(field).append("'");
  message += names.empty() ? "" : "; it has " + join(names, ", ");
  return bad_request(std::string(metric), std::move(message));
}

}  // namespace

Result<ComparedFields> compared_fields(const Outcome& outcome, std::string_view metric,
                                       std::string_view field) {
  const Value* expected = outcome.example.fields().find(field);
  if (expected == nullptr) return no_field(metric, "the example", outcome.example.fields(), field);
  const Value* predicted = outcome.prediction.find(field);
  if (predicted == nullptr) return no_field(metric, "the prediction", outcome.prediction, field);
  return ComparedFields{*expected, *predicted};
}

Result<std::vector<std::string>> accepted_answers(const Value& expected, std::string_view metric,
                                                  std::string_view field) {
  if (!expected.is_list()) return std::vector<std::string>{expected.text()};
  std::vector<std::string> answers;
  for (const Value& answer : expected.as_list()) answers.push_back(answer.text());
  if (answers.empty()) {
    return bad_request(std::string(metric), "the example's field '" + std::string(field) +
                                                "' is an empty list: it accepts no answer");
  }
  return answers;
}

std::string miss_feedback(const Value& expected, const Value& predicted) {
  const bool is_choice = expected.is_list() && expected.size() > 1 && !predicted.is_list();
  return std::string(is_choice ? "expected one of " : "expected ") + quoted(expected) + ", got " +
         quoted(predicted);
}

}  // namespace hone
