// A file that must stay as it is while it is in use.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "hone/base/result.hpp"

namespace hone::local {

// Weights are mapped, not read: who writes into the file writes into the model, and who cuts it
// takes pages away under it. Holds the file itself, so that one renamed into its place does no
// harm. Not thread safe.
class HeldFile {
 public:
  // bad_request when it cannot be read. Reads all of it.
  static Result<HeldFile> open(const std::filesystem::path& path);
  HeldFile(HeldFile&& other) noexcept;
  HeldFile& operator=(HeldFile&& other) noexcept;
  ~HeldFile();

  const std::string& path() const { return path_; }  // as it was named
  // Opens the very file that is held, while it is held, whatever has its name by now.
  std::string open_path() const;
  const std::string& content_id() const { return content_id_; }
  // bad_request when the content is another than when it was opened. One system call while nobody
  // touches the file, else all of it is read again.
  Result<void> check();

 private:
  struct Stamp {
    std::int64_t size = 0;
    std::int64_t seconds = 0;
    std::int64_t nanoseconds = 0;
    friend bool operator==(const Stamp&, const Stamp&) = default;
  };

  HeldFile(std::string path, int descriptor) : path_(std::move(path)), descriptor_(descriptor) {}
  Stamp stamp() const;

  std::string path_;
  int descriptor_ = -1;
  std::string content_id_;
  Stamp stamp_;
};

}  // namespace hone::local
