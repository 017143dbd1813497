#include "adapter/number_grammar.hpp"

#include <algorithm>
#include <cmath>
#include <compare>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"

namespace hone::internal {
namespace {

using Number = std::uint64_t;

constexpr Number kLargest = 999'999'999'999'999;  // 15 digits: exact as a double
constexpr int kDecimals = 6;
constexpr Number kUnit = 1'000'000;  // 10^kDecimals

std::string digit_class(char low, char high) {
  if (low == high) return std::string("\"") + low + "\"";
  return std::string("[") + low + "-" + high + "]";
}

std::string repeated_digits(std::size_t low, std::size_t high) {
  if (high == 0) return {};
  if (low == high) return low == 1 ? "[0-9]" : "[0-9]{" + std::to_string(low) + "}";
  if (low == 0 && high == 1) return "[0-9]?";
  return "[0-9]{" + std::to_string(low) + "," + std::to_string(high) + "}";
}

std::string joined(const std::string& a, const std::string& b) {
  if (a.empty() || b.empty()) return a + b;
  return a + " " + b;
}

// Digit strings of one length between two others of that length.
void same_length(const std::string& low, const std::string& high, const std::string& prefix,
                 std::vector<std::string>& out) {
  if (low.empty()) {
    out.push_back(prefix);
    return;
  }
  const std::size_t rest = low.size() - 1;
  const std::string zeros(rest, '0');
  const std::string nines(rest, '9');
  if (low.front() == high.front()) {
    const std::string next = joined(prefix, digit_class(low.front(), low.front()));
    if (low.substr(1) == zeros && high.substr(1) == nines) {
      out.push_back(joined(next, repeated_digits(rest, rest)));
    } else {
      same_length(low.substr(1), high.substr(1), next, out);
    }
    return;
  }
  char first = low.front();
  char last = high.front();
  if (low.substr(1) != zeros) {
    same_length(low.substr(1), nines, joined(prefix, digit_class(first, first)), out);
    ++first;
  }
  const bool cut_high = high.substr(1) != nines;
  if (cut_high) --last;
  if (first <= last)
    out.push_back(joined(joined(prefix, digit_class(first, last)), repeated_digits(rest, rest)));
  if (cut_high)
    same_length(zeros, high.substr(1), joined(prefix, digit_class(high.front(), high.front())),
                out);
}

Number power_of_ten(std::size_t digits) {
  Number power = 1;
  for (std::size_t i = 0; i < digits; ++i) power *= 10;
  return power;
}

// Alternatives for the integers from low to high.
void integer_range(Number low, Number high, const std::string& prefix,
                   std::vector<std::string>& out) {
  if (low > high) return;
  if (low == 0) {
    out.push_back(joined(prefix, "\"0\""));
    if (high == 0) return;
    low = 1;
  }
  std::size_t length = std::to_string(low).size();
  const std::size_t last = std::to_string(high).size();
  while (length <= last) {
    const Number from = std::max(low, power_of_ten(length - 1));
    const Number to = std::min(high, power_of_ten(length) - 1);
    if (from == power_of_ten(length - 1) && to == power_of_ten(length) - 1) {
      // Whole lengths in a row become one alternative.
      std::size_t end = length;
      while (end + 1 <= last && power_of_ten(end + 1) - 1 <= high) ++end;
      out.push_back(joined(joined(prefix, "[1-9]"), repeated_digits(length - 1, end - 1)));
      length = end + 1;
      continue;
    }
    same_length(std::to_string(from), std::to_string(to), prefix, out);
    ++length;
  }
}

std::size_t longest_digits(Number high) {
  return std::to_string(high).size();
}

// A bound as a magnitude and a sign, cut to what the patterns can say.
struct Range {
  // Magnitudes of the non-negative and of the negative part; empty when low > high.
  Number low = 1, high = 0;
  Number negative_low = 1, negative_high = 0;
  bool has_positive() const { return low <= high; }
  bool has_negative() const { return negative_low <= negative_high; }
};

// A bound in units, which count up to `size`: a decimal one such as 0.1 is no whole number of units
// only through rounding of the product.
double rounded_inward(double scaled, double size, bool up) {
  const double nearest = std::round(scaled);
  if (std::abs(scaled - nearest) < 1e-9 * std::max(1.0, size)) return nearest;
  return up ? std::ceil(scaled) : std::floor(scaled);
}

// Bounds are rounded inwards to whole numbers.
std::optional<Range> range_of(const Limits& limits) {
  const double largest = static_cast<double>(kLargest);
  const auto inward = [&](double bound, bool up) {
    return std::clamp(rounded_inward(bound, std::abs(bound), up), -largest, largest);
  };
  const double low = limits.min ? inward(*limits.min, true) : -largest;
  const double high = limits.max ? inward(*limits.max, false) : largest;
  if (!(low <= high)) return std::nullopt;
  Range range;
  if (high >= 0) {
    range.low = static_cast<Number>(std::max(low, 0.0));
    range.high = static_cast<Number>(high);
  }
  if (low < 0) {
    range.negative_low = high < 0 ? static_cast<Number>(-high) : 1;
    range.negative_high = static_cast<Number>(-low);
  }
  return range;
}

// A magnitude with its fraction in units of 10^-kDecimals: the two in one number would overflow it.
struct Magnitude {
  Number whole = 0;
  Number fraction = 0;
  friend auto operator<=>(const Magnitude&, const Magnitude&) = default;
};
constexpr Magnitude kLargestReal{kLargest, kUnit - 1};

// Precondition: the bound is not negative.
Magnitude magnitude_of(double bound, bool up) {
  if (bound >= static_cast<double>(kLargest) + 1) return kLargestReal;
  const double unit = static_cast<double>(kUnit);
  const double whole = std::floor(bound);
  const double fraction = rounded_inward((bound - whole) * unit, bound * unit, up);
  const Magnitude out{static_cast<Number>(whole), static_cast<Number>(fraction)};
  return out.fraction < kUnit ? out : std::min(Magnitude{out.whole + 1, 0}, kLargestReal);
}

// A Range of numbers with a fraction.
struct RealRange {
  Magnitude low{1, 0}, high{0, 0};
  Magnitude negative_low{1, 0}, negative_high{0, 0};
  bool has_positive() const { return low <= high; }
  bool has_negative() const { return negative_low <= negative_high; }
};

// Bounds are rounded inwards to whole units.
std::optional<RealRange> real_range_of(const Limits& limits) {
  RealRange range;
  if (!limits.max || *limits.max >= 0) {
    range.low = magnitude_of(std::max(limits.min.value_or(0.0), 0.0), true);
    range.high = limits.max ? magnitude_of(*limits.max, false) : kLargestReal;
  }
  if (!limits.min || *limits.min < 0) {
    range.negative_low =
        limits.max && *limits.max < 0 ? magnitude_of(-*limits.max, true) : Magnitude{0, 1};
    range.negative_high = limits.min ? magnitude_of(-*limits.min, false) : kLargestReal;
  }
  if (!range.has_positive() && !range.has_negative()) return std::nullopt;
  return range;
}

// Digits after the point: those f with low <= 0.f <= high as far as each bound is given (digit
// strings of kDecimals). Adds alternatives that begin after the point's first `depth` digits.
void fraction_digits(const std::optional<std::string>& low, const std::optional<std::string>& high,
                     std::size_t depth, const std::string& prefix, std::vector<std::string>& out) {
  const std::size_t left = static_cast<std::size_t>(kDecimals) - depth;
  if (!low && !high) {
    out.push_back(
        joined(prefix, left == 0 ? std::string() : repeated_digits(depth == 0 ? 1 : 0, left)));
    return;
  }
  if (!low && high->find_first_not_of('0', depth) == std::string::npos) {
    const std::string zeros =
        "\"0\"{" + std::string(depth == 0 ? "1" : "0") + "," + std::to_string(left) + "}";
    out.push_back(left == 0 ? prefix : joined(prefix, zeros));
    return;
  }
  // Stopping here means zeros from here on: enough for the high bound, and for the low one when
  // only zeros remain.
  const bool may_stop =
      depth > 0 && (!low || low->find_first_not_of('0', depth) == std::string::npos);
  if (may_stop) out.push_back(prefix);
  if (left == 0) return;
  const char first = low ? (*low)[depth] : '0';
  const char last = high ? (*high)[depth] : '9';
  if (first > last) return;
  char free_first = first;
  char free_last = last;
  if (low) {
    const bool tight_both = high && first == last;
    fraction_digits(low, tight_both ? high : std::nullopt, depth + 1,
                    joined(prefix, digit_class(first, first)), out);
    if (tight_both) return;
    ++free_first;
  }
  if (high) --free_last;
  if (free_first <= free_last) {
    out.push_back(
        joined(joined(prefix, digit_class(free_first, free_last)), repeated_digits(0, left - 1)));
  }
  if (high)
    fraction_digits(std::nullopt, high, depth + 1, joined(prefix, digit_class(last, last)), out);
}

std::string six_digits(Number fraction) {
  std::string digits = std::to_string(fraction);
  return std::string(static_cast<std::size_t>(kDecimals) - digits.size(), '0') + digits;
}

// One whole part with a fraction bounded at one or both ends.
void bounded_fraction(Number whole, std::optional<Number> low, std::optional<Number> high,
                      const std::string& prefix, std::vector<std::string>& out) {
  const std::string head = joined(prefix, "\"" + std::to_string(whole) + "\"");
  if (low && *low == 0) low.reset();
  if (!low) out.push_back(head);
  std::vector<std::string> digits;
  fraction_digits(low ? std::optional(six_digits(*low)) : std::nullopt,
                  high ? std::optional(six_digits(*high)) : std::nullopt, 0, {}, digits);
  if (digits.empty()) return;
  out.push_back(joined(head, "\".\" (" + join(digits, " | ") + ")"));
}

// Magnitudes from low to high.
void real_range(const Magnitude& low, const Magnitude& high, const std::string& prefix,
                std::vector<std::string>& out) {
  Number first = low.whole;
  Number last = high.whole;
  if (first == last) {
    bounded_fraction(first, low.fraction, high.fraction, prefix, out);
    return;
  }
  if (low.fraction != 0) bounded_fraction(first++, low.fraction, std::nullopt, prefix, out);
  if (high.fraction != kUnit - 1)
    bounded_fraction(last--, std::nullopt, high.fraction, prefix, out);
  std::vector<std::string> wholes;
  if (first <= last) integer_range(first, last, {}, wholes);
  if (!wholes.empty()) {
    out.push_back(joined(
        prefix, "(" + join(wholes, " | ") + ") (\".\" " + repeated_digits(1, kDecimals) + ")?"));
  }
}

}  // namespace

NumberPattern integer_pattern(const Limits& limits) {
  const Range range = range_of(limits).value_or(*range_of({}));
  std::vector<std::string> parts;
  NumberPattern pattern;
  if (range.has_positive()) {
    integer_range(range.low, range.high, {}, parts);
    pattern.max_bytes = longest_digits(range.high);
  }
  if (range.has_negative()) {
    std::vector<std::string> negative;
    integer_range(range.negative_low, range.negative_high, {}, negative);
    parts.push_back("\"-\" (" + join(negative, " | ") + ")");
    pattern.max_bytes = std::max(pattern.max_bytes, 1 + longest_digits(range.negative_high));
  }
  pattern.expression = join(parts, " | ");
  return pattern;
}

NumberPattern real_pattern(const Limits& limits) {
  const RealRange range = real_range_of(limits).value_or(*real_range_of({}));
  std::vector<std::string> parts;
  NumberPattern pattern;
  if (range.has_positive()) {
    real_range(range.low, range.high, {}, parts);
    pattern.max_bytes = longest_digits(range.high.whole) + 1 + static_cast<std::size_t>(kDecimals);
  }
  if (range.has_negative()) {
    std::vector<std::string> negative;
    real_range(range.negative_low, range.negative_high, {}, negative);
    parts.push_back("\"-\" (" + join(negative, " | ") + ")");
    pattern.max_bytes = std::max(pattern.max_bytes, 2 + longest_digits(range.negative_high.whole) +
                                                        static_cast<std::size_t>(kDecimals));
  }
  pattern.expression = join(parts, " | ");
  return pattern;
}

}  // namespace hone::internal
