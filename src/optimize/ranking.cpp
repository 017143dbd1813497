#include "optimize/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace hone {
namespace {

constexpr double kStandardErrors = 2;

// What a model's label scores are in the order of: enum labels, or true and false.
std::vector<Value> labels_of(const Field& field) {
  std::vector<Value> labels;
  if (field.type.kind() == TypeKind::boolean) labels = {Value(true), Value(false)};
  if (field.type.kind() == TypeKind::enumeration) {
    for (const std::string& label : field.type.labels()) labels.emplace_back(label);
  }
  return labels;
}

double log_softmax(const std::vector<double>& scores, std::size_t index, double temperature) {
  const double highest = *std::ranges::max_element(scores);
  double sum = 0;
  for (const double score : scores) sum += std::exp((score - highest) / temperature);
  return (scores[index] - highest) / temperature - std::log(sum);
}

}  // namespace

std::optional<LabelLikelihoods> label_likelihoods(const Program& program,
                                                  std::span<const Rollout> rollouts,
                                                  std::span<const Example> examples) {
  const std::vector<Predictor> predictors = program.predictors();
  if (predictors.size() != 1) return std::nullopt;
  const Predictor& predictor = predictors.front();
  if (!predictor.prompt_template().reply_plan()->is_single_choice()) return std::nullopt;
  const Field& field = predictor.signature().outputs().front();
  const std::vector<Value> labels = labels_of(field);
  const PredictorOptions& options = predictor.options();
  std::vector<double> bias;
  if (const auto found = options.label_bias.find(field.name);
      options.calibration != Calibration::none && found != options.label_bias.end()) {
    bias = found->second;
  }
  LabelLikelihoods likelihoods(rollouts.size());
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    const Rollout& rollout = rollouts[i];
    if (!rollout.score) continue;
    if (rollout.trace.steps.size() != 1 || rollout.trace.steps.front().labels.size() != 1)
      return std::nullopt;
    std::vector<double> scores = rollout.trace.steps.front().labels.front().log_probs;
    const auto right = std::ranges::find(labels, examples[i].get(field.name));
    if (right == labels.end() || scores.size() != labels.size() ||
        (!bias.empty() && bias.size() != labels.size())) {
      return std::nullopt;
    }
    const bool chose_it = rollout.prediction.get(field.name) == *right;
    if (chose_it != (*rollout.score == 1.0)) return std::nullopt;
    for (std::size_t label = 0; label < bias.size(); ++label) scores[label] -= bias[label];
    const auto index = static_cast<std::size_t>(right - labels.begin());
    likelihoods[i].emplace();
    for (std::size_t k = 0; k < kTemperatures.size(); ++k)
      (*likelihoods[i])[k] = log_softmax(scores, index, kTemperatures[k]);
  }
  return likelihoods;
}

std::optional<LabelLikelihood> mean_likelihood(const LabelLikelihoods& likelihoods) {
  LabelLikelihood mean{};
  double count = 0;
  for (const std::optional<LabelLikelihood>& likelihood : likelihoods) {
    if (!likelihood) continue;
    for (std::size_t k = 0; k < mean.size(); ++k) mean[k] += (*likelihood)[k];
    ++count;
  }
  if (count == 0) return std::nullopt;
  for (double& value : mean) value /= count;
  const bool finite = std::ranges::all_of(mean, [](double value) { return std::isfinite(value); });
  return finite ? std::optional(mean) : std::nullopt;
}

std::size_t common_temperature(std::span<const LabelLikelihood> means) {
  LabelLikelihood sums{};
  for (const LabelLikelihood& mean : means) {
    for (std::size_t i = 0; i < sums.size(); ++i) sums[i] += mean[i];
  }
  return static_cast<std::size_t>(std::ranges::max_element(sums) - sums.begin());
}

bool is_clearly_worse(std::span<const std::optional<double>> one,
                      std::span<const std::optional<double>> other) {
  double sum = 0;
  double squares = 0;
  double count = 0;
  for (std::size_t i = 0; i < std::min(one.size(), other.size()); ++i) {
    if (!one[i] || !other[i]) continue;
    const double difference = *other[i] - *one[i];
    sum += difference;
    squares += difference * difference;
    ++count;
  }
  if (count == 0) return false;
  const double mean = sum / count;
  const double variance = std::max(0.0, squares / count - mean * mean);
  return mean > kStandardErrors * std::sqrt(variance / count);
}

const Trial* best_trial(std::span<const Trial> trials, std::optional<std::size_t> baseline) {
  const Trial* top = nullptr;
  for (const Trial& trial : trials) {
    if (trial.complete && (!top || trial.mean > top->mean)) top = &trial;
  }
  if (!top || !top->likelihood) return top;
  std::vector<const Trial*> equals;
  for (const Trial& trial : trials) {
    if (!trial.complete || !trial.likelihood) continue;
    if (baseline && trial.mean < trials[*baseline].mean) continue;
    if (!is_clearly_worse(trial.scores, top->scores)) equals.push_back(&trial);
  }
  std::vector<LabelLikelihood> means;
  for (const Trial* trial : equals) means.push_back(*trial->likelihood);
  const std::size_t at = common_temperature(means);
  return *std::ranges::max_element(equals, {}, [&](const Trial* trial) {
    return std::pair(!trial->fallback, (*trial->likelihood)[at]);
  });
}

}  // namespace hone
