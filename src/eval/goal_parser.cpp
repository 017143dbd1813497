// Reads goals and limits: a recursive descent over
//   sum = product {("+" | "-") product};  product = factor {("*" | "/") factor}
//   factor = "-" factor | number | quantity | "(" sum ")"
#include <charconv>
#include <cmath>
#include <optional>
#include <string>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/eval/goal.hpp"

namespace hone {
namespace {

constexpr std::size_t kMostNested = 50;  // parentheses and signs; more is no formula of a person

bool is_letter(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}
bool is_figure(char c) {
  return c >= '0' && c <= '9';
}

std::vector<std::string> quantity_names() {
  std::vector<std::string> names;
  for (const Quantity quantity : kQuantities) names.emplace_back(to_string(quantity));
  return names;
}

}  // namespace

class GoalParser {
 public:
  GoalParser(std::string_view text, std::string what) : text_(text), what_(std::move(what)) {}

  Result<Goal> goal() {
    Goal out;
    const std::size_t start = at_;
    const std::string word = name();
    if (word == "minimize") {
      out.direction_ = Direction::minimize;
    } else if (word != "maximize") {
      at_ = start;
    }
    peek();
    const std::size_t formula = at_;
    sum(out);
    if (!fault_ && peek() != '\0') fail("expected an operator or the end");
    need_quantity(out, formula);
    if (fault_) return *fault_;
    out.text_ = std::string(trim(text_));
    return out;
  }

  Result<GoalLimit> limit() {
    Goal formula;
    peek();
    const std::size_t start = at_;
    sum(formula);
    const char sign = peek();
    if (!fault_ && sign != '<' && sign != '>') fail("expected '<' or '>'");
    need_quantity(formula, start);
    if (fault_) return *fault_;
    ++at_;
    if (at_ < text_.size() && text_[at_] == '=') ++at_;
    formula.direction_ = sign == '<' ? Direction::minimize : Direction::maximize;
    Goal bound;
    if (peek() == '-') {
      ++at_;
      number(bound);
      if (!fault_) bound.steps_.push_back({Goal::Operator::negate});
    } else {
      number(bound);
    }
    if (!fault_ && peek() != '\0') fail("expected the end");
    if (fault_) return *fault_;
    const double value = bound.value({});
    GoalLimit out(std::move(formula), value);
    out.text_ = std::string(trim(text_));
    return out;
  }

 private:
  char peek() {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    return at_ < text_.size() ? text_[at_] : '\0';
  }
  std::string name() {
    peek();
    std::string out;
    while (at_ < text_.size() && (is_letter(text_[at_]) || is_figure(text_[at_])))
      out += text_[at_++];
    return out;
  }
  // The first fault is the one that is told.
  void fail(const std::string& message) {
    if (fault_) return;
    const std::string found =
        at_ < text_.size() ? "'" + std::string(1, text_[at_]) + "'" : std::string("the end");
    fail_at(at_, message + ", found " + found);
  }
  void fail_at(std::size_t place, const std::string& message) {
    if (fault_) return;
    fault_ =
        bad_request(what_ + ", column " + std::to_string(place + 1),
                    message + "\n  " + std::string(text_) + "\n  " + std::string(place, ' ') + "^");
  }

  // Numbers alone are the same of every program.
  void need_quantity(const Goal& formula, std::size_t start) {
    if (fault_ || !formula.quantities().empty()) return;
    fail_at(start, "names nothing that is measured (there: " + join(quantity_names(), ", ") + ")");
  }

  void sum(Goal& out) {
    product(out);
    for (char sign = peek(); !fault_ && (sign == '+' || sign == '-'); sign = peek()) {
      ++at_;
      product(out);
      out.steps_.push_back({sign == '+' ? Goal::Operator::add : Goal::Operator::subtract});
    }
  }

  // Whether the steps from `first` on, which are a formula of their own, are numbers that make 0.
  static bool is_always_zero(const Goal& whole, std::size_t first) {
    Goal part;
    part.steps_.assign(whole.steps_.begin() + static_cast<std::ptrdiff_t>(first),
                       whole.steps_.end());
    return part.quantities().empty() && part.value({}) == 0;
  }

  void product(Goal& out) {
    factor(out);
    for (char sign = peek(); !fault_ && (sign == '*' || sign == '/'); sign = peek()) {
      ++at_;
      peek();
      const std::size_t start = at_;
      const std::size_t before = out.steps_.size();
      factor(out);
      if (fault_) return;
      if (sign == '/' && is_always_zero(out, before)) fail_at(start, "divides by 0");
      out.steps_.push_back({sign == '*' ? Goal::Operator::multiply : Goal::Operator::divide});
    }
  }

  void factor(Goal& out) {
    if (fault_) return;
    const char next = peek();
    if (++depth_ > kMostNested) return fail("too many parentheses");
    if (next == '-') {
      ++at_;
      factor(out);
      out.steps_.push_back({Goal::Operator::negate});
    } else if (next == '(') {
      ++at_;
      sum(out);
      if (peek() == ')') {
        ++at_;
      } else {
        fail("expected ')'");
      }
    } else if (is_letter(next)) {
      quantity(out);
    } else {
      number(out);
    }
    --depth_;
  }

  void quantity(Goal& out) {
    const std::size_t start = at_;
    const std::string word = name();
    for (const Quantity known : kQuantities) {
      if (word != to_string(known)) continue;
      out.steps_.push_back({Goal::Operator::quantity, 0, known});
      return;
    }
    const std::vector<std::string> names = quantity_names();
    fail_at(start, "there is no '" + word + "'" + did_you_mean(word, names) +
                       " (there: " + join(names, ", ") + ")");
  }

  void number(Goal& out) {
    peek();
    double value = 0;
    const char* begin = text_.data() + at_;
    const char* end = text_.data() + text_.size();
    const bool is_number = at_ < text_.size() && (is_figure(*begin) || *begin == '.');
    const auto [stop, fault] = std::from_chars(begin, end, value);
    if (!is_number || fault != std::errc() || !std::isfinite(value))
      return fail("expected a number or a quantity");
    at_ += static_cast<std::size_t>(stop - begin);
    out.steps_.push_back({Goal::Operator::number, value});
  }

  std::string_view text_;
  std::string what_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  std::optional<Error> fault_;
};

Result<Goal> Goal::parse(std::string_view text) {
  return GoalParser(text, "goal").goal();
}

Result<GoalLimit> GoalLimit::parse(std::string_view text) {
  return GoalParser(text, "limit").limit();
}

}  // namespace hone
