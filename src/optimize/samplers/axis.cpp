#include "optimize/samplers/axis.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {
namespace {

Result<void> check_searchable(const Param& param) {
  if (std::holds_alternative<TextDomain>(param.domain) ||
      std::holds_alternative<DemoDomain>(param.domain) ||
      std::holds_alternative<BiasDomain>(param.domain) ||
      std::holds_alternative<ModelDomain>(param.domain)) {
    return bad_request(param.path,
                       "is " + std::string(domain_name(param.domain)) +
                           ", which a sampler cannot draw; narrow it to choices or freeze it");
  }
  if (const auto* choice = std::get_if<ChoiceDomain>(&param.domain);
      choice && choice->choices.empty())
    return bad_request(param.path, "has no choices");
  if (const auto* range = std::get_if<IntDomain>(&param.domain); range && range->low > range->high)
    return bad_request(param.path, "has an empty range");
  if (const auto* range = std::get_if<RealDomain>(&param.domain)) {
    if (!(range->low <= range->high)) return bad_request(param.path, "has an empty range");
    if (range->log_scale && range->low <= 0)
      return bad_request(param.path, "has a log scale, which must begin above 0");
  }
  return {};
}

void combine(const Space& space, const std::vector<Axis>& axes, std::size_t at,
             const Candidate& so_far, std::size_t steps, std::size_t limit,
             std::vector<Candidate>& out) {
  if (out.size() > limit) return;
  if (at == axes.size()) {
    out.push_back(so_far);
    return;
  }
  const Axis& axis = axes[at];
  if (!space.is_active(axis.param(), so_far)) {
    combine(space, axes, at + 1, so_far, steps, limit, out);
    return;
  }
  for (const double point : axis.grid(steps)) {
    combine(space, axes, at + 1, so_far.with(axis.param().path, axis.value(point)), steps, limit,
            out);
  }
}

}  // namespace

Axis::Axis(Param param) : param_(std::move(param)) {
  if (const auto* choice = std::get_if<ChoiceDomain>(&param_.domain)) {
    choices_ = choice->choices;
  } else if (const auto* whole = std::get_if<IntDomain>(&param_.domain)) {
    is_integer_ = true;
    low_ = static_cast<double>(whole->low) - 0.5;
    high_ = static_cast<double>(whole->high) + 0.5;
  } else if (const auto* range = std::get_if<RealDomain>(&param_.domain)) {
    is_log_ = range->log_scale;
    low_ = is_log_ ? std::log(range->low) : range->low;
    high_ = is_log_ ? std::log(range->high) : range->high;
  }
}

double Axis::draw(Rng& rng) const {
  if (is_choice()) return static_cast<double>(rng.below(choices_.size()));
  return snap(low_ + rng.uniform() * (high_ - low_));
}

double Axis::snap(double point) const {
  if (is_choice()) return point;
  if (is_integer_) return std::clamp(std::round(point), std::ceil(low_), std::floor(high_));
  return std::clamp(point, low_, high_);
}

Value Axis::value(double point) const {
  if (is_choice()) return choices_[static_cast<std::size_t>(point)];
  if (is_integer_) return static_cast<std::int64_t>(std::llround(point));
  if (!is_log_) return point;
  const auto& range = std::get<RealDomain>(param_.domain);
  return std::clamp(std::exp(point), range.low, range.high);
}

std::optional<double> Axis::point(const Value& value) const {
  if (is_choice()) {
    const auto found = std::find(choices_.begin(), choices_.end(), value);
    if (found == choices_.end()) return std::nullopt;
    return static_cast<double>(found - choices_.begin());
  }
  if (!value.is_number()) return std::nullopt;
  const double number = value.as_double();
  if (is_log_ && number <= 0) return std::nullopt;
  return snap(is_log_ ? std::log(number) : number);
}

std::vector<double> Axis::grid(std::size_t steps) const {
  std::vector<double> out;
  if (is_choice()) {
    for (std::size_t i = 0; i < choices_.size(); ++i) out.push_back(static_cast<double>(i));
    return out;
  }
  const double first = is_integer_ ? low_ + 0.5 : low_;
  const double last = is_integer_ ? high_ - 0.5 : high_;
  const std::size_t count = std::max<std::size_t>(1, std::min(steps, size().value_or(steps)));
  for (std::size_t i = 0; i < count; ++i) {
    const double share = count == 1 ? 0.5 : static_cast<double>(i) / static_cast<double>(count - 1);
    const double point = snap(first + share * (last - first));
    if (out.empty() || point != out.back()) out.push_back(point);
  }
  return out;
}

std::optional<std::size_t> Axis::size() const {
  if (is_choice()) return choices_.size();
  if (is_integer_) return static_cast<std::size_t>(high_ - low_);
  return low_ == high_ ? std::optional<std::size_t>(1) : std::nullopt;
}

Result<std::vector<Axis>> axes_of(const Space& space) {
  std::vector<const Param*> waiting;
  for (const Param& param : space.params()) {
    if (std::holds_alternative<LearnedDomain>(param.domain)) continue;
    if (Result<void> fits = check_searchable(param); !fits) return fits.error();
    waiting.push_back(&param);
  }
  if (waiting.empty()) return bad_request("space", "has nothing to choose");
  std::vector<Axis> out;
  std::set<std::string> placed;
  while (!waiting.empty()) {
    const std::size_t before = waiting.size();
    std::vector<const Param*> later;
    for (const Param* param : waiting) {
      if (param->condition && space.find(param->condition->path) &&
          !placed.contains(param->condition->path)) {
        later.push_back(param);
        continue;
      }
      out.emplace_back(*param);
      placed.insert(param->path);
    }
    waiting = std::move(later);
    if (waiting.size() == before)
      return bad_request(waiting.front()->path, "has a condition that depends on itself");
  }
  return out;
}

std::vector<Candidate> combinations(const Space& space, const std::vector<Axis>& axes,
                                    std::size_t steps, std::size_t limit) {
  std::vector<Candidate> out;
  combine(space, axes, 0, Candidate(), steps, limit, out);
  return out;
}

}  // namespace hone
