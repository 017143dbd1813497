#include "hone/eval/goal.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {
namespace {

constexpr double kWorst = -std::numeric_limits<double>::infinity();

void add_new(std::vector<Quantity>& all, const std::vector<Quantity>& more) {
  for (const Quantity quantity : more) {
    if (std::find(all.begin(), all.end(), quantity) == all.end()) all.push_back(quantity);
  }
}

}  // namespace

std::string_view to_string(Quantity quantity) {
  static constexpr std::string_view kNames[] = {
      "score", "latency_ms", "prompt_tokens", "generated_tokens", "tokens", "lm_calls", "money"};
  return kNames[static_cast<std::size_t>(quantity)];
}

Direction direction_of(Quantity quantity) {
  return quantity == Quantity::score ? Direction::maximize : Direction::minimize;
}

double Measures::get(Quantity quantity) const {
  switch (quantity) {
    case Quantity::score:
      return score;
    case Quantity::latency_ms:
      return latency_ms;
    case Quantity::prompt_tokens:
      return prompt_tokens;
    case Quantity::generated_tokens:
      return generated_tokens;
    case Quantity::tokens:
      return prompt_tokens + generated_tokens;
    case Quantity::lm_calls:
      return lm_calls;
    case Quantity::money:
      return money;
  }
  return 0;
}

Measures measures_of(const Rollout& run, const Prices& prices) {
  const Usage usage = run.trace.usage();
  Measures out;
  out.score = run.score.value_or(0);
  out.latency_ms = 1000 * (usage.seconds + usage.cached_seconds);
  out.prompt_tokens = static_cast<double>(usage.prompt_tokens);
  out.generated_tokens =
      static_cast<double>(usage.generated_tokens + usage.cached_generated_tokens);
  out.lm_calls = static_cast<double>(usage.lm_calls);
  for (const TraceStep& step : run.trace.steps) {
    const std::int64_t generated = step.usage.generated_tokens + step.usage.cached_generated_tokens;
    // Of a thousand runs.
    out.money += 1000 * prices.of_model(step.model).of(step.usage.prompt_tokens, generated);
  }
  return out;
}

Measures mean_measures(std::span<const Rollout> runs, const Prices& prices) {
  Measures mean;
  double count = 0;
  for (const Rollout& run : runs) {
    if (!run.score) continue;
    const Measures one = measures_of(run, prices);
    mean.score += one.score;
    mean.latency_ms += one.latency_ms;
    mean.prompt_tokens += one.prompt_tokens;
    mean.generated_tokens += one.generated_tokens;
    mean.lm_calls += one.lm_calls;
    mean.money += one.money;
    ++count;
  }
  if (count == 0) return mean;
  for (double* sum : {&mean.score, &mean.latency_ms, &mean.prompt_tokens, &mean.generated_tokens,
                      &mean.lm_calls, &mean.money})
    *sum /= count;
  return mean;
}

Goal::Goal(Quantity quantity, Direction direction)
    : text_((direction == Direction::maximize ? "maximize " : "minimize ") +
            std::string(to_string(quantity))),
      direction_(direction),
      steps_({{Operator::quantity, 0, quantity}}) {}

double Goal::value(const Measures& measures) const {
  std::vector<double> stack;
  for (const Step& step : steps_) {
    if (step.what == Operator::number) {
      stack.push_back(step.number);
    } else if (step.what == Operator::quantity) {
      stack.push_back(measures.get(step.quantity));
    } else if (step.what == Operator::negate) {
      stack.back() = -stack.back();
    } else {
      const double right = stack.back();
      stack.pop_back();
      double& left = stack.back();
      if (step.what == Operator::add) left += right;
      if (step.what == Operator::subtract) left -= right;
      if (step.what == Operator::multiply) left *= right;
      if (step.what == Operator::divide) left /= right;
    }
  }
  return stack.back();
}

double Goal::merit(const Measures& measures) const {
  const double number = value(measures);
  if (!std::isfinite(number)) return kWorst;
  return direction_ == Direction::maximize ? number : -number;
}

