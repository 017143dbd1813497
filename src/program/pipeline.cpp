#include "program/pipeline.hpp"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "hone/base/text.hpp"

#include "program/member.hpp"
#include "program/predictor_json.hpp"

namespace hone {
namespace {

// Whether every value of `from` may stand where `to` is wanted, limits aside: those are checked
// when a value is there.
bool feeds(const Type& from, const Type& to) {
  if (to.kind() == TypeKind::optional) {
    return feeds(from.kind() == TypeKind::optional ? from.element() : from, to.element());
  }
  if (from.kind() == TypeKind::integer && to.kind() == TypeKind::real) return true;
  if (from.kind() == TypeKind::enumeration && to.kind() == TypeKind::str) return true;
  if (from.kind() != to.kind()) return false;
  switch (from.kind()) {
    case TypeKind::enumeration:
      return std::all_of(from.labels().begin(), from.labels().end(), [&](const std::string& label) {
        return std::find(to.labels().begin(), to.labels().end(), label) != to.labels().end();
      });
    case TypeKind::list:
      return feeds(from.element(), to.element());
    case TypeKind::structure:
      return std::all_of(to.fields().begin(), to.fields().end(), [&](const TypeField& wanted) {
        const auto given =
            std::find_if(from.fields().begin(), from.fields().end(),
                         [&](const TypeField& field) { return field.name == wanted.name; });
        return given == from.fields().end() ? wanted.type.kind() == TypeKind::optional
                                            : feeds(given->type, wanted.type);
      });
    default:
      return true;
  }
}

}  // namespace

SinglePredictor::SinglePredictor(const Predictor& predictor)
    : predictor_(predictor.with_path("predict")) {}

Result<std::shared_ptr<const Module>> SinglePredictor::with(const Candidate& candidate) const {
  Result<Predictor> tuned = predictor_.with(candidate);
  if (!tuned) return tuned.error();
  return std::make_shared<const SinglePredictor>(*std::move(tuned));
}

Value SinglePredictor::to_json() const {
  return predictor_to_json(predictor_);
}

Result<std::shared_ptr<const Module>> Pipeline::make(std::vector<PipelineStep> steps) {
  if (steps.empty()) return bad_request("pipeline", "needs at least one step");
  std::vector<std::string> faults;
  std::set<std::string> names;
  std::vector<Field> inputs;
  struct Source {
    Type type;
    std::string from;
  };
  std::map<std::string, Source> known;
  std::vector<Predictor> predictors;
  for (const PipelineStep& step : steps) {
    if (!is_path_name(step.name)) {
      faults.push_back("'" + step.name + "' is not a step name (letters, digits, '_' and '-')");
    } else if (!names.insert(step.name).second) {
      faults.push_back("two steps are named '" + step.name + "'");
    }
    for (const Field& field : step.predictor.signature().inputs()) {
      const auto source = known.find(field.name);
      if (source == known.end()) {
        known.insert_or_assign(field.name, Source{field.type, "the program's inputs"});
        inputs.push_back(field);
      } else if (!feeds(source->second.type, field.type)) {
        faults.push_back("step '" + step.name + "' takes '" + field.name + "' as " +
                         field.type.to_string() + ", but " + source->second.from + " give it as " +
                         source->second.type.to_string());
      }
    }
    for (const Field& field : step.predictor.signature().outputs()) {
      const auto source = known.find(field.name);
      if (source != known.end() && !feeds(field.type, source->second.type)) {
        faults.push_back("step '" + step.name + "' gives '" + field.name + "' as " +
                         field.type.to_string() + ", but " + source->second.from + " give it as " +
                         source->second.type.to_string());
      }
      known.insert_or_assign(field.name, Source{field.type, "the outputs of '" + step.name + "'"});
    }
    predictors.push_back(step.predictor.with_path(step.name));
  }
  const std::vector<Field>& outputs = steps.back().predictor.signature().outputs();
  for (const Field& output : outputs) {
    const bool is_input = std::any_of(inputs.begin(), inputs.end(), [&](const Field& field) {
      return field.name == output.name;
    });
    if (is_input)
      faults.push_back("'" + output.name + "' is both an input and an output of the program");
  }
  if (!faults.empty()) return bad_request("pipeline", join(faults, "; "));
  Result<Signature> signature = Signature::make(std::move(inputs), outputs);
  if (!signature) return bad_request("pipeline", signature.error().message);
  return std::shared_ptr<const Module>(new Pipeline(*std::move(signature), std::move(predictors)));
}

Value Pipeline::forward(Call& call, const Value& inputs) const {
  Value values = inputs;
  for (const Predictor& step : steps_) {
    Value::Object wanted;
    for (const Field& field : step.signature().inputs()) {
      if (const Value* value = values.find(field.name)) wanted.emplace_back(field.name, *value);
    }
    Value outputs = step(call, Value::object(std::move(wanted)));
    if (&step == &steps_.back()) return outputs;
    for (const Field& field : step.signature().outputs())
      values = values.with(field.name, outputs.get(field.name));
  }
  return values;
}

Result<std::shared_ptr<const Module>> Pipeline::with(const Candidate& candidate) const {
  std::vector<Predictor> steps;
  for (const Predictor& step : steps_) {
    Result<Predictor> tuned = step.with(candidate);
    if (!tuned) return tuned.error();
    steps.push_back(*std::move(tuned));
  }
  return std::shared_ptr<const Module>(new Pipeline(signature_, std::move(steps)));
}

Value Pipeline::to_json() const {
  Value::List steps;
  for (const Predictor& step : steps_) {
    Value::Object fields = {{"name", step.path()}};
    const Value json = predictor_to_json(step);
    fields.insert(fields.end(), json.as_object().begin(), json.as_object().end());
    steps.push_back(Value::object(std::move(fields)));
  }
  return Value::object({{"steps", Value::list(std::move(steps))}});
}

}  // namespace hone
