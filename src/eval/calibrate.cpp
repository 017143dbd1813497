#include "hone/eval/calibrate.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "program/label_fields.hpp"

namespace hone {
namespace {

constexpr const char* kContentFreeTexts[] = {"N/A", "[MASK]", ""};

// Mean log-probability of every label of every field of one predictor.
class LabelMeans {
 public:
  void add(const LabelScores& scores) {
    // A label the model holds impossible would make every mean with it so.
    if (!std::ranges::all_of(scores.log_probs, [](double p) { return std::isfinite(p); })) return;
    Sum& sum = sums_[scores.field];
    if (sum.totals.empty()) sum.totals.assign(scores.log_probs.size(), 0.0);
    if (sum.totals.size() != scores.log_probs.size()) return;
    for (std::size_t i = 0; i < sum.totals.size(); ++i) sum.totals[i] += scores.log_probs[i];
    ++sum.count;
  }

  Value bias() const {
    Value::Object fields;
    for (const auto& [field, sum] : sums_) {
      if (sum.count == 0) continue;
      std::vector<double> means;
      for (const double total : sum.totals) means.push_back(total / static_cast<double>(sum.count));
      fields.emplace_back(field, Value::numbers(means));
    }
    return Value::object(std::move(fields));
  }

 private:
  struct Sum {
    std::vector<double> totals;
    std::size_t count = 0;
  };
  std::map<std::string, Sum> sums_;
};

// Whether any run worked, and what the first that did not said.
struct Outcomes {
  bool any_worked = false;
  std::optional<Error> first_error;

  void add(const Rollout& rollout) {
    if (!rollout.error) {
      any_worked = true;
    } else if (!first_error) {
      first_error = rollout.error;
    }
  }
};

bool scores_labels(const Predictor& predictor, const Evaluator& evaluator) {
  const std::string& name = predictor.options().model;
  if (name.empty()) return evaluator.lm().info().scores_labels;
  const auto& models = evaluator.options().models;
  const auto found = models.find(name);
  return found != models.end() && found->second->info().scores_labels;
}

double bounded(double number, const Limits& limits) {
  if (limits.min) number = std::max(number, *limits.min);
  if (limits.max) number = std::min(number, *limits.max);
  return number;
}

// A value of the type that says nothing: every text in it is `text`, everything else as plain as
// its limits allow.
Value content_free(const Type& type, const std::string& text) {
  const Limits& limits = type.limits();
  switch (type.kind()) {
    case TypeKind::str: {
      std::string shown = text.substr(0, limits.max_length.value_or(text.size()));
      shown.resize(std::max(shown.size(), limits.min_length.value_or(0)), '-');
      return shown;
    }
    case TypeKind::integer:
      return static_cast<std::int64_t>(std::ceil(bounded(0, limits)));
    case TypeKind::real:
      return bounded(0, limits);
    case TypeKind::boolean:
      return false;
    case TypeKind::enumeration:
      return type.labels().front();
    case TypeKind::list: {
      const std::size_t most = limits.max_length.value_or(1);
      const std::size_t count =
          std::max(limits.min_length.value_or(0), std::min<std::size_t>(1, most));
      return Value::list(Value::List(count, content_free(type.element(), text)));
    }
    case TypeKind::optional:
      return content_free(type.element(), text);
    case TypeKind::structure: {
      Value::Object fields;
      for (const TypeField& field : type.fields()) {
        fields.emplace_back(field.name, content_free(field.type, text));
      }
      return Value::object(std::move(fields));
    }
  }
  return {};
}

Examples content_free_inputs(const Signature& signature) {
  Examples inputs;
  for (const char* text : kContentFreeTexts) {
    Value::Object fields;
    for (const Field& field : signature.inputs()) {
      fields.emplace_back(field.name, content_free(field.type, text));
    }
    inputs.emplace_back(Value::object(std::move(fields)));
  }
  return inputs;
}

std::vector<Rollout> run_all(const Program& program, const Examples& examples,
                             const Evaluator& evaluator, Outcomes& outcomes) {
  std::vector<RolloutTask> tasks;
  tasks.reserve(examples.size());
  for (const Example& example : examples) tasks.push_back({&program, &example, 0, std::nullopt});
  std::vector<Rollout> rollouts = evaluator.run(tasks, nullptr);
  for (const Rollout& rollout : rollouts) outcomes.add(rollout);
  return rollouts;
}

std::map<std::string, LabelMeans> means_by_path(const std::vector<Rollout>& rollouts) {
  std::map<std::string, LabelMeans> means;
  for (const Rollout& rollout : rollouts) {
    for (const TraceStep& step : rollout.trace.steps) {
      for (const LabelScores& scores : step.labels) means[step.path].add(scores);
    }
  }
  return means;
}

// Means over every step of the rollouts, whatever its path: for programs of one predictor.
LabelMeans means_of(const std::vector<Rollout>& rollouts) {
  LabelMeans means;
  for (const Rollout& rollout : rollouts) {
    for (const TraceStep& step : rollout.trace.steps) {
      for (const LabelScores& scores : step.labels) means.add(scores);
    }
  }
  return means;
}

}  // namespace

Result<Candidate> learn_label_bias(const Program& program, const Examples& examples,
                                   const Evaluator& evaluator) {
  std::vector<Predictor> batch;
  std::vector<Predictor> content_free;
  for (Predictor& predictor : program.predictors()) {
    const Calibration calibration = predictor.options().calibration;
    if (calibration == Calibration::none) continue;
    if (!has_labels(predictor.signature()) || !scores_labels(predictor, evaluator)) continue;
    (calibration == Calibration::batch ? batch : content_free).push_back(std::move(predictor));
  }

  Candidate learned;
  Outcomes outcomes;
  const auto keep = [&](const Predictor& predictor, const LabelMeans& means) {
    Value bias = means.bias();
    if (bias.size() > 0) learned = learned.with(predictor.path() + ".label_bias", std::move(bias));
  };
  if (!batch.empty() && !examples.empty()) {
    const std::map<std::string, LabelMeans> means =
        means_by_path(run_all(program, examples, evaluator, outcomes));
    for (const Predictor& predictor : batch) {
      const auto found = means.find(predictor.path());
      if (found != means.end()) keep(predictor, found->second);
    }
  }
  for (const Predictor& predictor : content_free) {
    const Program alone = Program::predict(predictor.signature(), predictor.options());
    keep(predictor,
         means_of(run_all(alone, content_free_inputs(predictor.signature()), evaluator, outcomes)));
  }
  if (!outcomes.any_worked && outcomes.first_error) return *outcomes.first_error;
  return learned;
}

}  // namespace hone
