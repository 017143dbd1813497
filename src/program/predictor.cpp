#include "hone/program/predictor.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "hone/base/text.hpp"

#include "program/label_fields.hpp"

namespace hone {
namespace {

constexpr std::string_view kReasoningField = "reasoning";
constexpr std::int64_t kMostTokens = 4096;
constexpr std::int64_t kMostTopK = 200;
constexpr std::int64_t kMostRetries = 5;

bool can_reason(const Signature& signature) {
  return signature.find(kReasoningField) == nullptr;
}

// A signature with a field of that name already reasons in its own way, and stays as it is.
Signature with_reasoning(const Signature& signature) {
  if (!can_reason(signature)) return signature;
  return signature.insert_output(0, Field{std::string(kReasoningField), Type::str()}).value();
}

// The plan with the learned biases in its label slots.
std::shared_ptr<const ReplyPlan> calibrated(const std::shared_ptr<const ReplyPlan>& plan,
                                            const PredictorOptions& options) {
  if (options.calibration == Calibration::none || options.label_bias.empty()) return plan;
  auto out = std::make_shared<ReplyPlan>(*plan);
  for (ReplyPart& part : out->parts) {
    auto* slot = std::get_if<LabelSlot>(&part);
    if (!slot) continue;
    const auto bias = options.label_bias.find(slot->field);
    if (bias != options.label_bias.end() && bias->second.size() == slot->labels.size())
      slot->bias = bias->second;
  }
  return out;
}

Prompt retry_prompt(const Prompt& first, const std::string& reply,
                    const std::vector<Error>& faults) {
  Segments rest = first.rest();
  const std::string told = PromptTemplate::fault_message(faults);
  if (first.is_text()) {
    // A running text has no turns to answer in, so the question is put once more after the fault.
    rest.emplace_back(Role::text, reply);
    rest.emplace_back(Role::text, "\n\n" + told + "\n\n");
    for (const Segment& segment : first.rest()) rest.push_back(segment);
  } else {
    rest.emplace_back(Role::assistant, reply);
    rest.emplace_back(Role::user, told);
  }
  auto fixed = std::make_shared<const Segments>(first.fixed());
  return Prompt(std::move(fixed), std::move(rest));
}

std::string fault_text(const std::vector<Error>& faults) {
  std::vector<std::string> texts;
  for (const Error& fault : faults) texts.push_back(fault.text());
  return join(texts, "; ");
}

Value bias_value(const std::map<std::string, std::vector<double>>& bias) {
  Value::Object fields;
  for (const auto& [field, numbers] : bias) fields.emplace_back(field, Value::numbers(numbers));
  return Value::object(std::move(fields));
}

Value logit_bias_value(const std::map<std::string, double>& bias) {
  Value::Object fields;
  for (const auto& [text, number] : bias) fields.emplace_back(text, number);
  return Value::object(std::move(fields));
}

BiasDomain bias_domain(const std::map<std::string, double>& bias) {
  BiasDomain domain;
  for (const auto& [text, number] : bias) {
    domain.low = std::min(domain.low, number);
    domain.high = std::max(domain.high, number);
  }
  return domain;
}

template <class T, std::size_t n>
ChoiceDomain names_of(const std::array<T, n>& values) {
  ChoiceDomain domain;
  for (const T value : values) domain.choices.emplace_back(to_string(value));
  return domain;
}

}  // namespace

std::string_view to_string(Calibration calibration) {
  switch (calibration) {
    case Calibration::none:
      return "none";
    case Calibration::content_free:
      return "content_free";
    case Calibration::batch:
      return "batch";
  }
  return "none";
}

Result<Calibration> parse_calibration(std::string_view name) {
  std::vector<std::string> known;
  for (const Calibration calibration : kCalibrations) {
    if (name == to_string(calibration)) return calibration;
    known.emplace_back(to_string(calibration));
  }
  return bad_request("calibration", "'" + std::string(name) + "' is not one of " +
                                        join(known, ", ") + did_you_mean(name, known));
}

std::string_view to_string(Reasoning reasoning) {
  return reasoning == Reasoning::chain_of_thought ? "chain_of_thought" : "predict";
}

Result<Reasoning> parse_reasoning(std::string_view name) {
  std::vector<std::string> known;
  for (const Reasoning reasoning : kReasonings) {
    if (name == to_string(reasoning)) return reasoning;
    known.emplace_back(to_string(reasoning));
  }
  return bad_request("module", "'" + std::string(name) + "' is not one of " + join(known, ", ") +
                                   did_you_mean(name, known));
}

bool has_labels(const Signature& signature) {
  return std::ranges::any_of(signature.outputs(),
                             [](const Field& field) { return !field.type.choices().empty(); });
}

Result<std::map<std::string, std::vector<double>>> read_label_bias(const Signature& signature,
                                                                   const Value& value,
                                                                   std::string_view where) {
  const std::string place(where);
  if (!value.is_object())
    return bad_request(place, "expected an object of numbers by output field");
  std::map<std::string, std::vector<double>> out;
  for (const auto& [name, numbers] : value.as_object()) {
    const Field* field = signature.find_output(name);
    const std::size_t count = field ? field->type.choices().size() : 0;
    if (count == 0)
      return bad_request(place, "'" + name + "' is no output of labels (enum or bool)");
    const bool fits = numbers.is_list() && numbers.size() == count &&
                      std::all_of(numbers.as_list().begin(), numbers.as_list().end(),
                                  [](const Value& number) { return number.is_number(); });
    if (!fits) {
      return bad_request(place, "'" + name + "' needs one number for each of its " +
                                    std::to_string(count) + " labels, got " +
                                    shorten(numbers.to_json(), 60));
    }
    for (const Value& number : numbers.as_list()) out[name].push_back(number.as_double());
  }
  return out;
}

struct Predictor::State {
  State(std::string where, Signature declared, PredictorOptions chosen)
      : path(std::move(where)),
        signature(std::move(declared)),
        effective(chosen.reasoning == Reasoning::none ? signature : with_reasoning(signature)),
        options(std::move(chosen)),
        prompt_template(effective, options.format, options.demos),
        plan(calibrated(prompt_template.reply_plan(), options)) {}

