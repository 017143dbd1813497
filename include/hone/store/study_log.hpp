// The memory of a study: everything a search found out, append-only, so that a killed run goes on
// where it was.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"

namespace hone {

// One entry. `kind` is what it is, `key` what it is about; an entry of the same kind and key is
// never written twice. docs/study.md lists the kinds; study.hpp reads them.
struct StudyRecord {
  std::int64_t number = 0;  // in the order of writing, from 1
  std::string kind;
  std::string key;
  Value body;
};

// Thread safe. Nothing that was appended changes any more; what append() returned for survives a
// killed process.
class StudyLog {
 public:
  virtual ~StudyLog() = default;
  // True when the entry is new, false when this kind and key were there before (the old entry
  // stays). An error when it could not be saved (full disk, locked file).
  virtual Result<bool> append(std::string_view kind, std::string_view key, const Value& body) = 0;
  // All entries, or those of one kind, in order.
  virtual Result<std::vector<StudyRecord>> records(std::string_view kind = {}) const = 0;
  // Where it lives; none for a log in memory. Model replies are kept in the same file (CachedLm).
  virtual std::optional<std::filesystem::path> file() const = 0;
  virtual bool is_read_only() const = 0;
};

std::unique_ptr<StudyLog> make_memory_study_log();

// An SQLite file of one study, made when it is not there; several processes may have it open. One
// that may not be written is opened all the same, and refuses entries. bad_request when it is no
// study of hone's, damaged, or made by a newer hone: it is left as it is.
Result<std::unique_ptr<StudyLog>> open_study_log(const std::filesystem::path& path);
// For reading only; a bad_request too when it is not there. Nothing is written, not even beside it
// where the folder may not be written.
Result<std::unique_ptr<StudyLog>> read_study_log(const std::filesystem::path& path);

}  // namespace hone
