#include "hone/table_reader.hpp"

#include <utility>

#include "hone/base/text.hpp"

namespace hone::cli {

TableReader::TableReader(Value table, std::string place)
    : table_(std::move(table)), place_(std::move(place)) {
  if (table_.is_null()) table_ = Value::object();
  if (!table_.is_object()) {
    faults_.push_back(place_ + ": expected a table, got " + shorten(table_.to_json(), 40));
    table_ = Value::object();
  }
}

std::string TableReader::path(const std::string& key) const {
  return place_.empty() ? key : place_ + "." + key;
}

Value TableReader::raw(const std::string& key) {
  known_.insert(key);
  return table_.get(key);
}

std::optional<std::string> TableReader::text(const std::string& key) {
  const Value value = raw(key);
  if (value.is_string()) return value.as_string();
  if (!value.is_null())
    fault(path(key) + ": expected a string, got " + shorten(value.to_json(), 40));
  return std::nullopt;
}

std::optional<std::int64_t> TableReader::whole(const std::string& key) {
  const Value value = raw(key);
  if (value.is_int() && value.as_int() >= 0) return value.as_int();
  if (!value.is_null()) {
    fault(path(key) + ": expected a whole number from 0, got " + shorten(value.to_json(), 40));
  }
  return std::nullopt;
}

std::optional<double> TableReader::number(const std::string& key) {
  const Value value = raw(key);
  if (value.is_number() && value.as_double() >= 0) return value.as_double();
  if (!value.is_null()) {
    fault(path(key) + ": expected a number from 0, got " + shorten(value.to_json(), 40));
  }
  return std::nullopt;
}

std::optional<bool> TableReader::flag(const std::string& key) {
  const Value value = raw(key);
  if (value.is_bool()) return value.as_bool();
  if (!value.is_null()) {
    fault(path(key) + ": expected true or false, got " + shorten(value.to_json(), 40));
  }
  return std::nullopt;
}

std::vector<std::string> TableReader::texts(const std::string& key) {
  const Value value = raw(key);
  if (value.is_null()) return {};
  if (value.is_string()) return {value.as_string()};
  std::vector<std::string> texts;
  bool fits = value.is_list();
  if (fits) {
    for (const Value& item : value.as_list()) {
      fits = fits && item.is_string();
      if (item.is_string()) texts.push_back(item.as_string());
    }
  }
  if (!fits) {
    fault(path(key) + ": expected a string or a list of strings, got " +
          shorten(value.to_json(), 40));
  }
  return texts;
}

void TableReader::fault(std::string message) {
  faults_.push_back(std::move(message));
}

std::vector<std::string> TableReader::finish() {
  const std::vector<std::string> known(known_.begin(), known_.end());
  for (const auto& [key, value] : table_.as_object()) {
    if (known_.count(key) == 0) {
      faults_.push_back(path(key) + ": unknown key" + did_you_mean(key, known));
    }
  }
  return std::move(faults_);
}

}  // namespace hone::cli
