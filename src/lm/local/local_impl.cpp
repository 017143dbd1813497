#include "lm/local/local_impl.hpp"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <string>
#include <utility>

#include "hone/base/hash.hpp"
#include "hone/lm/label_choice.hpp"

#include "lm/local/machine.hpp"

namespace hone {
namespace {

constexpr std::size_t kDefaultCells = 8192;
constexpr std::size_t kMostBatchTokens = 2048;
constexpr std::size_t kLogitBytes =
    13u << 20;  // of one batch's output rows; llama.cpp holds them twice

bool should_stop(void* data) {
  const std::stop_token* stop = *static_cast<const std::stop_token**>(data);
  return stop != nullptr && stop->stop_requested();
}

// llama.cpp reserves and zeroes one output row for every sequence there could be (30 MB and more).
// The engine reads far fewer at a time; pages nobody wrote to again need no memory.
void give_back_zeroed_rows(llama_context* context, std::size_t bytes) {
  const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
  void* first = llama_get_logits(context);
  std::size_t space = bytes;
  if (first == nullptr || std::align(page, page, first, space) == nullptr) return;
  madvise(first, space / page * page, MADV_DONTNEED);
}

}  // namespace

Result<std::unique_ptr<LocalLm::Impl>> LocalLm::Impl::open(LocalOptions options) {
  local::start_llama();
  std::unique_ptr<Impl> impl(new Impl());
  impl->options_ = std::move(options);
  auto thread = local::EngineThread::shared();
  if (!thread) return thread.error();
  impl->thread_ = *std::move(thread);
  for (const auto step :
       {&Impl::load_model, &Impl::load_template, &Impl::make_context, &Impl::load_adapter}) {
    if (const auto done = (impl.get()->*step)(); !done) return done.error();
  }
  return impl;
}

Result<void> LocalLm::Impl::load_model() {
  const std::string path = options_.model.string();
  if (const auto checked = local::check_gguf(options_.model); !checked) return checked;
  auto held = local::HeldFile::open(options_.model);
  if (!held) return held.error();
  file_.emplace(*std::move(held));
  const std::string name = options_.name.empty() ? options_.model.stem().string() : options_.name;
  // The modes differ by rounding: neither's replies are the other's.
  info_.identity = name + "@" + file_->content_id() + (options_.exact ? "+exact" : "");

  auto model = local::load_model(*file_, options_.exact);
  if (!model) return model.error();
  model_ = *std::move(model);
  const llama_vocab* vocab = llama_model_get_vocab(model_.get());
  if (llama_vocab_type(vocab) == LLAMA_VOCAB_TYPE_NONE)
    return bad_request(path, "the model has no tokenizer");
  if (!llama_model_has_decoder(model_.get()) || llama_model_has_encoder(model_.get())) {
    return bad_request(path, "only models that continue a text are supported, not encoders");
  }
  if (llama_model_is_recurrent(model_.get()) || llama_model_is_hybrid(model_.get()) ||
      llama_model_is_diffusion(model_.get())) {
    return bad_request(
        path,
        "only attention models are supported: recurrent state cannot be shared between requests");
  }
  tokenizer_ = std::make_unique<local::Tokenizer>(vocab);
  return {};
}

Result<void> LocalLm::Impl::load_template() {
  const char* source = llama_model_chat_template(model_.get(), nullptr);
  const llama_vocab* vocab = llama_model_get_vocab(model_.get());
  const auto text_of = [&](llama_token token) {
    return token == LLAMA_TOKEN_NULL ? std::string()
                                     : std::string(llama_vocab_get_text(vocab, token));
  };
  auto chat =
      local::ChatTemplate::parse(source == nullptr ? "" : source, text_of(llama_vocab_bos(vocab)),
                                 text_of(llama_vocab_eos(vocab)));
  if (!chat) return chat.error();
  chat_ = *std::move(chat);
  return {};
}

Result<void> LocalLm::Impl::make_context() {
  tuning_ =
      options_.tuning
          ? *options_.tuning
          : local::load_tuning(options_.tuning_folder, file_->content_id()).value_or(LocalTuning{});
  if (options_.exact) tuning_.flash_attention = true;

  const std::size_t vocabulary = tokenizer_->vocabulary_size();
  local::ScheduleLimits limits;
  limits.exact = options_.exact;
  limits.width = std::clamp<std::size_t>(tuning_.width, 1, 192);
  limits.step_tokens = std::clamp<std::size_t>(tuning_.step_tokens, 32, kMostBatchTokens);
  limits.batch_tokens = kMostBatchTokens;
  limits.rows =
      std::clamp<std::size_t>(kLogitBytes / (vocabulary * sizeof(float)), 8, limits.width + 32);

  llama_context_params params = llama_context_default_params();
  const std::size_t cells = options_.context_cells == 0 ? kDefaultCells : options_.context_cells;
  params.n_ctx = static_cast<std::uint32_t>(std::clamp<std::size_t>(cells, 256, 1u << 24));
  params.n_batch = static_cast<std::uint32_t>(limits.batch_tokens);
  params.n_ubatch = static_cast<std::uint32_t>(limits.step_tokens);
  params.n_seq_max = static_cast<std::uint32_t>(local::kMostSequences);
  params.n_outputs_max = params.n_seq_max;
  const std::size_t threads = options_.threads == 0 ? usable_threads() : options_.threads;
  params.n_threads = static_cast<std::int32_t>(threads);
  params.n_threads_batch = static_cast<std::int32_t>(threads);
  params.flash_attn_type =
      tuning_.flash_attention ? LLAMA_FLASH_ATTN_TYPE_ENABLED : LLAMA_FLASH_ATTN_TYPE_DISABLED;
  if (options_.exact) {
    params.type_k = GGML_TYPE_Q8_0;
    params.type_v = GGML_TYPE_Q8_0;
  }
  params.offload_kqv = false;
  params.op_offload = false;
  params.no_perf = true;
  params.swa_full = true;
  params.kv_unified = true;
  params.abort_callback = should_stop;
  params.abort_callback_data = static_cast<void*>(&stop_);

  local::LogCapture log;
  context_.reset(llama_init_from_model(model_.get(), params));
  if (!context_) {
    return internal_error(options_.model.string(), "no context of " + std::to_string(cells) +
                                                       " tokens: " + log.text("out of memory"));
  }
  // llama.cpp takes no more at once than the context holds.
  limits.batch_tokens = std::min<std::size_t>(limits.batch_tokens, llama_n_batch(context_.get()));
  limits.step_tokens = std::min<std::size_t>(limits.step_tokens, llama_n_ubatch(context_.get()));
  give_back_zeroed_rows(context_.get(), params.n_seq_max * vocabulary * sizeof(float));
  limits.kept_cells = llama_n_ctx(context_.get()) / 2;
  limits.token_limit = llama_n_ctx(context_.get());
  if (const std::int32_t trained = llama_model_n_ctx_train(model_.get()); trained > 0) {
    limits.token_limit = std::min(limits.token_limit, static_cast<std::size_t>(trained));
  }
  info_.context_tokens = limits.token_limit;
  info_.scores_labels = true;
  info_.follows_plan = true;
  info_.likes_batches = true;
  preparation_ = std::make_unique<local::Preparation>(*tokenizer_, chat_, limits.token_limit,
                                                      llama_n_ctx(context_.get()));
  scheduler_ = std::make_unique<local::Scheduler>(context_.get(), *tokenizer_, limits);
  return {};
}

Result<void> LocalLm::Impl::load_adapter() {
  if (options_.lora.empty()) return {};
  // llama.cpp computes an adapter's products otherwise for one token than for many.
  if (options_.exact) {
    return bad_request(options_.lora.string(),
                       "there are no exact results with an adapter; open the model without exact");
  }
  if (const auto checked = local::check_gguf(options_.lora); !checked) return checked;
  const auto id = local::content_id(options_.lora);
  if (!id) return id.error();
  local::LogCapture log;
  adapter_.reset(llama_adapter_lora_init(model_.get(), options_.lora.c_str()));
  if (!adapter_)
    return bad_request(options_.lora.string(),
                       "no adapter for this model: " + log.text("it does not load"));
  llama_adapter_lora* adapter = adapter_.get();
  auto scale = static_cast<float>(options_.lora_scale);
  if (llama_set_adapters_lora(context_.get(), &adapter, 1, &scale) != 0) {
    return bad_request(options_.lora.string(),
                       "the adapter cannot be applied: " + log.text("it does not fit"));
  }
  info_.identity += "+lora@" + *id + "*" + std::to_string(options_.lora_scale);
  return {};
}

LocalCounters LocalLm::Impl::counters() {
  const std::scoped_lock lock(mutex_);
  LocalCounters counters = scheduler_->counters();
  counters.used_cells = scheduler_->store().used();
  counters.kept_prefixes = scheduler_->kept_prefixes();
  return counters;
}

void LocalLm::Impl::forget() {
  const std::scoped_lock lock(mutex_);
  scheduler_->forget();
}

Result<RequestTokens> LocalLm::Impl::tokens_of(const LmRequest& request) {
  const std::scoped_lock lock(mutex_);
  const local::Prepared prepared = preparation_->prepare({&request, 1});
  if (prepared.works.empty()) {
    const auto& answer = *prepared.answers.front();
    return answer ? Result<RequestTokens>(RequestTokens{}) : answer.error();
  }
  const local::Work& work = prepared.works.front();
  return RequestTokens{work.tokens, work.keep, work.program->steps.front().trie.nodes.size()};
}

std::vector<Result<LmReply>> LocalLm::Impl::complete(std::span<const LmRequest> requests,
                                                     const std::stop_token& stop) {
  const auto stopped_in_queue = [&] {
    const Error error = stopped("engine", "stopped before its turn came");
    return std::vector<Result<LmReply>>(requests.size(), error);
  };
  if (!mutex_.lock(stop)) return stopped_in_queue();
  const std::unique_lock lock(mutex_, std::adopt_lock);
  if (const auto unchanged = file_->check(); !unchanged)
    return {requests.size(), unchanged.error()};
  const auto start = std::chrono::steady_clock::now();
  local::Prepared prepared = preparation_->prepare(requests);
  if (!options_.keep_prefixes) scheduler_->forget();
  stop_ = &stop;
  std::vector<Result<LmReply>> replies;
  try {
    const auto job = [&] { replies = scheduler_->run(prepared.works, stop); };
    if (!thread_->run(job, stop)) {
      stop_ = nullptr;
      return stopped_in_queue();
    }
  } catch (...) {
    // Out of memory: what was begun refers to requests that are gone.
    stop_ = nullptr;
    scheduler_->forget();
    throw;
  }
  stop_ = nullptr;
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();

  LocalCounters& counters = scheduler_->counters();
  counters.requests += static_cast<std::int64_t>(requests.size());
  counters.total_seconds += seconds;
  for (std::size_t i = 0; i < prepared.works.size(); ++i) {
    const local::Work& work = prepared.works[i];
    if (replies[i]) {
      replies[i]->usage.lm_calls = 1;
      replies[i]->usage.prompt_tokens = static_cast<std::int64_t>(work.prompt_tokens);
      replies[i]->usage.seconds = seconds / static_cast<double>(requests.size());
    }
    counters.merged_requests += static_cast<std::int64_t>(work.answers.size()) - 1;
    for (std::size_t k = 0; k < work.answers.size(); ++k) {
      if (k == 1 && replies[i]) {
        replies[i]->usage.computed_tokens = 0;
        replies[i]->usage.generated_tokens = 0;
      }
      Result<LmReply> answer = replies[i];
      // Merged choices share their scores, not the label.
      if (answer) choose_label_anew(*answer, requests[work.answers[k]]);
      prepared.answers[work.answers[k]] = std::move(answer);
    }
  }
  std::vector<Result<LmReply>> results;
  results.reserve(requests.size());
  for (auto& answer : prepared.answers) results.push_back(*std::move(answer));
  return results;
}

}  // namespace hone
