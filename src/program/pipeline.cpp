#include "program/pipeline.hpp"

#include <algorithm>
#include <iterator>
#include <map>
#include <set>
#include <utility>

#include "hone/base/text.hpp"

#include "program/member.hpp"
#include "program/predictor_json.hpp"
#include "program/retrieve_json.hpp"

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

const Signature& signature_of(const std::variant<Predictor, Retrieve>& step) {
  return std::visit([](const auto& does) -> const Signature& { return does.signature(); }, step);
}

// `inputs` are those of the step's signature.
Value run_step(Call& call, const Predictor& step, const Value& inputs) {
  return step(call, inputs);
}
Value run_step(Call& call, const Retrieve& step, const Value& inputs) {
  const Signature& signature = step.signature();
  if (Result<void> fit = signature.check_inputs(inputs, {}); !fit)
    throw_error(bad_request(step.path(), fit.error().message));
  const Value query = inputs.get(signature.inputs().front().name);
  return Value::object(
      {{signature.outputs().front().name, Value::strings(step(call, query.as_string()))}});
}

Value step_to_json(const Predictor& step, const std::filesystem::path& /*folder*/) {
  return predictor_to_json(step);
}
Value step_to_json(const Retrieve& step, const std::filesystem::path& folder) {
  return retrieve_to_json(step, folder);
}

template <class T>
std::vector<T> steps_of(const std::vector<std::variant<Predictor, Retrieve>>& steps) {
  std::vector<T> out;
  for (const auto& step : steps) {
    if (const T* own = std::get_if<T>(&step)) out.push_back(*own);
  }
  return out;
}

}  // namespace

SinglePredictor::SinglePredictor(const Predictor& predictor)
    : predictor_(predictor.with_path("predict")) {}

Result<std::shared_ptr<const Module>> SinglePredictor::with(const Candidate& candidate) const {
  Result<Predictor> tuned = predictor_.with(candidate);
  if (!tuned) return tuned.error();
  return std::make_shared<const SinglePredictor>(*std::move(tuned));
}

Value SinglePredictor::to_json(const std::filesystem::path& /*folder*/) const {
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
  std::vector<Step> named;
  for (const PipelineStep& step : steps) {
    const Signature& own = signature_of(step.does);
    if (!is_path_name(step.name)) {
      faults.push_back("'" + step.name + "' is not a step name (letters, digits, '_' and '-')");
    } else if (!names.insert(step.name).second) {
      faults.push_back("two steps are named '" + step.name + "'");
    }
    for (const Field& field : own.inputs()) {
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
    for (const Field& field : own.outputs()) {
      const auto source = known.find(field.name);
      if (source != known.end() && !feeds(field.type, source->second.type)) {
        faults.push_back("step '" + step.name + "' gives '" + field.name + "' as " +
                         field.type.to_string() + ", but " + source->second.from + " give it as " +
                         source->second.type.to_string());
      }
      known.insert_or_assign(field.name, Source{field.type, "the outputs of '" + step.name + "'"});
    }
    named.push_back(
        std::visit([&](const auto& does) { return Step(does.with_path(step.name)); }, step.does));
  }
  const std::vector<Field>& outputs = signature_of(steps.back().does).outputs();
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
  return std::shared_ptr<const Module>(new Pipeline(*std::move(signature), std::move(named)));
}

Value Pipeline::forward(Call& call, const Value& inputs) const {
  Value values = inputs;
  for (const Step& step : steps_) {
    const Signature& own = signature_of(step);
    Value::Object wanted;
    for (const Field& field : own.inputs()) {
      if (const Value* value = values.find(field.name)) wanted.emplace_back(field.name, *value);
    }
    const Value given = Value::object(std::move(wanted));
    Value outputs = std::visit([&](const auto& does) { return run_step(call, does, given); }, step);
    if (&step == &steps_.back()) return outputs;
    for (const Field& field : own.outputs())
      values = values.with(field.name, outputs.get(field.name));
  }
  return values;
}

std::vector<Predictor> Pipeline::predictors() const {
  return steps_of<Predictor>(steps_);
}

std::vector<Retrieve> Pipeline::retrieve_steps() const {
  return steps_of<Retrieve>(steps_);
}

std::vector<Param> Pipeline::params() const {
  std::vector<Param> out;
  for (const Step& step : steps_) {
    std::vector<Param> own = std::visit([](const auto& does) { return does.params(); }, step);
    std::move(own.begin(), own.end(), std::back_inserter(out));
  }
  return out;
}

Result<std::shared_ptr<const Module>> Pipeline::with(const Candidate& candidate) const {
  std::vector<Step> steps;
  for (const Step& step : steps_) {
    Result<Step> tuned = std::visit(
        [&](const auto& does) -> Result<Step> {
          auto own = does.with(candidate);
          if (!own) return own.error();
          return Step(*std::move(own));
        },
        step);
    if (!tuned) return tuned.error();
    steps.push_back(*std::move(tuned));
  }
  return std::shared_ptr<const Module>(new Pipeline(signature_, std::move(steps)));
}

Value Pipeline::to_json(const std::filesystem::path& folder) const {
  Value::List steps;
  for (const Step& step : steps_) {
    const auto& [path, json] = std::visit(
        [&](const auto& does) { return std::pair(does.path(), step_to_json(does, folder)); }, step);
    if (json.is_null()) return {};
    Value::Object fields = {{"name", path}};
    fields.insert(fields.end(), json.as_object().begin(), json.as_object().end());
    steps.push_back(Value::object(std::move(fields)));
  }
  return Value::object({{"steps", Value::list(std::move(steps))}});
}

}  // namespace hone
