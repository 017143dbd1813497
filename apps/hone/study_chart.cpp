#include "hone/study_chart.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <optional>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/console.hpp"

namespace hone::cli {
namespace {

// What both pictures show of a trial.
struct Point {
  double mean = 0;
  bool complete = false;
  std::optional<double> best;  // of the complete trials up to this one
  const StudyTrial* trial = nullptr;
};

std::vector<Point> points_of(const Study& study) {
  std::vector<Point> points;
  std::optional<double> best;
  for (const StudyTrial& trial : study.trials) {
    if (trial.complete) best = std::max(best.value_or(trial.mean), trial.mean);
    points.push_back({trial.mean, trial.complete, best, &trial});
  }
  return points;
}

struct Range {
  double low = 0;
  double high = 1;
  double step = 0.1;
  double place(double value) const { return (value - low) / (high - low); }  // 0 to 1
};

// Round numbers around all scores.
Range range_of(const std::vector<Point>& points) {
  double low = points.front().mean;
  double high = low;
  for (const Point& point : points) {
    low = std::min(low, point.mean);
    high = std::max(high, point.mean);
  }
  const double span = std::max(high - low, 0.02);
  const double power = std::pow(10, std::floor(std::log10(span / 5)));
  double step = power;
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    step = factor * power;
    if (span / step <= 6) break;
  }
  Range range{std::floor(low / step) * step, std::ceil(high / step) * step, step};
  if (range.high - range.low < step / 2) range.high = range.low + step;
  return range;
}

std::string padded_left(const std::string& text, std::size_t width) {
  const std::size_t taken = columns(text);
  return taken >= width ? text : std::string(width - taken, ' ') + text;
}

constexpr std::size_t kRows = 10;

}  // namespace

std::string terminal_chart(const Study& study, std::size_t width) {
  const std::vector<Point> points = points_of(study);
  if (points.empty()) return {};
  const Range range = range_of(points);
  constexpr std::size_t kLabel = 7;
  const std::size_t room = std::clamp<std::size_t>(width, 30, 100) - kLabel - 2;
  const std::size_t across = std::min(room, points.size() * 3);
  std::vector<std::vector<std::string>> cells(kRows, std::vector<std::string>(across, " "));
  const auto row_of = [&](double value) {
    const double from_top = (1 - range.place(value)) * static_cast<double>(kRows - 1);
    return std::clamp<std::size_t>(static_cast<std::size_t>(std::lround(std::max(0.0, from_top))),
                                   0, kRows - 1);
  };
  for (std::size_t column = 0; column < across; ++column) {
    const Point& point = points[column * points.size() / across];
    if (point.best) cells[row_of(*point.best)][column] = "━";
  }
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::size_t column = std::min(across - 1, (2 * i + 1) * across / (2 * points.size()));
    cells[row_of(points[i].mean)][column] = points[i].complete ? "●" : "○";
  }
  std::string out;
  for (std::size_t row = 0; row < kRows; ++row) {
    const double value = range.high - (range.high - range.low) * static_cast<double>(row) /
                                          static_cast<double>(kRows - 1);
    const bool labelled = row == 0 || row == kRows - 1 || row == kRows / 2;
    out += padded_left(labelled ? percent(value) : "", kLabel) + " ┤";
    for (const std::string& cell : cells[row]) out += cell;
    while (out.ends_with(' ')) out.pop_back();
    out += "\n";
  }
  const StudySpend& spent = points.back().trial->spent;
  out += std::string(kLabel + 1, ' ') + "└";
  for (std::size_t column = 0; column < across; ++column) out += "─";
  out += "\n" + std::string(kLabel + 2, ' ') + "trials 0 to " +
         std::to_string(points.back().trial->number) + ", " + grouped(spent.lm_calls) +
         " LM calls   ● score  ○ stopped early  ━ best so far\n";
  return out;
}

namespace {

constexpr double kWidth = 800;
constexpr double kHeight = 450;
constexpr double kLeft = 70;
constexpr double kRight = 30;
constexpr double kTop = 60;
constexpr double kBottom = 80;

std::string coordinate(double value) {
  return number_text(std::round(value * 10) / 10);
}

std::string escaped(std::string_view text) {
  std::string out;
  for (const char byte : to_utf8(text)) {
    switch (byte) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        // Other control characters have no place in XML.
        out += static_cast<unsigned char>(byte) < 0x20 ? ' ' : byte;
    }
  }
  return out;
}

class Svg {
 public:
  void line(double x1, double y1, double x2, double y2, const char* color) {
    out_ += "<line x1=\"" + coordinate(x1) + "\" y1=\"" + coordinate(y1) + "\" x2=\"" +
            coordinate(x2) + "\" y2=\"" + coordinate(y2) + "\" stroke=\"" + color + "\"/>\n";
  }
  void text(double x, double y, std::string_view words, const char* anchor = "middle",
            int size = 12, const char* color = "#444") {
    out_ += "<text x=\"" + coordinate(x) + "\" y=\"" + coordinate(y) + "\" text-anchor=\"" +
            anchor + "\" font-size=\"" + std::to_string(size) + "\" fill=\"" + color + "\">" +
            escaped(words) + "</text>\n";
  }
  void path(const std::string& steps) {
    out_ += "<path d=\"" + steps + "\" fill=\"none\" stroke=\"#d55e00\" stroke-width=\"2.5\"/>\n";
  }
  // With words that a browser shows when it is pointed at.
  void dot(double x, double y, bool filled, std::string_view words) {
    out_ += "<circle cx=\"" + coordinate(x) + "\" cy=\"" + coordinate(y) +
            "\" r=\"4.5\" stroke=\"#0072b2\" stroke-width=\"1.5\" fill=\"" +
            (filled ? "#0072b2" : "white") + "\"><title>" + escaped(words) + "</title></circle>\n";
  }
  std::string finish() {
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"800\" height=\"450\" viewBox=\"0 0 "
           "800 450\" font-family=\"sans-serif\">\n<rect width=\"800\" height=\"450\" "
           "fill=\"white\"/>\n" +
           out_ + "</svg>\n";
  }

