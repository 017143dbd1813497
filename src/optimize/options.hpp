// Reads an optimizer's options out of an object, and knows their names for messages and help.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"

namespace hone {

// Each get() declares an option with its default and meaning and returns the given value; finish()
// reports, all at once, values of the wrong kind and names nobody declared.
class OptionReader {
 public:
  OptionReader(std::string_view owner, const Value& given) : owner_(owner), given_(given) {}

  std::size_t get(std::string_view name, std::size_t fallback, std::string_view meaning);
  double get(std::string_view name, double fallback, std::string_view meaning);
  bool get(std::string_view name, bool fallback, std::string_view meaning);
  std::string get(std::string_view name, const char* fallback, std::string_view meaning);

  Result<void> finish() const;
  // "name = default  meaning", one an option.
  const std::vector<std::string>& descriptions() const { return descriptions_; }

 private:
  const Value* declare(std::string_view name, const Value& fallback, std::string_view meaning);
  void wrong(std::string_view name, std::string_view expected, const Value& value);

  std::string owner_;
  Value given_;
  std::vector<std::string> names_;
  std::vector<std::string> descriptions_;
  std::vector<std::string> faults_;
};

}  // namespace hone
