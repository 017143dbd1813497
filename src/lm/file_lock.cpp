#include "file_lock.hpp"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <cstring>
#include <string>
#include <utility>

namespace hone {

Result<FileLock> FileLock::take(const std::filesystem::path& path, const Clock& clock,
                                const std::stop_token& stop, const std::function<void()>& on_wait) {
  FileLock lock(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (lock.file_ < 0)
    return bad_request(path.string(), std::string("cannot be written: ") + std::strerror(errno));
  bool is_waiting = false;
  while (::flock(lock.file_, LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK && errno != EINTR) {
      return internal_error(path.string(),
                            std::string("cannot be locked: ") + std::strerror(errno));
    }
    if (!std::exchange(is_waiting, true)) on_wait();
    if (!clock.sleep_for(std::chrono::milliseconds(100), stop))
      return stopped(path.string(), "stopped");
  }
  return lock;
}

FileLock::FileLock(FileLock&& other) noexcept : file_(std::exchange(other.file_, -1)) {}

FileLock::~FileLock() {
  if (file_ >= 0) ::close(file_);
}

}  // namespace hone
