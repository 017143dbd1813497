// "smollm2", "gguf:PATH", "openai:URL#MODEL": which model, and opening it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "hone/adapter/prompt_template.hpp"
#include "hone/base/result.hpp"
#include "hone/lm/embedder.hpp"
#include "hone/lm/lm.hpp"
#include "hone/lm/local.hpp"
#include "hone/lm/model_store.hpp"

namespace hone::cli {

struct ModelSettings {
  std::size_t retries = 5;                     // of a remote model
  std::size_t context = 0;                     // KV cells of a local model; 0 = its default
  std::size_t parallel = 16;                   // requests at once to a remote model
  std::optional<std::filesystem::path> cache;  // replies kept between runs
  bool keep_prefixes = true;                   // see LocalOptions
  std::optional<std::string> embedder;         // spec of one
};

enum class ModelPlace { local, remote };

// Told in a line what takes its time.
using Notify = std::function<void(const std::string&)>;

// A spec that is well formed and whose model is there, as far as can be told without loading it or
// asking a server.
struct ModelSpec {
  std::string text;
  ModelPlace place = ModelPlace::local;
  std::filesystem::path file;  // of a local model
};

// bad_request: unknown form or name (near ones suggested), a model that was not pulled, a missing
// file, no key.
Result<ModelSpec> check_model(std::string_view spec);

// What a program uses that says nothing of its format: running text for local models, chat messages
// for servers.
Format default_format(const ModelSpec& spec);

struct OpenedModel {
  std::shared_ptr<const Lm> lm;          // with a cache of replies in front where settings name one
  std::shared_ptr<const LocalLm> local;  // the engine behind it; null for a server
};

// The first use of a local model on a machine measures the engine's fastest settings for some
// seconds, which every later one takes; `tell` hears of that.
Result<OpenedModel> open_model(const ModelSpec& spec, const ModelSettings& settings,
                               const Notify& tell);

// Remembers what it was asked.
Result<std::shared_ptr<const Embedder>> open_embedder(const ModelSpec& spec,
                                                      const ModelSettings& settings);

// What a local model is opened with before settings.
Result<LocalOptions> local_options(const ModelSpec& spec);

}  // namespace hone::cli
