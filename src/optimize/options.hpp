// Reads an optimizer's options out of an object, and knows their names for messages and help.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"

namespace hone {

// What a number may be, both ends included.
struct OptionRange {
  double least = 0;
  double most = std::numeric_limits<double>::infinity();
};
inline constexpr OptionRange kAtLeastOne = {.least = 1};
inline constexpr OptionRange kShare = {.least = 0, .most = 1};
// Beyond it models write noise.
inline constexpr OptionRange kTemperature = {.least = 0, .most = 2};

// Each get() declares an option with its default and meaning and returns the given value; finish()
// reports, all at once, values of the wrong kind or out of range and names nobody declared.
class OptionReader {
 public:
  OptionReader(std::string_view owner, const Value& given) : owner_(owner), given_(given) {}

  std::size_t get(std::string_view name, std::size_t fallback, std::string_view meaning,
                  OptionRange range = {});
  double get(std::string_view name, double fallback, std::string_view meaning,
             OptionRange range = {});
  bool get(std::string_view name, bool fallback, std::string_view meaning);
  std::string get(std::string_view name, const char* fallback, std::string_view meaning);
  // One of a few words.
  std::string get(std::string_view name, const char* fallback, std::string_view meaning,
                  const std::vector<std::string>& choices);
  // The options whose names begin with the prefix, without it: another optimizer's, which reads
  // them itself.
  Value forwarded(std::string_view prefix, std::string_view meaning);
  // For values that are wrong in a way that only their reader can tell.
  void fault(std::string message) { faults_.push_back(std::move(message)); }

  Result<void> finish() const;
  // "name = default  meaning", one an option.
  const std::vector<std::string>& descriptions() const { return descriptions_; }

 private:
  const Value* declare(std::string_view name, const Value& fallback, std::string_view meaning);
  void wrong(std::string_view name, std::string_view expected, const Value& value);

  std::string owner_;
  Value given_;
  std::vector<std::string> names_;
  std::vector<std::string> prefixes_;
  std::vector<std::string> descriptions_;
  std::vector<std::string> faults_;
};

}  // namespace hone