 private:
  std::string out_;
};

void draw_axes(Svg& svg, const std::vector<Point>& points, const Range& range,
               const std::vector<double>& xs) {
  const double plot = kHeight - kTop - kBottom;
  const auto steps = static_cast<int>(std::lround((range.high - range.low) / range.step));
  for (int i = 0; i <= steps; ++i) {
    const double value = range.low + i * range.step;
    const double y = kTop + (1 - range.place(value)) * plot;
    svg.line(kLeft, y, kWidth - kRight, y, i == 0 ? "#888" : "#ddd");
    svg.text(kLeft - 8, y + 4, number_text(std::round(value * 1000) / 10) + " %", "end");
  }
  constexpr std::size_t kMostLabels = 10;
  const std::size_t every = (points.size() + kMostLabels - 1) / kMostLabels;
  const double base = kHeight - kBottom;
  std::int64_t told = -1;
  for (std::size_t i = 0; i < points.size(); i += every) {
    svg.line(xs[i], base, xs[i], base + 5, "#888");
    svg.text(xs[i], base + 19, std::to_string(points[i].trial->number));
    const std::int64_t calls = points[i].trial->spent.lm_calls;
    // Trials measured together end together.
    if (calls != told) svg.text(xs[i], base + 35, grouped(calls), "middle", 11, "#777");
    told = calls;
  }
  svg.text(kLeft - 8, base + 19, "trial", "end", 11, "#777");
  svg.text(kLeft - 8, base + 35, "LM calls", "end", 11, "#777");
}

void draw_legend(Svg& svg, bool has_stopped) {
  const double y = kHeight - 18;
  svg.dot(kLeft + 6, y - 4, true, "score");
  svg.text(kLeft + 18, y, "score on the validation examples", "start");
  if (has_stopped) {
    svg.dot(kLeft + 236, y - 4, false, "stopped early");
    svg.text(kLeft + 248, y, "stopped early: on those it met", "start");
  }
  const double x = has_stopped ? kLeft + 446 : kLeft + 240;
  svg.path("M" + coordinate(x) + " " + coordinate(y - 4) + "h24");
  svg.text(x + 32, y, "best so far", "start");
}

std::string words_of(const Point& point) {
  const StudyTrial& trial = *point.trial;
  return "trial " + std::to_string(trial.number) + " (" + trial.origin +
         "): " + percent(trial.mean) + " % on " + std::to_string(trial.examples) + " examples";
}

}  // namespace

std::string svg_chart(const Study& study) {
  Svg svg;
  const std::vector<Point> points = points_of(study);
  svg.text(kLeft, 26,
           study.identity.get("optimizer").text().substr(0, 60) + " on " +
               std::to_string(study.val_examples) + " examples, " +
               shorten(study.identity.get("metric").text(), 60),
           "start", 16, "#222");
  if (points.empty()) {
    svg.text(kWidth / 2, kHeight / 2, "no trial was measured yet");
    return svg.finish();
  }
  const Range range = range_of(points);
  const double across = kWidth - kLeft - kRight;
  const double plot = kHeight - kTop - kBottom;
  std::vector<double> xs;
  for (std::size_t i = 0; i < points.size(); ++i) {
    xs.push_back(kLeft +
                 across * (static_cast<double>(i) + 0.5) / static_cast<double>(points.size()));
  }
  const auto height = [&](double value) { return kTop + (1 - range.place(value)) * plot; };
  if (const StudyTrial* best = study.best()) {
    svg.text(kLeft, 46,
             "best " + percent(best->mean) + " %: trial " + std::to_string(best->number) + ", " +
                 shorten(best->origin, 60),
             "start", 13);
  }
  draw_axes(svg, points, range, xs);
  std::string steps;
  for (std::size_t i = 0; i < points.size(); ++i) {
    if (!points[i].best) continue;
    const std::string y = coordinate(height(*points[i].best));
    steps += steps.empty() ? "M" + coordinate(xs[i]) + " " + y : "H" + coordinate(xs[i]) + "V" + y;
  }
  if (!steps.empty()) svg.path(steps + "H" + coordinate(kWidth - kRight));
  bool has_stopped = false;
  for (std::size_t i = 0; i < points.size(); ++i) {
    svg.dot(xs[i], height(points[i].mean), points[i].complete, words_of(points[i]));
    has_stopped = has_stopped || !points[i].complete;
  }
  draw_legend(svg, has_stopped);
  return svg.finish();
}

}  // namespace hone::cli
