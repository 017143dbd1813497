#include "lm/local/held_file.hpp"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "lm/local/machine.hpp"

namespace hone::local {
Result<HeldFile> HeldFile::open(const std::filesystem::path& path) {
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0)
    return bad_request(path.string(), "cannot be read: " + std::string(std::strerror(errno)));
  HeldFile file(path.string(), descriptor);
  file.stamp_ = file.stamp();
  auto id = local::content_id(file.open_path());
  if (!id) return bad_request(path.string(), id.error().message);
  file.content_id_ = *std::move(id);
  return file;
}

HeldFile::HeldFile(HeldFile&& other) noexcept
    : path_(std::move(other.path_)),
      descriptor_(std::exchange(other.descriptor_, -1)),
      content_id_(std::move(other.content_id_)),
      stamp_(other.stamp_) {}

HeldFile& HeldFile::operator=(HeldFile&& other) noexcept {
  std::swap(path_, other.path_);
  std::swap(descriptor_, other.descriptor_);
  std::swap(content_id_, other.content_id_);
  std::swap(stamp_, other.stamp_);
  return *this;
}

HeldFile::~HeldFile() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

std::string HeldFile::open_path() const {
  return "/proc/self/fd/" + std::to_string(descriptor_);
}

HeldFile::Stamp HeldFile::stamp() const {
  struct stat status{};
  if (::fstat(descriptor_, &status) != 0) return {};
  return {status.st_size, status.st_mtim.tv_sec, status.st_mtim.tv_nsec};
}

Result<void> HeldFile::check() {
  const Stamp now = stamp();
  if (now == stamp_) return {};
  if (now.size != stamp_.size) {
    return bad_request(path_, "the file has changed while it was open, from " +
                                  std::to_string(stamp_.size) + " to " + std::to_string(now.size) +
                                  " bytes; restore it and open the model again");
  }
  const auto id = local::content_id(open_path());
  if (!id || *id != content_id_) {
    return bad_request(
        path_, "the file was written to while it was open; restore it and open the model again");
  }
  stamp_ = now;  // touched, or written with the same bytes
  return {};
}

}  // namespace hone::local
