// One process at a time.
#pragma once

#include <filesystem>
#include <functional>
#include <stop_token>

#include "hone/base/clock.hpp"
#include "hone/base/result.hpp"

namespace hone {

// A file held by one holder at a time, for as long as this object lives; the system lets go of it
// when its process dies, however it dies.
class FileLock {
 public:
  // Waits for its turn; `on_wait` is called once when there is something to wait for. bad_request
  // when the file cannot be made, stopped when `stop` asks for it.
  static Result<FileLock> take(const std::filesystem::path& path, const Clock& clock,
                               const std::stop_token& stop, const std::function<void()>& on_wait);
  FileLock(FileLock&& other) noexcept;
  FileLock& operator=(FileLock&&) = delete;
  ~FileLock();

 private:
  explicit FileLock(int file) : file_(file) {}
  int file_;
};

}  // namespace hone
