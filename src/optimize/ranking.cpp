#include "optimize/ranking.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

namespace hone {
namespace {

constexpr double kStandardErrors = 2;

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
  const std::vector<Value> labels = field.type.choices();
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
    const std::vector<TraceStep>& steps = rollout.trace.steps;
    const auto asked = std::ranges::find_if(steps, &TraceStep::asked_model);
    if (std::ranges::count_if(steps, &TraceStep::asked_model) != 1 || asked->labels.size() != 1)
      return std::nullopt;
    std::vector<double> scores = asked->labels.front().log_probs;
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

namespace {

// The validation scores and those of the run-off.
std::vector<std::optional<double>> all_scores(const Trial& trial) {
  std::vector<std::optional<double>> scores = trial.scores;
  scores.insert(scores.end(), trial.further_scores.begin(), trial.further_scores.end());
  return scores;
}

bool has_every_score(const Trial& trial) {
  return std::ranges::all_of(trial.scores, [](const auto& score) { return score.has_value(); });
}

PairedScores paired(std::span<const std::optional<double>> ones,
                    std::span<const std::optional<double>> others) {
  PairedScores pairs;
  for (std::size_t i = 0; i < std::min(ones.size(), others.size()); ++i) {
    if (!ones[i] || !others[i]) continue;
    pairs.first.push_back(*ones[i]);
    pairs.second.push_back(*others[i]);
  }
  return pairs;
}

// Of the second over the first, on average; 0 without a pair.
double mean_gain(const PairedScores& pairs) {
  double sum = 0;
  for (std::size_t i = 0; i < pairs.first.size(); ++i) sum += pairs.second[i] - pairs.first[i];
  return pairs.first.empty() ? 0 : sum / static_cast<double>(pairs.first.size());
}

double gain(const Trial& trial, const Trial& baseline) {
  return mean_gain(paired_scores(baseline, trial));
}

// On the examples both have a score of: failures must not decide which examples a mean is of.
bool is_below(const Trial& trial, const Trial& baseline) {
  constexpr double kRounding = 1e-9;
  return gain(trial, baseline) < -kRounding;
}

const Trial* highest_mean(std::span<const Trial> trials, const Trial* baseline) {
  const Trial* top = nullptr;
  double most = 0;
  for (const Trial& trial : trials) {
    if (!trial.complete || (baseline && is_below(trial, *baseline))) continue;
    const double mean = comparable_mean(trial, baseline);
    if (top && mean <= most) continue;
    top = &trial;
    most = mean;
  }
  return top;
}

// How much more probable the right labels are than to the baseline, on average.
double likelihood_gain(const Trial& trial, const Trial& baseline, std::size_t temperature) {
  auto count = static_cast<double>(trial.examples);
  double sum = count * ((*trial.likelihood)[temperature] - (*baseline.likelihood)[temperature]);
  for (std::size_t i = 0; i < trial.further_likelihoods.size(); ++i) {
    const auto &own = trial.further_likelihoods[i], &other = baseline.further_likelihoods[i];
    if (!own || !other) continue;
    sum += (*own)[temperature] - (*other)[temperature];
    ++count;
  }
  return sum / count;
}

const Trial* best_of_run_off(std::span<const Trial> trials, const Trial& baseline) {
  std::vector<const Trial*> runners;
  for (const Trial& trial : trials) {
    if (!trial.further_scores.empty() && !is_below(trial, baseline)) runners.push_back(&trial);
  }
  const Trial* top = *std::ranges::max_element(
      runners, {}, [&](const Trial* trial) { return gain(*trial, baseline); });
  const std::vector<std::optional<double>> top_scores = all_scores(*top);
  std::erase_if(runners, [&](const Trial* trial) {
    return is_clearly_worse(all_scores(*trial), top_scores);
  });
  std::vector<LabelLikelihood> means;
  for (const Trial* trial : runners) means.push_back(*trial->likelihood);
  const std::size_t at = common_temperature(means);
  return *std::ranges::max_element(runners, {}, [&](const Trial* trial) {
    return std::pair(!trial->fallback, likelihood_gain(*trial, baseline, at));
  });
}

// Of the trials that came after the run-off: the validation examples are all they met.
const Trial* best_since_run_off(std::span<const Trial> trials, const Trial& winner,
                                const Trial& baseline) {
  const Trial* best = &winner;
  std::size_t last = 0;
  for (const Trial& trial : trials) {
    if (!trial.further_scores.empty()) last = std::max(last, trial.number);
  }
  for (const Trial& trial : trials) {
    if (trial.number <= last || !trial.complete || is_below(trial, baseline)) continue;
    if (comparable_mean(trial, &baseline) > comparable_mean(*best, &baseline)) best = &trial;
  }
  return best;
}

}  // namespace

PairedScores paired_scores(const Trial& first, const Trial& second) {
  return paired(all_scores(first), all_scores(second));
}

double comparable_mean(const Trial& trial, const Trial* baseline) {
  if (!baseline || (has_every_score(trial) && has_every_score(*baseline))) return trial.mean;
  const PairedScores pairs = paired(baseline->scores, trial.scores);
  return pairs.first.empty() ? trial.mean : baseline->mean + mean_gain(pairs);
}

std::vector<std::size_t> finalists(std::span<const Trial> trials, std::size_t baseline) {
  const Trial* top = highest_mean(trials, &trials[baseline]);
  if (!top) return {};
  std::vector<std::size_t> numbers;
  for (const Trial& trial : trials) {
    const bool is_in = trial.complete && !is_clearly_worse(trial.scores, top->scores);
    if (trial.number != baseline && !is_in) continue;
    if (!trial.complete || !trial.likelihood) return {};
    numbers.push_back(trial.number);
  }
  return numbers.size() < 2 ? std::vector<std::size_t>() : numbers;
}

bool shows(const Candidate& candidate, const Signature& signature, const Example& example) {
  for (const auto& [path, value] : candidate.values()) {
    if (!path.ends_with(".demos") || value.is_null()) continue;
    for (const Value& demo : value.as_list()) {
      const bool is_it = std::ranges::all_of(signature.inputs(), [&](const Field& field) {
        return demo.get(field.name) == example.get(field.name);
      });
      if (is_it) return true;
    }
  }
  return false;
}

const Trial* best_trial(std::span<const Trial> trials, std::optional<std::size_t> baseline) {
  const Trial* before = baseline ? &trials[*baseline] : nullptr;
  if (before && !before->further_scores.empty())
    return best_since_run_off(trials, *best_of_run_off(trials, *before), *before);
  const Trial* top = highest_mean(trials, before);
  if (!top || !top->likelihood) return top;
  std::vector<const Trial*> equals;
  for (const Trial& trial : trials) {
    if (!trial.complete || !trial.likelihood) continue;
    if (before && is_below(trial, *before)) continue;
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
