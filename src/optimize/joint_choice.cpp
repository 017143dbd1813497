#include "optimize/joint_choice.hpp"

#include <algorithm>
#include <utility>

#include "hone/base/text.hpp"

#include "optimize/contender.hpp"
#include "optimize/domains.hpp"
#include "optimize/ranking.hpp"

namespace hone {
namespace {

constexpr double kBeyondLimits = 1e12;

}  // namespace

void JointChoice::add(const Space& space, const std::string& path, std::vector<Value> values) {
  const Param* known = space.find(path);
  values_[path] = {std::move(values), known ? known->condition : std::nullopt};
}

void JointChoice::extend(const std::string& path, Value value) {
  values_[path].values.push_back(std::move(value));
}

void JointChoice::add_param(const Param& param) {
  const bool is_known = values_.contains(param.path) ||
                        std::any_of(params_.begin(), params_.end(),
                                    [&](const Param& known) { return known.path == param.path; });
  if (!is_known) params_.push_back(param);
}

Result<void> JointChoice::add_matching(const Space& space, std::string_view globs) {
  std::vector<std::string> wanted;
  for (const std::string& glob : split(globs, ' ')) {
    if (!trim(glob).empty()) wanted.emplace_back(trim(glob));
  }
  if (wanted.empty()) return {};
  Result<Space> matching = space.keep(wanted);
  if (!matching) return matching.error();
  for (const Param& param : matching->params()) add_param(param);
  return {};
}

void JointChoice::add_asked(const Space& space, const Program& student) {
  const std::string free_calibration =
      is_calibration_free(student) ? predictors_in_use(student).front().path() + ".calibration"
                                   : std::string();
  for (const Param& param : space.params()) {
    if (is_drawable(param) && space.is_asked(param) && param.path != free_calibration)
      add_param(param);
  }
}

Space JointChoice::space() const {
  std::vector<Param> params = params_;
  for (const auto& [path, listed] : values_) {
    ChoiceDomain domain;
    for (std::size_t i = 0; i < listed.values.size(); ++i) domain.choices.emplace_back(i);
    params.push_back({path, std::move(domain), 0, listed.condition});
  }
  return Space(std::move(params));
}

Candidate JointChoice::candidate(const Candidate& point) const {
  Candidate out;
  for (const auto& [path, value] : point.values()) {
    const auto list = values_.find(path);
    if (list == values_.end()) {
      out = out.with(path, value);
    } else if (const Value& chosen =
                   list->second.values.at(static_cast<std::size_t>(value.as_int()));
               !chosen.is_null()) {
      out = out.with(path, chosen);
    }
  }
  return out;
}

std::string JointChoice::origin(const Candidate& point) const {
  std::vector<std::string> parts;
  for (const auto& [path, value] : point.values())
    parts.push_back(
        (values_.size() + params_.size() > 2 ? path : path.substr(path.rfind('.') + 1)) + " " +
        value.text());
  return join(parts, ", ");
}

std::optional<std::size_t> JointChoice::index(const Candidate& point, std::string_view path) const {
  const Value* value = values_.contains(path) ? point.find(path) : nullptr;
  if (!value) return std::nullopt;
  return static_cast<std::size_t>(value->as_int());
}

Candidate JointChoice::first() const {
  const Space joint = space();
  Candidate point;
  for (const Param& param : joint.params()) {
    if (!param.initial.is_null() && joint.is_active(param, Candidate()))
      point = point.with(param.path, param.initial);
  }
  return point;
}

std::optional<double> told_score(const Search& search, const Trial& trial,
                                 std::span<const std::size_t> places) {
  const bool any =
      std::any_of(trial.scores.begin(), trial.scores.end(), [](const auto& s) { return s; });
  if (!any) return std::nullopt;
  // Beyond a limit is worse than anything within it, and further beyond worse still.
  if (trial.excess > 0) return -kBeyondLimits * (1 + trial.excess);
  if (!search.goals().is_score()) return trial.merit;
  if (places.empty()) return comparable_mean(trial, search.baseline());
  Trial placed = trial;
  placed.scores.assign(search.val().size(), std::nullopt);
  for (std::size_t i = 0; i < places.size(); ++i) placed.scores[places[i]] = trial.scores[i];
  return comparable_mean(placed, search.baseline());
}

}  // namespace hone
