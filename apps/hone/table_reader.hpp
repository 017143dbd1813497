// Reads a table of a task file key by key, and gathers everything that is wrong with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"

namespace hone::cli {

class TableReader {
 public:
  // `place` stands before each fault: "data". A table that is none is a fault; a null one is empty.
  TableReader(Value table, std::string place);

  bool has(const std::string& key) { return !raw(key).is_null(); }
  Value raw(const std::string& key);
  std::optional<std::string> text(const std::string& key);
  std::optional<std::int64_t> whole(const std::string& key);  // not negative
  std::optional<double> number(const std::string& key);       // not negative
  std::optional<bool> flag(const std::string& key);
  std::vector<std::string> texts(const std::string& key);  // one string or a list of them

  void fault(std::string message);
  // The faults, among them one for each key nobody asked for, with near names.
  std::vector<std::string> finish();

 private:
  std::string path(const std::string& key) const;

  Value table_;
  std::string place_;
  std::set<std::string> known_;
  std::vector<std::string> faults_;
};

}  // namespace hone::cli
