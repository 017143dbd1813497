// Peak memory of llama.cpp by itself: what `./dev bench memory` compares hone's with.
//
//   build/bin/bench_llama_memory MODEL CELLS STEP_TOKENS
//
// A program that does nothing but load the model, fill the context with tokens in steps, one output
// row each, and print its own peak of resident memory in megabytes. Weights stay in the mapped
// file: laid out anew, as llama.cpp's own kernels like them, they would be in memory twice.
#include <llama.h>
#include <sys/resource.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

int main(int count, char** arguments) {
  if (count != 4) {
    std::fprintf(stderr, "usage: bench_llama_memory MODEL CELLS STEP_TOKENS\n");
    return 2;
  }
  const int cells = std::atoi(arguments[2]);
  const int step = std::atoi(arguments[3]);
  if (cells <= 0 || step <= 0 || step > cells) {
    std::fprintf(
        stderr,
        "bench_llama_memory: CELLS and STEP_TOKENS are positive, and no step exceeds the cells\n");
    return 2;
  }
  llama_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_backend_init();

  llama_model_params model_params = llama_model_default_params();
  model_params.n_gpu_layers = 0;
  model_params.use_extra_bufts = false;
  const std::unique_ptr<llama_model, decltype(&llama_model_free)> model(
      llama_model_load_from_file(arguments[1], model_params), llama_model_free);
  if (!model) {
    std::fprintf(stderr, "bench_llama_memory: cannot load %s\n", arguments[1]);
    return 2;
  }
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(cells);
  params.n_batch = params.n_ubatch = static_cast<std::uint32_t>(step);
  params.n_seq_max = 1;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
  const std::unique_ptr<llama_context, decltype(&llama_free)> context(
      llama_init_from_model(model.get(), params), llama_free);
  if (!context) {
    std::fprintf(stderr, "bench_llama_memory: no context of %d tokens\n", cells);
    return 2;
  }
  std::vector<llama_token> tokens(static_cast<std::size_t>(step));
  const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model.get()));
  for (std::size_t i = 0; i < tokens.size(); ++i)
    tokens[i] = static_cast<llama_token>(i * 37 % static_cast<std::size_t>(vocabulary));
  for (int done = 0; done + step <= cells; done += step) {
    if (llama_decode(context.get(), llama_batch_get_one(tokens.data(), step)) != 0) return 1;
  }
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  std::printf("%.1f\n", static_cast<double>(usage.ru_maxrss) * 1024 / 1e6);
  return 0;
}
