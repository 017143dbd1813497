#include "hone/lm/local_embedder.hpp"

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "hone/lm/local.hpp"

#include "lm/local/engine_thread.hpp"
#include "lm/local/llama_handles.hpp"
#include "lm/local/machine.hpp"

namespace hone {
namespace {

using local::Tokens;

// Whether the file says how its points are pooled; llama.cpp takes that by itself.
bool says_pooling(const llama_model* model) {
  std::array<char, 64> text{};
  if (llama_model_meta_val_str(model, "general.architecture", text.data(), text.size()) < 0)
    return false;
  const std::string key = std::string(text.data()) + ".pooling_type";
  return llama_model_meta_val_str(model, key.c_str(), text.data(), text.size()) >= 0;
}

Tokens tokens_of(const llama_vocab* vocab, std::string_view text) {
  Tokens tokens(text.size() + 4);
  const auto length = static_cast<std::int32_t>(text.size());
  const auto room = static_cast<std::int32_t>(tokens.size());
  const std::int32_t count =
      llama_tokenize(vocab, text.data(), length, tokens.data(), room, true, false);
  tokens.resize(static_cast<std::size_t>(std::max(count, 0)));
  return tokens;
}

}  // namespace

struct LocalEmbedder::State {
  LocalEmbedderOptions options;
  std::string identity;
  local::ModelPtr model;
  local::ContextPtr context;
  std::shared_ptr<local::EngineThread> thread;
  std::mutex mutex;

  Result<void> load();
  Result<Embedding> embed(const std::string& text);
};

Result<void> LocalEmbedder::State::load() {
  const std::string path = options.model.string();
  if (const auto checked = local::check_gguf(options.model); !checked) return checked;
  const auto file = local::HeldFile::open(options.model);
  if (!file) return file.error();
  identity = (options.name.empty() ? options.model.stem().string() : options.name) + "@" +
             file->content_id() + ":embedding";
  auto loaded = local::load_model(*file);
  if (!loaded) return loaded.error();
  model = *std::move(loaded);
  local::LogCapture log;
  if (llama_vocab_type(llama_model_get_vocab(model.get())) == LLAMA_VOCAB_TYPE_NONE)
    return bad_request(path, "the model has no tokenizer");

  llama_context_params params = llama_context_default_params();
  std::size_t tokens = std::clamp<std::size_t>(options.most_tokens, 16, 8192);
  if (const std::int32_t trained = llama_model_n_ctx_train(model.get()); trained > 0)
    tokens = std::min(tokens, static_cast<std::size_t>(trained));
  options.most_tokens = tokens;
  // A text is pooled within one physical batch.
  params.n_ctx = params.n_batch = params.n_ubatch = static_cast<std::uint32_t>(tokens);
  params.n_seq_max = 1;
  const std::size_t threads = options.threads == 0 ? usable_threads() : options.threads;
  params.n_threads = params.n_threads_batch = static_cast<std::int32_t>(threads);
  params.embeddings = true;
  // Points do not depend on what kernels the processor has.
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
  params.pooling_type =
      says_pooling(model.get()) ? LLAMA_POOLING_TYPE_UNSPECIFIED : LLAMA_POOLING_TYPE_MEAN;
  params.offload_kqv = false;
  params.op_offload = false;
  params.no_perf = true;
  context.reset(llama_init_from_model(model.get(), params));
  if (!context) {
    return internal_error(
        path, "no context of " + std::to_string(tokens) + " tokens: " + log.text("out of memory"));
  }
  return {};
}

Result<Embedding> LocalEmbedder::State::embed(const std::string& text) {
  Tokens tokens = tokens_of(llama_model_get_vocab(model.get()), text);
  if (tokens.size() > options.most_tokens) tokens.resize(options.most_tokens);
  const auto size = static_cast<std::size_t>(llama_model_n_embd_out(model.get()));
  Embedding point(size, 0.0F);
  if (tokens.empty()) return point;  // a text of nothing is near nothing
  local::LogCapture log;
  const llama_batch batch =
      llama_batch_get_one(tokens.data(), static_cast<std::int32_t>(tokens.size()));
  llama_memory_t memory = llama_get_memory(context.get());
  if (memory != nullptr) llama_memory_clear(memory, false);
  const std::int32_t failed =
      memory != nullptr ? llama_decode(context.get(), batch) : llama_encode(context.get(), batch);
  const float* pooled = failed == 0 ? llama_get_embeddings_seq(context.get(), 0) : nullptr;
  if (pooled == nullptr) {
    return internal_error(identity, "the model gave no embedding: " + log.text("it has none"));
  }
  std::copy_n(pooled, size, point.begin());
  if (Result<void> sound = normalize(point, text, identity); !sound) return sound.error();
  return point;
}

LocalEmbedder::LocalEmbedder(std::unique_ptr<State> state) : state_(std::move(state)) {}
LocalEmbedder::~LocalEmbedder() = default;

Result<std::shared_ptr<LocalEmbedder>> LocalEmbedder::open(LocalEmbedderOptions options) {
  local::start_llama();
  auto state = std::make_unique<State>();
  state->options = std::move(options);
  auto thread = local::EngineThread::shared();
  if (!thread) return thread.error();
  state->thread = *std::move(thread);
  if (const auto loaded = state->load(); !loaded) return loaded.error();
  return std::shared_ptr<LocalEmbedder>(new LocalEmbedder(std::move(state)));
}

const std::string& LocalEmbedder::identity() const {
  return state_->identity;
}

Result<std::vector<Embedding>> LocalEmbedder::embed(std::span<const std::string> texts,
                                                    std::stop_token stop) const {
  std::vector<Embedding> points;
  const std::scoped_lock lock(state_->mutex);
  for (const std::string& text : texts) {
    std::optional<Result<Embedding>> point;
    const auto job = [&] { point = state_->embed(text); };
    if (stop.stop_requested() || !state_->thread->run(job, stop))
      return stopped(state_->identity, "the call was stopped");
    if (!*point) return point->error();
    points.push_back(**std::move(point));
  }
  return points;
}

}  // namespace hone
