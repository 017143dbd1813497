// The small model tests run on, and a decoder that knows no tricks to compare with.
#pragma once

#include <gtest/gtest.h>
#include <llama.h>

#include <cmath>
#include <cstddef>
#include <cstdlib>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hone/lm/local.hpp"

#include "lm/local/kernels/kernel_hook.hpp"
#include "lm/local/llama_handles.hpp"
#include "lm/local/local_impl.hpp"

namespace hone::local {

inline std::filesystem::path model_folder() {
  if (const char* folder = std::getenv("HONE_CACHE"))
    return std::filesystem::path(folder) / "models";
  if (const char* folder = std::getenv("XDG_CACHE_HOME"))
    return std::filesystem::path(folder) / "hone/models";
  const char* home = std::getenv("HOME");
  return std::filesystem::path(home == nullptr ? "." : home) / ".cache/hone/models";
}

inline std::filesystem::path smollm2_path() {
  return model_folder() / "smollm2-q4_0.gguf";
}

inline LmRequest make_request(Prompt prompt, std::vector<ReplyPart> parts) {
  auto plan = std::make_shared<ReplyPlan>();
  plan->parts = std::move(parts);
  LmRequest request;
  request.prompt = std::move(prompt);
  request.reply = std::move(plan);
  return request;
}

inline Prompt text_prompt(const std::string& fixed, const std::string& rest) {
  Segments segments;
  if (!fixed.empty()) segments.emplace_back(Role::text, fixed);
  Segments own;
  if (!rest.empty()) own.emplace_back(Role::text, rest);
  return Prompt(std::make_shared<const Segments>(std::move(segments)), std::move(own));
}

inline std::string repeated(const std::string& word, std::size_t count) {
  std::string text;
  for (std::size_t i = 0; i < count; ++i) text += word;
  return text;
}

inline double log_probability(const std::vector<float>& logits, Token token) {
  double sum = 0;
  for (const float x : logits) sum += std::exp(static_cast<double>(x));
  return static_cast<double>(logits[static_cast<std::size_t>(token)]) - std::log(sum);
}

inline LmReply answer(LocalLm::Impl& impl, LmRequest request) {
  return impl.complete(std::vector<LmRequest>{std::move(request)}, {}).front().value();
}

// One sequence, one context, nothing shared: what every result of the engine is held against.
class NaiveDecoder {
 public:
  // `own_products`: computed by QuantizedProduct where the engine does so, else by llama.cpp.
  explicit NaiveDecoder(const std::filesystem::path& path, bool exact = true,
                        bool own_products = true) {
    start_llama();
    llama_model_params model_params = llama_model_default_params();
    model_params.n_gpu_layers = 0;
    model_params.use_extra_bufts = !own_products || !serves_all_products(*GgufHead::read(path));
    model_.reset(llama_model_load_from_file(path.c_str(), model_params));
    llama_context_params params = llama_context_default_params();
    params.n_ctx = 2048;
    params.n_threads = params.n_threads_batch = static_cast<std::int32_t>(usable_threads());
    params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
    params.swa_full = true;
    if (exact) params.type_k = params.type_v = GGML_TYPE_Q8_0;
    context_.reset(llama_init_from_model(model_.get(), params));
  }

  const llama_vocab* vocab() const { return llama_model_get_vocab(model_.get()); }

  // Logits after `tokens`, from scratch, the prompt in one batch.
  std::vector<float> logits(Tokens tokens) {
    llama_memory_clear(llama_get_memory(context_.get()), false);
    return next_logits(std::move(tokens));
  }

  // Logits after more tokens of the same text.
  std::vector<float> next_logits(Tokens tokens) {
    EXPECT_EQ(0, llama_decode(
                     context_.get(),
                     llama_batch_get_one(tokens.data(), static_cast<std::int32_t>(tokens.size()))));
    const float* row = llama_get_logits_ith(context_.get(), -1);
    return {row, row + llama_vocab_n_tokens(vocab())};
  }

 private:
  ModelPtr model_;
  ContextPtr context_;
};

// A test that needs the model: skipped, with the way to get it, where it is not there.
class ModelTest : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(smollm2_path())) {
      GTEST_SKIP() << "no model at " << smollm2_path()
                   << ": run ./dev build, or hone models pull smollm2";
    }
  }

  static std::unique_ptr<LocalLm::Impl> open(bool exact = false, std::size_t cells = 2048,
                                             std::size_t threads = 0) {
    LocalOptions options;
    options.threads = threads;
    options.model = smollm2_path();
    options.exact = exact;
    options.context_cells = cells;
    options.tuning = LocalTuning{};
    auto impl = LocalLm::Impl::open(options);
    EXPECT_TRUE(impl) << impl.error().text();
    return *std::move(impl);
  }
};

}  // namespace hone::local
