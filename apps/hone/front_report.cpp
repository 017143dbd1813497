#include "hone/front_report.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/console.hpp"

namespace hone::cli {
namespace {

constexpr std::size_t kShownOrigin = 40;

// Four digits that matter.
double readable(double number) {
  if (number == 0 || !std::isfinite(number)) return number;
  const double scale = std::pow(10, 3 - std::floor(std::log10(std::abs(number))));
  return scale >= 1 ? std::round(number * scale) / scale : std::round(number);
}

std::string cell(Quantity quantity, double number) {
  return quantity == Quantity::score ? percent(number) : number_text(readable(number));
}

std::string padded(const std::string& text, std::size_t width) {
  return text.size() < width ? std::string(width - text.size(), ' ') + text : text;
}

}  // namespace

std::vector<FrontRow> front_rows(const Optimized& optimized) {
  std::vector<FrontRow> rows;
  for (std::size_t i = 0; i < optimized.trials.size(); ++i) {
    const Trial& trial = optimized.trials[i];
    const bool is_winner = trial.number == optimized.best.number;
    const bool is_on_front =
        std::find(optimized.front.begin(), optimized.front.end(), i) != optimized.front.end();
    if (!is_on_front && !is_winner && trial.number != optimized.baseline.number) continue;
    rows.push_back(
        {trial.number, trial.origin, trial.measures, trial.merit, trial.excess == 0, is_winner});
  }
  std::stable_sort(rows.begin(), rows.end(), [](const FrontRow& a, const FrontRow& b) {
    return a.measures.score > b.measures.score;
  });
  return rows;
}

std::string front_text(const Goals& goals, const std::vector<FrontRow>& rows) {
  const std::vector<Quantity> axes = goals.axes();
  // A formula has a value of its own to show; a plain quantity stands in its column.
  const bool has_formula = !goals.goals.empty() && goals.goals.front().quantities().size() > 1;
  std::vector<std::vector<std::string>> cells(1);
  for (const Quantity quantity : axes) cells[0].emplace_back(to_string(quantity));
  if (has_formula) cells[0].emplace_back("goal");
  for (const FrontRow& row : rows) {
    cells.emplace_back();
    for (const Quantity quantity : axes)
      cells.back().push_back(cell(quantity, row.measures.get(quantity)));
    if (has_formula) cells.back().push_back(number_text(readable(row.merit)));
  }
  std::string text = "Trade-offs on the validation examples (" + goals.text() + ")\n";
  for (std::size_t r = 0; r < cells.size(); ++r) {
    text += "  ";
    for (std::size_t c = 0; c < cells[r].size(); ++c) {
      std::size_t width = 0;
      for (const std::vector<std::string>& line : cells) width = std::max(width, line[c].size());
      text += padded(cells[r][c], width) + "  ";
    }
    if (r > 0) {
      const FrontRow& row = rows[r - 1];
      text += shorten(row.origin, kShownOrigin);
      if (!row.is_within) text += " (beyond a limit)";
      if (row.is_winner) text += "  <- chosen";
    }
    text = std::string(text.substr(0, text.find_last_not_of(' ') + 1)) + "\n";
  }
  return text;
}

Value front_json(const std::vector<FrontRow>& rows) {
  Value::List out;
  for (const FrontRow& row : rows) {
    Value::Object fields = {{"trial", row.trial}, {"origin", row.origin}};
    for (const Quantity quantity : kQuantities)
      fields.emplace_back(std::string(to_string(quantity)), row.measures.get(quantity));
    fields.emplace_back("goal", row.merit);
    fields.emplace_back("within", row.is_within);
    fields.emplace_back("winner", row.is_winner);
    out.push_back(Value::object(std::move(fields)));
  }
  return Value::list(std::move(out));
}

}  // namespace hone::cli
