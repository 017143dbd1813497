// What is to be reached besides the score: goals over what runs cost, and limits.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/eval/pareto.hpp"
#include "hone/eval/prices.hpp"

namespace hone {

// What is measured of every run of a program.
//   score             the metric's
//   latency_ms        waiting for the model, in milliseconds; differs from run to run
//   prompt_tokens, generated_tokens, tokens (both), lm_calls
//   money             for 1,000 runs, by the prices given
// A reply out of a cache counts what it took when the model gave it.
enum class Quantity { score, latency_ms, prompt_tokens, generated_tokens, tokens, lm_calls, money };

inline constexpr std::array<Quantity, 7> kQuantities = {
    Quantity::score,  Quantity::latency_ms, Quantity::prompt_tokens, Quantity::generated_tokens,
    Quantity::tokens, Quantity::lm_calls,   Quantity::money};

std::string_view to_string(Quantity quantity);
// Higher scores and lower costs are better.
Direction direction_of(Quantity quantity);

// Means over runs, or those of one run.
struct Measures {
  double score = 0;
  double latency_ms = 0;
  double prompt_tokens = 0;
  double generated_tokens = 0;
  double lm_calls = 0;
  double money = 0;
  double get(Quantity quantity) const;
};

Measures measures_of(const Rollout& run, const Prices& prices);
// Over the runs that have a score; all 0 when there is none.
Measures mean_measures(std::span<const Rollout> runs, const Prices& prices);

// A formula over quantities that is to be made large or small. An immutable value.
class Goal {
 public:
  // "score - 0.1 * prompt_tokens / 1000" (numbers, quantities, + - * / and parentheses), to be made
  // large unless "minimize" stands in front. A bad_request points at the character; a formula
  // without a quantity, or that divides by the number 0, is one too.
  static Result<Goal> parse(std::string_view text);
  explicit Goal(Quantity quantity, Direction direction);

  const std::string& text() const { return text_; }
  Direction direction() const { return direction_; }
  // The formula's value; not finite where it divides by 0.
  double value(const Measures& measures) const;
  // The same with its sign turned where it is to be small: more is better. A value that is not
  // finite is worse than any other.
  double merit(const Measures& measures) const;
  // Whether the value at means is the mean of the values: no quantity is multiplied with or divided
  // by one.
  bool is_additive() const;
  std::vector<Quantity> quantities() const;  // each once

 private:
  friend class GoalParser;
  enum class Operator { number, quantity, add, subtract, multiply, divide, negate };
  // The formula in postfix order.
  struct Step {
    Operator what;
    double number = 0;
    Quantity quantity = Quantity::score;
  };
  Goal() = default;

  std::string text_;
  Direction direction_ = Direction::maximize;
  std::vector<Step> steps_;
};

Goal maximize(Quantity quantity);
Goal minimize(Quantity quantity);

// "latency_ms < 200": a formula below, or above, a number; the number itself is within. An
// immutable value.
class GoalLimit {
 public:
  // A formula, then <, <=, > or >=, then a number. A bad_request points at the character.
  static Result<GoalLimit> parse(std::string_view text);

  const std::string& text() const { return text_; }
  std::vector<Quantity> quantities() const { return formula_.quantities(); }
  // Of the formula; not finite where it divides by 0.
  double value(const Measures& measures) const { return formula_.value(measures); }
  // How far beyond the limit, as a share of its number (of 1 where that is 0); 0 within it.
  double excess(const Measures& measures) const;

 private:
  friend class GoalParser;
  GoalLimit(Goal formula, double bound) : formula_(std::move(formula)), bound_(bound) {}

  std::string text_;
  Goal formula_;  // minimized: to stay below; maximized: to stay above
  double bound_ = 0;
};

GoalLimit at_most(Quantity quantity, double bound);
GoalLimit at_least(Quantity quantity, double bound);

// Several goals at once. The first decides and each next one breaks ties; who wants to trade one
// for another says at what rate, in one formula, or sets a limit. None at all = the score.
struct Goals {
  std::vector<Goal> goals = {};
  std::vector<GoalLimit> within = {};

  bool is_score() const { return goals.empty() && within.empty(); }
  // The first goal's merit.
  double merit(const Measures& measures) const;
  // Sum over the limits; 0 when all hold.
  double excess(const Measures& measures) const;
  // Strictly better: what is within the limits before what is not, less beyond them before more
  // (Deb 2000), then by the goals.
  bool is_better(const Measures& a, const Measures& b) const;
  bool is_additive() const;  // of the first goal
  bool uses(Quantity quantity) const;
  // Texts of the goals and limits whose formula is not finite there.
  std::vector<std::string> without_value(const Measures& measures) const;
  // The score and every quantity a goal or a limit names: what the front is drawn over.
  std::vector<Quantity> axes() const;
  // "maximize score; within latency_ms < 200".
  std::string text() const;
};

// Indices of the points nothing else beats on the goals' axes, ascending; equal points are all on
// it. See pareto_front.
std::vector<std::size_t> pareto_front(std::span<const Measures> points, const Goals& goals);

}  // namespace hone
