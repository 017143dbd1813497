#include "lm/local/machine.hpp"

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <sstream>
#include <system_error>

#include <nlohmann/json.hpp>

#include "hone/base/file.hpp"
#include "hone/base/hash.hpp"
#include "hone/base/text.hpp"

namespace hone {
namespace {

// CPUs' worth of time the cgroup grants, rounded up; 0 = no limit known. Understands version 2 and
// version 1.
std::size_t cgroup_cpus() {
  if (std::ifstream file("/sys/fs/cgroup/cpu.max"); file) {
    std::string quota;
    double period = 0;
    if (file >> quota >> period && quota != "max" && period > 0) {
      return static_cast<std::size_t>((std::stod(quota) + period - 1) / period);
    }
    return 0;
  }
  std::ifstream quota_file("/sys/fs/cgroup/cpu/cpu.cfs_quota_us");
  std::ifstream period_file("/sys/fs/cgroup/cpu/cpu.cfs_period_us");
  double quota = 0;
  double period = 0;
  if (quota_file >> quota && period_file >> period && quota > 0 && period > 0) {
    return static_cast<std::size_t>((quota + period - 1) / period);
  }
  return 0;
}

}  // namespace

std::size_t usable_threads() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::size_t count = 1;
  if (sched_getaffinity(0, sizeof set, &set) == 0)
    count = static_cast<std::size_t>(CPU_COUNT(&set));
  const std::size_t quota = cgroup_cpus();
  return std::max<std::size_t>(1, quota == 0 ? count : std::min(count, quota));
}

namespace local {
namespace {

// Goes up when the engine changes so much that what was measured before says nothing any more.
constexpr const char* kEngine = "engine 6";

std::filesystem::path tuning_path(const std::filesystem::path& folder, const std::string& content) {
  const Hash key = hash_of(content + "\n" + machine_name() + "\n" + kEngine);
  return folder / ("tuning-" + key.hex() + ".json");
}

}  // namespace

std::string machine_name() {
  std::string cpu = "unknown CPU";
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (!line.starts_with("model name") && !line.starts_with("flags")) continue;
    const auto colon = line.find(':');
    if (colon == std::string::npos) continue;
    if (line.starts_with("model name")) {
      cpu = std::string(trim(std::string_view(line).substr(colon + 1)));
    } else {
      cpu += " " + hash_of(line).hex().substr(0, 8);
      break;
    }
  }
  return cpu + ", " + std::to_string(usable_threads()) + " threads";
}

Result<void> check_gguf(const std::filesystem::path& path) {
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (!std::filesystem::exists(status))
    return bad_request(path.string(), "there is no such model file");
  if (!std::filesystem::is_regular_file(status))
    return bad_request(path.string(), "it is not a file");
  std::ifstream file(path, std::ios::binary);
  std::array<char, 4> magic{};
  if (!file)
    return bad_request(path.string(), "cannot be read: " + std::string(std::strerror(errno)));
  file.read(magic.data(), magic.size());
  if (file.gcount() != 4 || std::memcmp(magic.data(), "GGUF", 4) != 0) {
    return bad_request(path.string(), "it is not a GGUF model file");
  }
  return {};
}

Result<std::string> content_id(const std::filesystem::path& path) {
  constexpr std::size_t kPiece = std::size_t{1} << 20;
  const auto trouble = [&] {
    return bad_request(path.string(), "cannot be read: " + std::string(std::strerror(errno)));
  };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) return trouble();
  Hasher hasher;
  std::string piece(kPiece, '\0');
  std::size_t filled = 0;
  ssize_t count = 0;
  // Pieces are filled to the brim: the identity must not depend on how much a read brings.
  do {
    count = ::read(descriptor, piece.data() + filled, kPiece - filled);
    if (count > 0) filled += static_cast<std::size_t>(count);
    if (filled == kPiece || (count == 0 && filled > 0)) {
      hasher.add(hash_of(std::string_view(piece).substr(0, filled)));
      filled = 0;
    }
  } while (count > 0 || (count < 0 && errno == EINTR));
  const Error error = trouble();
  ::close(descriptor);
  if (count < 0) return error;
  return hasher.finish().hex();
}

void give_back_pages(const std::filesystem::path& path) {
  std::error_code error;
  const std::string name = std::filesystem::canonical(path, error).string();
  std::ifstream maps("/proc/self/maps");
  for (std::string line; !error && std::getline(maps, line);) {
    void* begin = nullptr;
    void* end = nullptr;
    if (!line.ends_with(" " + name) || std::sscanf(line.c_str(), "%p-%p", &begin, &end) != 2)
      continue;
    const auto bytes = static_cast<char*>(end) - static_cast<char*>(begin);
    madvise(begin, static_cast<std::size_t>(bytes), MADV_DONTNEED);
  }
}

std::optional<LocalTuning> load_tuning(const std::filesystem::path& folder,
                                       const std::string& content) {
  if (folder.empty()) return std::nullopt;
  const auto text = read_file(tuning_path(folder, content));
  if (!text) return std::nullopt;
  // A damaged file is as good as none: tuning only ever changes speed.
  const auto json = nlohmann::json::parse(*text, nullptr, false);
  if (!json.is_object()) return std::nullopt;
  const auto flash_attention = json.find("flash_attention");
  const auto width = json.find("width");
  const auto step_tokens = json.find("step_tokens");
  if (flash_attention == json.end() || !flash_attention->is_boolean() || width == json.end() ||
      !width->is_number_unsigned() || step_tokens == json.end() ||
      !step_tokens->is_number_unsigned()) {
    return std::nullopt;
  }
  return LocalTuning{
      .flash_attention = flash_attention->get<bool>(),
      .width = std::clamp<std::size_t>(width->get<std::size_t>(), 1, 192),
      .step_tokens = std::clamp<std::size_t>(step_tokens->get<std::size_t>(), 32, 2048)};
}

Result<void> save_tuning(const std::filesystem::path& folder, const std::string& content,
                         const LocalTuning& tuning) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  const nlohmann::json json = {{"model", content},
                               {"machine", machine_name()},
                               {"flash_attention", tuning.flash_attention},
                               {"width", tuning.width},
                               {"step_tokens", tuning.step_tokens}};
  return write_file(tuning_path(folder, content), json.dump(2) + "\n");
}

}  // namespace local
}  // namespace hone
