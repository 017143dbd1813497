#include <memory>
#include <string>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/eval/metric.hpp"
#include "hone/program/predictor.hpp"

#include "eval/metrics/fields.hpp"

namespace hone {
namespace {

constexpr const char* kSignature = "input, expected, answer -> verdict: enum(yes, no)";
// Not a path of any program's own, so that optimizers never take a judge's step for a demo.
constexpr const char* kPath = "metric.judge";

// A judge in the two formats it may need: which model answers is known only when it is asked.
struct JudgePredictors {
  Predictor text;  // for models that follow reply plans: small ones do best with plain lines
  Predictor chat;
};

Predictor judge_predictor(const std::string& criterion, const std::string& model, Format format) {
  std::string instructions =
      "Judge the answer to the input. Say yes if it meets this criterion, else no: " + criterion;
  PredictorOptions options;
  options.format = format;
  options.model = model;
  return Predictor(Signature::parse(kSignature, instructions).value(), std::move(options))
      .with_path(kPath);
}

// Every field of the example but the one judged, as lines.
std::string shown_input(const Value& fields, std::string_view judged) {
  std::string out;
  if (!fields.is_object()) return out;
  for (const auto& [name, value] : fields.as_object()) {
    if (name == judged) continue;
    if (!out.empty()) out += '\n';
    out.append(name).append(": ").append(value.text());
  }
  return out;
}

}  // namespace

Metric judge(std::string field, std::string criterion, std::string model) {
  // All of it, so that a study log can tell one judge from another.
  std::string name = "judge:" + field + ":" + criterion + (model.empty() ? "" : " (" + model + ")");
  auto predictors = std::make_shared<const JudgePredictors>(
      JudgePredictors{judge_predictor(criterion, model, Format::completion),
                      judge_predictor(criterion, model, Format::chat)});
  return Metric(
      name,
      [name, field = std::move(field), criterion = std::move(criterion), model = std::move(model),
       predictors = std::move(predictors)](const Outcome& outcome) -> Result<Score> {
        const Value* predicted = outcome.prediction.find(field);
        if (predicted == nullptr) {
          return bad_request(name, "the prediction has no field '" + field + "'");
        }
        const Result<const Lm*> lm = outcome.call.model(model);
        if (!lm) return lm.error();
        const Value* expected = outcome.example.fields().find(field);
        const Value inputs =
            Value::object({{"input", shown_input(outcome.example.fields(), field)},
                           {"expected", expected == nullptr ? "(not given)" : expected->text()},
                           {"answer", predicted->text()}});
        const Predictor& judging = (*lm)->info().follows_plan ? predictors->text : predictors->chat;
        const Result<Value> reply = judging.run(outcome.call, inputs);
        if (!reply) return reply.error();
        if (reply->get("verdict") == Value("yes")) return Score{1, {}};
        std::string feedback = "a judge found that '" + shorten(predicted->text(), 200) +
                               "' does not meet: " + criterion;
        if (expected != nullptr) feedback += " (expected '" + shorten(expected->text(), 200) + "')";
        return Score{0, std::move(feedback)};
      });
}

}  // namespace hone
