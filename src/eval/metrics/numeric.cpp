#include "eval/metrics/numeric.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/eval/metric.hpp"

#include "eval/metrics/fields.hpp"

namespace hone {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

std::size_t digits_at(std::string_view text, std::size_t at) {
  std::size_t count = 0;
  while (at + count < text.size() && is_digit(text[at + count])) ++count;
  return count;
}

// Whether the text ends in a character beyond ASCII that a sign may follow: a space, an opening
// quotation mark, an arrow or a mathematical operator. After others, letters and units ("12€-15€"),
// a minus joins.
bool ends_in_wide_opener(std::string_view text) {
  static constexpr std::string_view kOpeners[] = {"\u00a0", "«", "\u202f", "\u2009", "“", "‘", "„"};
  if (std::ranges::any_of(kOpeners, [&](std::string_view end) { return text.ends_with(end); }))
    return true;
  if (text.size() < 3) return false;
  const std::string_view last = text.substr(text.size() - 3);
  // U+2190 to U+22FF
  const auto second = static_cast<unsigned char>(last[1]);
  return last[0] == '\xE2' && second >= 0x86U && second <= 0x8BU;
}

// Whether a minus stands before the digits, possibly with a currency sign between.
bool is_negative_before(std::string_view before) {
  static constexpr std::string_view kSkipped[] = {"$", "€", "£", "¥", "₹"};
  static constexpr std::string_view kMinus[] = {"-", "−"};
  for (const std::string_view currency : kSkipped) {
    if (before.ends_with(currency)) {
      before.remove_suffix(currency.size());
      break;
    }
  }
  for (const std::string_view minus : kMinus) {
    if (!before.ends_with(minus)) continue;
    before.remove_suffix(minus.size());
    // After a digit, a letter or a closing bracket a minus joins or subtracts: "5-10", "covid-19".
    const char last = before.empty() ? ' ' : before.back();
    const bool joins =
        is_digit(last) || last == ')' || last == '%' || (last >= 'a' && last <= 'z') ||
        (last >= 'A' && last <= 'Z') ||
        ((static_cast<unsigned char>(last) & 0x80U) != 0 && !ends_in_wide_opener(before));
    return !joins;
  }
  return false;
}

struct Found {
  std::string text;  // as std::from_chars reads it, without sign
  std::size_t end = 0;
};

// Reads the number that begins at `at` (a digit, or a point before one).
Found number_at(std::string_view text, std::size_t at) {
  Found found;
  std::size_t i = at;
  const std::size_t first = digits_at(text, i);
  found.text = text.substr(i, first);
  i += first;
  // Commas group thousands only where every group has three digits: "1,234,567" but not "1,2,3" or
  // "10,20".
  std::size_t grouped = i;
  std::string digits = found.text;
  while (first >= 1 && first <= 3 && text[at] != '0' && grouped < text.size() &&
         text[grouped] == ',' && digits_at(text, grouped + 1) == 3) {
    digits += text.substr(grouped + 1, 3);
    grouped += 4;
  }
  if (grouped > i) {
    found.text = digits;
    i = grouped;
  }
  if (i < text.size() && text[i] == '.' && digits_at(text, i + 1) > 0) {
    const std::size_t count = digits_at(text, i + 1);
    found.text += text.substr(i, count + 1);
    i += count + 1;
  }
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    std::size_t exponent = i + 1;
    if (exponent < text.size() && (text[exponent] == '+' || text[exponent] == '-')) ++exponent;
    const std::size_t count = digits_at(text, exponent);
    const std::size_t end = exponent + count;
    // "3e5m" is a name, not a number.
    const bool ends =
        end >= text.size() || !((text[end] | 0x20) >= 'a' && (text[end] | 0x20) <= 'z');
    if (count > 0 && ends) {
      found.text += text.substr(i, end - i);
      i = end;
    }
  }
  found.end = i;
  return found;
}

std::optional<double> number_of(const Value& value) {
  if (value.is_number()) return value.as_double();
  if (value.is_string()) return last_number(value.as_string());
  return std::nullopt;
}

// Relative above 1 and absolute below, so that one setting serves prices and probabilities.
bool is_near(double a, double b, double tolerance) {
  return std::abs(a - b) <= tolerance * std::max({1.0, std::abs(a), std::abs(b)});
}

}  // namespace

std::optional<double> last_number(std::string_view text) {
  std::optional<double> last;
  for (std::size_t i = 0; i < text.size();) {
    const bool starts_with_point = text[i] == '.' && i + 1 < text.size() && is_digit(text[i + 1]);
    if (!is_digit(text[i]) && !starts_with_point) {
      ++i;
      continue;
    }
    const Found found = number_at(text, i);
    double number = 0;
    const std::from_chars_result read =
        std::from_chars(found.text.data(), found.text.data() + found.text.size(), number);
    last.reset();
    if (read.ec == std::errc()) last = is_negative_before(text.substr(0, i)) ? -number : number;
    i = found.end;
  }
  return last;
}

Metric numeric_match(std::string field, double tolerance) {
  std::string name = "numeric:" + field;
  if (tolerance != kNumericTolerance) name += ":" + number_text(tolerance);
  return Metric(
      name, [name, field = std::move(field), tolerance](const Outcome& outcome) -> Result<Score> {
        const Result<ComparedFields> fields = compared_fields(outcome, name, field);
        if (!fields) return fields.error();
        const Value::List accepted =
            fields->expected.is_list() ? fields->expected.as_list() : Value::List{fields->expected};
        std::vector<double> numbers;
        for (const Value& value : accepted) {
          if (const std::optional<double> number = number_of(value)) numbers.push_back(*number);
        }
        if (numbers.empty()) {
          return bad_request(name, "the example's field '" + field + "' holds no number: '" +
                                       shorten(fields->expected.text(), 80) + "'");
        }
        const std::optional<double> predicted = number_of(fields->predicted);
        if (!predicted) {
          return Score{0, "expected the number " + number_text(numbers.front()) +
                              ", but there is no number in '" +
                              shorten(fields->predicted.text(), 200) + "'"};
        }
        for (const double number : numbers) {
          if (is_near(number, *predicted, tolerance)) return Score{1, {}};
        }
        return Score{0, "expected the number " + number_text(numbers.front()) + ", got " +
                            number_text(*predicted)};
      });
}

}  // namespace hone
