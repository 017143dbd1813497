#include "optimize/options.hpp"

#include <algorithm>

#include "hone/base/text.hpp"

namespace hone {

const Value* OptionReader::declare(std::string_view name, const Value& fallback,
                                   std::string_view meaning) {
  names_.emplace_back(name);
  descriptions_.push_back(std::string(name) + " = " + fallback.to_json() + "  " +
                          std::string(meaning));
  return given_.find(name);
}

void OptionReader::wrong(std::string_view name, std::string_view expected, const Value& value) {
  faults_.push_back("option '" + std::string(name) + "' expects " + std::string(expected) +
                    ", got " + shorten(value.to_json(), 60));
}

std::size_t OptionReader::get(std::string_view name, std::size_t fallback,
                              std::string_view meaning) {
  const Value* value = declare(name, Value(fallback), meaning);
  if (!value) return fallback;
  if (value->is_int() && value->as_int() >= 0) return static_cast<std::size_t>(value->as_int());
  wrong(name, "a whole number from 0", *value);
  return fallback;
}

double OptionReader::get(std::string_view name, double fallback, std::string_view meaning) {
  const Value* value = declare(name, Value(fallback), meaning);
  if (!value) return fallback;
  if (value->is_number()) return value->as_double();
  wrong(name, "a number", *value);
  return fallback;
}

bool OptionReader::get(std::string_view name, bool fallback, std::string_view meaning) {
  const Value* value = declare(name, Value(fallback), meaning);
  if (!value) return fallback;
  if (value->is_bool()) return value->as_bool();
  wrong(name, "true or false", *value);
  return fallback;
}

std::string OptionReader::get(std::string_view name, const char* fallback,
                              std::string_view meaning) {
  const Value* value = declare(name, Value(fallback), meaning);
  if (!value) return fallback;
  if (value->is_string()) return value->as_string();
  wrong(name, "a text", *value);
  return fallback;
}

Result<void> OptionReader::finish() const {
  std::vector<std::string> faults = faults_;
  if (given_.is_object()) {
    for (const auto& [name, ignored] : given_.as_object()) {
      if (std::find(names_.begin(), names_.end(), name) == names_.end()) {
        faults.push_back(
            "there is no option '" + name + "'" + did_you_mean(name, names_) +
            (names_.empty() ? " (it has none)" : " (there: " + join(names_, ", ") + ")"));
      }
    }
  } else if (!given_.is_null()) {
    faults.emplace_back("options must be an object");
  }
  if (faults.empty()) return {};
  return bad_request("optimizer " + owner_, join(faults, "; "));
}

}  // namespace hone
