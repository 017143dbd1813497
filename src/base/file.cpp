#include "hone/base/file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <system_error>
#include <utility>

namespace hone {
namespace {

std::string reason() {
  return std::strerror(errno);
}

class Descriptor {
 public:
  explicit Descriptor(int number) : number_(number) {}
  ~Descriptor() {
    if (number_ >= 0) ::close(number_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return number_; }
  bool close() { return ::close(std::exchange(number_, -1)) == 0; }

 private:
  int number_;
};

constexpr std::string_view kLetters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
// No name a person gives a copy, so that one that a killed process left can be told.
constexpr std::string_view kSaving = ".saving-";
constexpr std::size_t kDrawn = 6;  // letters that mkstemp draws
constexpr std::time_t kStaleSeconds = 3600;

// Whether `name` is that of a temporary file for `target`.
bool is_temporary_of(std::string_view name, const std::string& target) {
  const std::string start = target + std::string(kSaving);
  return name.size() == start.size() + kDrawn && name.starts_with(start) &&
         name.find_first_not_of(kLetters, start.size()) == std::string_view::npos;
}

// Removes what processes that were killed while saving `target` left beside it. No save takes an
// hour. Best effort: what cannot be looked at or removed stays.
void remove_stale(const std::filesystem::path& target) {
  const std::filesystem::path folder =
      target.has_parent_path() ? target.parent_path() : std::filesystem::path(".");
  std::error_code fault;
  std::filesystem::directory_iterator entry(folder, fault);
  for (; !fault && entry != std::filesystem::directory_iterator(); entry.increment(fault)) {
    const std::filesystem::path& found = entry->path();
    if (!is_temporary_of(found.filename().string(), target.filename().string())) continue;
    struct stat about{};
    if (::lstat(found.c_str(), &about) != 0 || !S_ISREG(about.st_mode)) continue;
    if (::time(nullptr) - about.st_mtime > kStaleSeconds) ::unlink(found.c_str());
  }
}

bool write_all(int descriptor, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t written = ::write(descriptor, bytes.data(), bytes.size());
    if (written < 0) {
      if (errno == EINTR) continue;
      return false;
    }
    bytes.remove_prefix(static_cast<std::size_t>(written));
  }
  return true;
}

}  // namespace

Result<std::string> read_file(const std::filesystem::path& path) {
  const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) return bad_request(path.string(), "cannot be read: " + reason());
  std::string bytes;
  std::string piece(std::size_t{1} << 16, '\0');
  while (true) {
    const ssize_t got = ::read(file.get(), piece.data(), piece.size());
    if (got < 0) {
      if (errno == EINTR) continue;
      return bad_request(path.string(), "cannot be read: " + reason());
    }
    if (got == 0) return bytes;
    bytes.append(piece, 0, static_cast<std::size_t>(got));
  }
}

Result<void> write_file(const std::filesystem::path& path, std::string_view bytes) {
  std::error_code ignored;
  const std::filesystem::path target = std::filesystem::is_symlink(path, ignored)
                                           ? std::filesystem::weakly_canonical(path, ignored)
                                           : path;
  struct stat old{};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  if (exists && !S_ISREG(old.st_mode))
    return bad_request(path.string(), "is no regular file; name another to write to");
  std::string temporary_name = target.string() + std::string(kSaving) + std::string(kDrawn, 'X');
  Descriptor file(::mkostemp(temporary_name.data(), O_CLOEXEC));
  if (file.get() < 0) return bad_request(path.string(), "cannot be written: " + reason());
  const auto fail = [&](const std::string& why) -> Result<void> {
    ::unlink(temporary_name.c_str());
    return internal_error(path.string(), "could not be saved, the old file is unchanged: " + why);
  };
  const mode_t mode = exists ? old.st_mode & 07777 : 0644;
  if (!write_all(file.get(), bytes) || ::fchmod(file.get(), mode) != 0 ||
      ::fsync(file.get()) != 0 || !file.close()) {
    return fail(reason());
  }
  if (std::rename(temporary_name.c_str(), target.c_str()) != 0) return fail(reason());
  remove_stale(target);
  return {};
}

}  // namespace hone