bool Goal::is_additive() const {
  // Degree in the quantities of what stands on the stack; 2 is anything that is not affine.
  std::vector<int> degrees;
  for (const Step& step : steps_) {
    if (step.what == Operator::number) {
      degrees.push_back(0);
    } else if (step.what == Operator::quantity) {
      degrees.push_back(1);
    } else if (step.what != Operator::negate) {
      const int right = degrees.back();
      degrees.pop_back();
      int& left = degrees.back();
      if (step.what == Operator::multiply) {
        left = std::min(2, left + right);
      } else if (step.what == Operator::divide) {
        left = right == 0 ? left : 2;
      } else {
        left = std::max(left, right);
      }
    }
  }
  return degrees.back() < 2;
}

std::vector<Quantity> Goal::quantities() const {
  std::vector<Quantity> out;
  for (const Step& step : steps_) {
    if (step.what == Operator::quantity) add_new(out, {step.quantity});
  }
  return out;
}

Goal maximize(Quantity quantity) {
  return Goal(quantity, Direction::maximize);
}
Goal minimize(Quantity quantity) {
  return Goal(quantity, Direction::minimize);
}

double GoalLimit::excess(const Measures& measures) const {
  const double number = formula_.value(measures);
  if (!std::isfinite(number)) return std::numeric_limits<double>::infinity();
  const double beyond =
      formula_.direction() == Direction::minimize ? number - bound_ : bound_ - number;
  return std::max(0.0, beyond) / (bound_ == 0 ? 1 : std::abs(bound_));
}

GoalLimit at_most(Quantity quantity, double bound) {
  return GoalLimit::parse(std::string(to_string(quantity)) + " <= " + number_text(bound)).value();
}
GoalLimit at_least(Quantity quantity, double bound) {
  return GoalLimit::parse(std::string(to_string(quantity)) + " >= " + number_text(bound)).value();
}

double Goals::merit(const Measures& measures) const {
  return goals.empty() ? measures.score : goals.front().merit(measures);
}

double Goals::excess(const Measures& measures) const {
  double sum = 0;
  for (const GoalLimit& limit : within) sum += limit.excess(measures);
  return sum;
}

bool Goals::is_better(const Measures& a, const Measures& b) const {
  const double excess_a = excess(a);
  const double excess_b = excess(b);
  if (excess_a != excess_b) return excess_a < excess_b;
  if (goals.empty()) return a.score > b.score;
  for (const Goal& goal : goals) {
    const double merit_a = goal.merit(a);
    const double merit_b = goal.merit(b);
    if (merit_a != merit_b) return merit_a > merit_b;
  }
  return false;
}

bool Goals::is_additive() const {
  return goals.empty() || goals.front().is_additive();
}

bool Goals::uses(Quantity quantity) const {
  const std::vector<Quantity> all = axes();
  return std::find(all.begin(), all.end(), quantity) != all.end();
}

std::vector<std::string> Goals::without_value(const Measures& measures) const {
  std::vector<std::string> out;
  for (const Goal& goal : goals) {
    if (!std::isfinite(goal.value(measures))) out.push_back(goal.text());
  }
  for (const GoalLimit& limit : within) {
    if (!std::isfinite(limit.value(measures))) out.push_back(limit.text());
  }
  return out;
}

std::vector<Quantity> Goals::axes() const {
  std::vector<Quantity> out = {Quantity::score};
  for (const Goal& goal : goals) add_new(out, goal.quantities());
  for (const GoalLimit& limit : within) add_new(out, limit.quantities());
  return out;
}

std::string Goals::text() const {
  std::vector<std::string> parts;
  for (const Goal& goal : goals) parts.push_back(goal.text());
  if (parts.empty()) parts.push_back(maximize(Quantity::score).text());
  for (const GoalLimit& limit : within) parts.push_back("within " + limit.text());
  return join(parts, "; ");
}

std::vector<std::size_t> pareto_front(std::span<const Measures> points, const Goals& goals) {
  const std::vector<Quantity> axes = goals.axes();
  std::vector<Direction> directions;
  for (const Quantity quantity : axes) directions.push_back(direction_of(quantity));
  std::vector<std::vector<double>> numbers;
  for (const Measures& point : points) {
    numbers.emplace_back();
    for (const Quantity quantity : axes) numbers.back().push_back(point.get(quantity));
  }
  return pareto_front(numbers, directions);
}

}  // namespace hone
