#include "hone/model_spec.hpp"

#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/lm/cached_lm.hpp"
#include "hone/lm/local_embedder.hpp"
#include "hone/lm/model_store.hpp"
#include "hone/lm/openai.hpp"
#include "hone/lm/openai_embedder.hpp"

namespace hone::cli {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kFile = "gguf:";
constexpr std::string_view kServer = "openai:";

Result<ModelSpec> check_file(std::string_view spec) {
  ModelSpec model{
      .text = std::string(spec), .place = ModelPlace::local, .file = spec.substr(kFile.size())};
  std::error_code ignored;
  if (!fs::is_regular_file(model.file, ignored))
    return bad_request(model.file.string(), "there is no such model file");
  if (::access(model.file.c_str(), R_OK) != 0) {
    return bad_request(model.file.string(), "cannot be read: " + std::string(std::strerror(errno)));
  }
  return model;
}

Result<ModelSpec> check_named(std::string_view name) {
  const Result<ModelStore> store = ModelStore::in_default_cache();
  if (!store) return store.error();
  std::vector<std::string> known;
  for (const ModelStatus& model : store->list()) {
    known.push_back(model.name);
    if (model.name != name) continue;
    if (!model.is_here) {
      return bad_request("model " + model.name,
                         "is not here; fetch it: hone models pull " + model.name);
    }
    return ModelSpec{.text = model.name, .place = ModelPlace::local, .file = model.path};
  }
  return bad_request("model " + std::string(name), "is not known" + did_you_mean(name, known) +
                                                       " (known: " + join(known, ", ") +
                                                       "; else gguf:PATH or openai:URL#MODEL)");
}

OpenAiOptions with_settings(OpenAiOptions options, const ModelSettings& settings) {
  options.retries = settings.retries;
  options.max_parallel = settings.parallel;
  return options;
}

Result<ModelSpec> check_server(std::string_view spec) {
  Result<OpenAiOptions> options = parse_openai_spec(spec);
  if (!options) return options.error();
  // Opening sends nothing; it finds a bad address and a missing key.
  const Result<std::unique_ptr<OpenAiLm>> opened = OpenAiLm::open(*options);
  if (!opened) return opened.error();
  return ModelSpec{.text = std::string(spec), .place = ModelPlace::remote, .file = {}};
}

}  // namespace

Result<ModelSpec> check_model(std::string_view spec) {
  if (spec.starts_with(kFile)) return check_file(spec);
  if (spec.starts_with(kServer)) return check_server(spec);
  return check_named(spec);
}

Format default_format(const ModelSpec& spec) {
  return spec.place == ModelPlace::local ? Format::completion : Format::chat;
}

Result<OpenedModel> open_model(const ModelSpec& spec, const ModelSettings& settings,
                               const Notify& tell) {
  OpenedModel model;
  if (spec.place == ModelPlace::local) {
    Result<LocalOptions> options = local_options(spec);
    if (!options) return options.error();
    options->context_cells = settings.context;
    options->keep_prefixes = settings.keep_prefixes;
    // Without a tuning the defaults do, and what is wrong with the model, opening it says.
    (void)tune_at_first_use(*options, [&] {
      tell(spec.text + ": measuring the engine's fastest settings on this machine, this once");
    });
    Result<std::shared_ptr<LocalLm>> opened = LocalLm::open(*std::move(options));
    if (!opened) return opened.error();
    model.local = *std::move(opened);
    model.lm = model.local;
  } else {
    Result<OpenAiOptions> options = parse_openai_spec(spec.text);
    if (!options) return options.error();
    Result<std::unique_ptr<OpenAiLm>> opened =
        OpenAiLm::open(with_settings(*std::move(options), settings));
    if (!opened) return opened.error();
    model.lm = *std::move(opened);
  }
  if (!settings.cache) return model;
  CacheOptions options;
  options.file = settings.cache;
  Result<std::unique_ptr<CachedLm>> cached =
      CachedLm::open(std::move(model.lm), std::move(options));
  if (!cached) return cached.error();
  model.lm = *std::move(cached);
  return model;
}

Result<std::shared_ptr<const Embedder>> open_embedder(const ModelSpec& spec,
                                                      const ModelSettings& settings) {
  std::shared_ptr<const Embedder> embedder;
  if (spec.place == ModelPlace::local) {
    LocalEmbedderOptions options;
    options.model = spec.file;
    if (!spec.text.starts_with(kFile)) options.name = spec.text;
    Result<std::shared_ptr<LocalEmbedder>> opened = LocalEmbedder::open(std::move(options));
    if (!opened) return opened.error();
    embedder = *std::move(opened);
  } else {
    Result<OpenAiOptions> options = parse_openai_spec(spec.text);
    if (!options) return options.error();
    Result<std::unique_ptr<OpenAiEmbedder>> opened =
        OpenAiEmbedder::open(with_settings(*std::move(options), settings));
    if (!opened) return opened.error();
    embedder = *std::move(opened);
  }
  return std::shared_ptr<const Embedder>(
      std::make_shared<const CachedEmbedder>(std::move(embedder)));
}

Result<LocalOptions> local_options(const ModelSpec& spec) {
  if (!spec.text.starts_with(kFile)) return pulled_model(spec.text);
  LocalOptions options;
  options.model = spec.file;
  // A file needs no cache; without one there is no tuning.
  if (const Result<ModelStore> store = ModelStore::in_default_cache())
    options.tuning_folder = store->tuning_folder();
  return options;
}

}  // namespace hone::cli