  std::string path;
  Signature signature;
  Signature effective;
  PredictorOptions options;
  PromptTemplate prompt_template;
  std::shared_ptr<const ReplyPlan> plan;
};

Predictor::Predictor(Signature signature, PredictorOptions options)
    : state_(
          std::make_shared<const State>(std::string(), std::move(signature), std::move(options))) {}

Value Predictor::operator()(Call& call, const Value& inputs) const {
  return run(call, inputs).value();
}

Result<Value> Predictor::run(Call& call, const Value& inputs) const {
  const State& state = *state_;
  if (Result<void> fit = state.signature.check_inputs(inputs, {}); !fit) {
    return bad_request(state.path, fit.error().message);
  }
  const Result<const Lm*> lm = call.model(state.options.model);
  if (!lm) return bad_request(state.path, lm.error().message);

  LmRequest request;
  request.prompt = state.prompt_template.render(inputs);
  request.reply = state.plan;
  request.settings = state.options.settings;
  if (call.options().temperature) request.settings.temperature = *call.options().temperature;
  request.seed = call.next_seed(state.path);
  request.sample = call.options().sample;
  request.stop = call.options().stop;

  TraceStep step;
  step.path = state.path;
  step.model = state.options.model;
  step.inputs = inputs;
  // A model that follows the plan would only repeat itself.
  const std::size_t tries = (*lm)->info().follows_plan ? 1 : 1 + state.options.parse_retries;
  std::vector<Error> faults;
  for (std::size_t attempt = 0; attempt < tries; ++attempt) {
    if (attempt > 0)
      request.prompt = retry_prompt(state.prompt_template.render(inputs), step.reply, faults);
    Result<LmReply> reply = call.complete(**lm, request);
    if (!reply) {
      Error failure = reply.error();
      failure.where = failure.where.empty() ? state.path : state.path + ", " + failure.where;
      step.prompt = std::move(request.prompt);
      step.faults.push_back(failure);
      call.record(std::move(step));
      return failure;
    }
    step.reply = std::move(reply->text);
    step.labels = std::move(reply->labels);
    step.tokens = std::move(reply->tokens);
    step.usage += reply->usage;
    ParsedReply parsed = state.prompt_template.parse(step.reply);
    if (parsed.ok()) {
      step.prompt = std::move(request.prompt);
      step.outputs = parsed.outputs;
      call.record(std::move(step));
      return std::move(parsed.outputs);
    }
    if (reply->truncated)
      parsed.faults.push_back(bad_reply({}, "the reply was cut off at the token limit"));
    faults = std::move(parsed.faults);
    step.faults.insert(step.faults.end(), faults.begin(), faults.end());
  }
  const std::string message = fault_text(faults);
  step.prompt = std::move(request.prompt);
  call.record(std::move(step));
  return bad_reply(state.path, message);
}

const std::string& Predictor::path() const {
  return state_->path;
}
const Signature& Predictor::signature() const {
  return state_->signature;
}
const Signature& Predictor::effective_signature() const {
  return state_->effective;
}
const PredictorOptions& Predictor::options() const {
  return state_->options;
}
const PromptTemplate& Predictor::prompt_template() const {
  return state_->prompt_template;
}

Predictor Predictor::with_path(std::string path) const {
  State next = *state_;
  next.path = std::move(path);
  return Predictor(std::make_shared<const State>(std::move(next)));
}

Predictor Predictor::with_options(PredictorOptions options) const {
  return Predictor(
      std::make_shared<const State>(state_->path, state_->signature, std::move(options)));
}

Predictor Predictor::with_instructions(std::string instructions) const {
  return Predictor(std::make_shared<const State>(
      state_->path, state_->signature.with_instructions(std::move(instructions)), state_->options));
}

std::vector<Param> Predictor::params() const {
  const Signature& signature = state_->signature;
  const PredictorOptions& options = state_->options;
  const std::string prefix = state_->path.empty() ? std::string() : state_->path + ".";
  std::vector<Param> out;
  const auto add = [&](std::string_view name, Domain domain, Value initial) {
    out.push_back(
        {prefix + std::string(name), std::move(domain), std::move(initial), std::nullopt});
  };
  add("instructions", TextDomain{}, signature.instructions());
  add("demos", DemoDomain{with_reasoning(signature)}, Value::list(options.demos));
  add("format", names_of(kFormats), to_string(options.format));
  if (can_reason(signature)) add("module", names_of(kReasonings), to_string(options.reasoning));
  if (has_labels(signature)) {
    add("calibration", names_of(kCalibrations), to_string(options.calibration));
    add("label_bias", LearnedDomain{}, bias_value(options.label_bias));
  }
  // What a program was given by hand stays inside the range, so that its own candidate always fits
  // it.
  const LmSettings& lm = options.settings;
  add("lm.temperature", RealDomain{0, std::max(1.5, lm.temperature)}, lm.temperature);
  add("lm.top_p", RealDomain{std::min(0.1, lm.top_p), 1}, lm.top_p);
  const auto limit = static_cast<std::int64_t>(lm.max_tokens.value_or(0));
  add("lm.max_tokens", IntDomain{1, std::max(kMostTokens, limit)},
      lm.max_tokens ? Value(limit) : Value());
  add("lm.top_k", IntDomain{0, std::max(kMostTopK, lm.top_k)}, lm.top_k);
  add("lm.min_p", RealDomain{0, std::max(0.5, lm.min_p)}, lm.min_p);
  add("lm.logit_bias", bias_domain(lm.logit_bias), logit_bias_value(lm.logit_bias));
  add("model", ModelDomain{}, options.model);
  const auto retries = static_cast<std::int64_t>(options.parse_retries);
  add("parse_retries", IntDomain{0, std::max(kMostRetries, retries)}, retries);
  return out;
}

Result<Predictor> Predictor::with(const Candidate& candidate) const {
  Signature signature = state_->signature;
  PredictorOptions options = state_->options;
  bool changed = false;
  for (const Param& param : params()) {
    const Value* value = candidate.find(param.path);
    if (!value) continue;
    if (Result<void> fits = check_domain(param.domain, *value, param.path); !fits)
      return fits.error();
    changed = true;
    std::string_view name = param.path;
    if (!state_->path.empty()) name.remove_prefix(state_->path.size() + 1);
    if (name == "instructions") {
      if (trim(value->as_string()).empty())
        return bad_request(param.path, "instructions must not be empty");
      signature = signature.with_instructions(value->as_string());
    } else if (name == "demos") {
      options.demos = value->as_list();
    } else if (name == "format") {
      options.format = parse_format(value->as_string()).value();
    } else if (name == "module") {
      options.reasoning = parse_reasoning(value->as_string()).value();
    } else if (name == "calibration") {
      options.calibration = parse_calibration(value->as_string()).value();
    } else if (name == "label_bias") {
      auto bias = read_label_bias(signature, *value, param.path);
      if (!bias) return bias.error();
      options.label_bias = *std::move(bias);
    } else if (name == "lm.temperature") {
      options.settings.temperature = value->as_double();
    } else if (name == "lm.top_p") {
      options.settings.top_p = value->as_double();
    } else if (name == "lm.max_tokens") {
      options.settings.max_tokens = static_cast<std::size_t>(value->as_int());
    } else if (name == "lm.top_k") {
      options.settings.top_k = value->as_int();
    } else if (name == "lm.min_p") {
      options.settings.min_p = value->as_double();
    } else if (name == "lm.logit_bias") {
      options.settings.logit_bias.clear();
      for (const auto& [text, number] : value->as_object())
        options.settings.logit_bias.emplace(text, number.as_double());
    } else if (name == "model") {
      options.model = value->as_string();
    } else if (name == "parse_retries") {
      options.parse_retries = static_cast<std::size_t>(value->as_int());
    }
  }
  if (!changed) return *this;
  return Predictor(
      std::make_shared<const State>(state_->path, std::move(signature), std::move(options)));
}

}  // namespace hone
