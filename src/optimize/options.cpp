#include "optimize/options.hpp"

#include <algorithm>
#include <cmath>

#include "hone/base/text.hpp"

namespace hone {
namespace {

bool is_within(double number, const OptionRange& range) {
  return number >= range.least && number <= range.most;
}

std::string words_of(const OptionRange& range) {
  const std::string from = " from " + number_text(range.least);
  return std::isfinite(range.most) ? from + " to " + number_text(range.most) : from;
}

}  // namespace

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

std::size_t OptionReader::get(std::string_view name, std::size_t fallback, std::string_view meaning,
                              OptionRange range) {
  const Value* value = declare(name, Value(fallback), meaning);
  if (!value) return fallback;
  if (value->is_int() && is_within(value->as_double(), range))
    return static_cast<std::size_t>(value->as_int());
  wrong(name, "a whole number" + words_of(range), *value);
  return fallback;
}

double OptionReader::get(std::string_view name, double fallback, std::string_view meaning,
                         OptionRange range) {
  const Value* value = declare(name, Value(fallback), meaning);
  if (!value) return fallback;
  if (value->is_number() && is_within(value->as_double(), range)) return value->as_double();
  wrong(name, "a number" + words_of(range), *value);
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

std::string OptionReader::get(std::string_view name, const char* fallback, std::string_view meaning,
                              const std::vector<std::string>& choices) {
  std::string word = get(name, fallback, meaning);
  if (std::ranges::find(choices, word) != choices.end()) return word;
  fault("option '" + std::string(name) + "' is one of " + join(choices, ", ") + ", not '" +
        shorten(word, 60) + "'" + did_you_mean(word, choices));
  return fallback;
}

Value OptionReader::forwarded(std::string_view prefix, std::string_view meaning) {
  prefixes_.emplace_back(prefix);
  descriptions_.push_back(std::string(prefix) + "…  " + std::string(meaning));
  Value::Object out;
  if (given_.is_object()) {
    for (const auto& [name, value] : given_.as_object()) {
      if (name.starts_with(prefix)) out.emplace_back(name.substr(prefix.size()), value);
    }
  }
  return Value::object(std::move(out));
}

Result<void> OptionReader::finish() const {
  std::vector<std::string> faults = faults_;
  if (given_.is_object()) {
    for (const auto& [name, ignored] : given_.as_object()) {
      const bool is_forwarded = std::ranges::any_of(
          prefixes_, [&](const std::string& prefix) { return name.starts_with(prefix); });
      if (!is_forwarded && std::find(names_.begin(), names_.end(), name) == names_.end()) {
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
