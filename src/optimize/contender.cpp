#include "optimize/contender.hpp"

#include <algorithm>
#include <utility>

#include "hone/eval/calibrate.hpp"
#include "hone/optimize/space.hpp"

#include "optimize/run_cost.hpp"

namespace hone {
namespace {

double mean_score(const std::vector<Rollout>& rollouts) {
  return Evaluation{rollouts}.mean();
}

bool has_stopped(const std::vector<Rollout>& rollouts) {
  return std::ranges::any_of(rollouts, &Rollout::is_stopped);
}

bool is_calibratable(const Predictor& predictor) {
  const std::vector<Param> params = predictor.params();
  return std::any_of(params.begin(), params.end(), [&](const Param& param) {
    return param.path == predictor.path() + ".calibration";
  });
}

bool is_calibrated(const Program& program) {
  const std::vector<Predictor> predictors = predictors_in_use(program);
  return std::any_of(predictors.begin(), predictors.end(), [](const Predictor& predictor) {
    return predictor.options().calibration != Calibration::none &&
           predictor.options().label_bias.empty();
  });
}

}  // namespace

Candidate with_calibration(const Program& program, Calibration calibration) {
  Candidate candidate;
  for (const Predictor& predictor : predictors_in_use(program)) {
    if (is_calibratable(predictor)) {
      candidate = candidate.with(predictor.path() + ".calibration", Value(to_string(calibration)));
    }
  }
  return candidate;
}

bool is_calibration_free(const Program& program) {
  const std::vector<Predictor> predictors = predictors_in_use(program);
  return predictors.size() == 1 && is_calibratable(predictors.front()) &&
         predictors.front().prompt_template().reply_plan()->is_single_choice();
}

std::vector<std::vector<std::optional<double>>> label_rows(
    std::span<const Contender* const> contenders) {
  std::vector<LabelLikelihood> means;
  for (const Contender* contender : contenders) {
    const std::optional<LabelLikelihood> mean = contender->likelihood();
    if (!mean) return {};
    means.push_back(*mean);
  }
  const std::size_t temperature = common_temperature(means);
  std::vector<std::vector<std::optional<double>>> rows;
  for (const Contender* contender : contenders)
    rows.push_back(contender->label_merits(temperature));
  return rows;
}

Contender::Contender(std::string origin, Candidate candidate, Program program,
                     std::vector<Calibration> calibrations, bool is_fallback)
    : origin_(std::move(origin)),
      candidate_(std::move(candidate)),
      program_(std::move(program)),
      measured_(program_),
      calibrations_(std::move(calibrations)),
      is_fallback_(is_fallback) {
  if (!calibrations_.empty()) {
    measured_ = program_.with(with_calibration(program_, Calibration::none)).value();
    raw_is_eligible_ = std::find(calibrations_.begin(), calibrations_.end(), Calibration::none) !=
                       calibrations_.end();
    std::erase(calibrations_, Calibration::none);
  } else if (is_calibrated(program_)) {
    // A calibration was asked for but not learned yet.
    measured_ = program_.with(with_calibration(program_, Calibration::none)).value();
    raw_is_eligible_ = false;
  }
}

void Contender::add(std::vector<Rollout> rollouts) {
  std::move(rollouts.begin(), rollouts.end(), std::back_inserter(raw_.rollouts));
}

Result<void> Contender::calibrate(const Examples& met, const Evaluator& evaluator,
                                  const Metric& metric) {
  grade(raw_, measured_, met);
  std::vector<Candidate> settings;
  for (const Calibration calibration : calibrations_)
    settings.push_back(with_calibration(program_, calibration));
  if (calibrations_.empty() && !raw_is_eligible_) settings.emplace_back();
  variants_.clear();
  for (const Candidate& setting : settings) {
    Result<Program> wanted = program_.with(setting);
    if (!wanted) return wanted.error();
    Result<Candidate> bias = learn_label_bias(*wanted, met, evaluator);
    if (!bias) {
      // Every run failed: there is nothing to calibrate, and the raw rollouts already say so.
      is_cut_ = is_cut_ || (!raw_is_eligible_ && bias.error().kind == ErrorKind::stopped);
      raw_is_eligible_ = true;
      continue;
    }
    Result<Program> calibrated = wanted->with(*bias);
    if (!calibrated) return calibrated.error();
    Variant variant;
    variant.learned = setting.with(*bias);
    variant.rollouts = evaluator.evaluate(*calibrated, met, metric).rollouts;
    if (has_stopped(variant.rollouts) && !has_stopped(raw_.rollouts)) {
      // On fewer examples it cannot be compared with the raw scores.
      is_cut_ = is_cut_ || !raw_is_eligible_;
      raw_is_eligible_ = true;
      continue;
    }
    grade(variant, *calibrated, met);
    variants_.push_back(std::move(variant));
  }
  return {};
}

void Contender::grade(Variant& variant, const Program& program, const Examples& met) {
  std::optional<LabelLikelihoods> own = label_likelihoods(program, variant.rollouts, met);
  variant.likelihoods = own ? *std::move(own) : LabelLikelihoods();
  variant.likelihood = mean_likelihood(variant.likelihoods);
}

std::vector<std::optional<double>> Contender::label_merits(std::size_t temperature) const {
  std::vector<std::optional<double>> merits;
  for (const std::optional<LabelLikelihood>& likelihood : best_variant().likelihoods) {
    merits.push_back(likelihood ? std::optional((*likelihood)[temperature]) : std::nullopt);
  }
  return merits;
}

std::vector<std::optional<double>> Contender::scores_of(const Variant& variant) const {
  std::vector<std::optional<double>> scores;
  for (const Rollout& rollout : variant.rollouts) scores.push_back(rollout.score);
  return scores;
}

// As best_trial chooses among trials; each at the temperature that suits it best, since only
// calibration differs.
const Contender::Variant& Contender::best_variant() const {
  const Variant* best = raw_is_eligible_ || variants_.empty() ? &raw_ : &variants_.front();
  for (const Variant& variant : variants_) {
    if (&variant == best) continue;
    const bool both_graded = variant.likelihood && best->likelihood;
    const bool is_better =
        both_graded ? std::ranges::max(*variant.likelihood) > std::ranges::max(*best->likelihood) &&
                          !is_clearly_worse(scores_of(variant), scores_of(*best))
                    : mean_score(variant.rollouts) > mean_score(best->rollouts);
    if (is_better) best = &variant;
  }
  return *best;
}

std::vector<std::optional<double>> Contender::merits(const Aims& aims) const {
  const bool by_score = aims.goals.goals.empty() || !aims.goals.is_additive();
  std::vector<std::optional<double>> merits;
  for (const Rollout& rollout : best_variant().rollouts) {
    merits.push_back(rollout.score);
    if (rollout.score && !by_score)
      merits.back() = aims.goals.merit(measures_of(rollout, aims.prices));
  }
  return merits;
}

Spend Contender::spend_per_run(const Prices& prices) const {
  Spend spend;
  for (const Rollout& rollout : raw_.rollouts) {
    for (const TraceStep& step : rollout.trace.steps) spend += spend_of(step, prices);
  }
  return raw_.rollouts.empty() ? spend : spend * (1 / static_cast<double>(raw_.rollouts.size()));
}

double Contender::excess(const Aims& aims) const {
  return aims.goals.within.empty()
             ? 0
             : aims.goals.excess(mean_measures(best_variant().rollouts, aims.prices));
}

std::optional<Error> Contender::common_error() const {
  const bool all_failed =
      std::all_of(raw_.rollouts.begin(), raw_.rollouts.end(), [](const Rollout& rollout) {
        return rollout.error && rollout.error->kind != ErrorKind::bad_reply;
      });
  return all_failed && !raw_.rollouts.empty() ? raw_.rollouts.front().error : std::nullopt;
}

Trial Contender::trial(std::size_t number, std::span<const std::size_t> order,
                       const Aims& aims) const {
  const std::size_t total = order.size();
  const Variant& best = best_variant();
  const std::vector<Rollout>& rollouts = best.rollouts;
  Trial trial;
  trial.number = number;
  trial.origin = origin_;
  trial.candidate = candidate_;
  if (best.learned) {
    trial.candidate = candidate_.with(*best.learned);
  } else if (!calibrations_.empty()) {
    trial.candidate = candidate_.with(with_calibration(program_, Calibration::none));
  }
  const Evaluation evaluation{rollouts};
  trial.scores.resize(total);
  trial.merits.resize(total);
  const std::vector<std::optional<double>> own_merits = merits(aims);
  for (std::size_t i = 0; i < rollouts.size(); ++i) {
    trial.scores[order[i]] = rollouts[i].score;
    trial.merits[order[i]] = own_merits[i];
  }
  trial.mean = evaluation.mean();
  trial.measures = mean_measures(rollouts, aims.prices);
  trial.measures.score = trial.mean;
  trial.merit = aims.goals.merit(trial.measures);
  trial.excess = aims.goals.excess(trial.measures);
  trial.likelihood = best.likelihood;
  trial.examples = evaluation.met();
  trial.failures = evaluation.failures();
  trial.parse_failures = Evaluation{raw_.rollouts}.parse_failures();
  trial.usage = Evaluation{raw_.rollouts}.usage();
  trial.complete = rollouts.size() == total && !is_cut_ && !has_stopped(raw_.rollouts) &&
                   2 * evaluation.scored() >= total && total > 0;
  return trial;
}

}  // namespace hone
