// The loaded model with everything that computes on it.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/lm/local.hpp"

#include "lm/local/chat_template.hpp"
#include "lm/local/engine_thread.hpp"
#include "lm/local/held_file.hpp"
#include "lm/local/llama_handles.hpp"
#include "lm/local/prepare.hpp"
#include "lm/local/scheduler.hpp"
#include "lm/local/stoppable_mutex.hpp"
#include "lm/local/tokenizer.hpp"

namespace hone {

class LocalLm::Impl {
 public:
  static Result<std::unique_ptr<Impl>> open(LocalOptions options);

  const LmInfo& info() const { return info_; }
  const LocalTuning& tuning() const { return tuning_; }
  LocalCounters counters();
  void forget();
  Result<RequestTokens> tokens_of(const LmRequest& request);
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        const std::stop_token& stop);

  // For tests.
  local::Scheduler& scheduler() { return *scheduler_; }
  local::Tokenizer& tokenizer() { return *tokenizer_; }
  llama_context* context() { return context_.get(); }

 private:
  struct AdapterDeleter {
    void operator()(llama_adapter_lora* adapter) const { llama_adapter_lora_free(adapter); }
  };

  Impl() = default;
  Result<void> load_model();
  Result<void> load_template();
  Result<void> make_context();
  Result<void> load_adapter();

  LocalOptions options_;
  LmInfo info_;
  LocalTuning tuning_;
  std::optional<local::HeldFile> file_;
  local::ModelPtr model_;
  std::unique_ptr<llama_adapter_lora, AdapterDeleter> adapter_;
  local::ContextPtr context_;
  const std::stop_token* stop_ =
      nullptr;  // of the call in progress; llama.cpp asks between operations
  local::StoppableMutex mutex_;
  local::ChatTemplate chat_;
  std::unique_ptr<local::Tokenizer> tokenizer_;
  std::unique_ptr<local::Preparation> preparation_;
  std::unique_ptr<local::Scheduler> scheduler_;
  std::shared_ptr<local::EngineThread> thread_;
};

}  // namespace hone
