// Ownership of llama.cpp's objects, and its log turned into text for error messages.
#pragma once

#include <llama.h>

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "hone/base/result.hpp"

#include "lm/local/held_file.hpp"

namespace hone::local {

using Token = llama_token;
using Tokens = std::vector<Token>;

struct ModelDeleter {
  void operator()(llama_model* model) const { llama_model_free(model); }
};
struct ContextDeleter {
  void operator()(llama_context* context) const { llama_free(context); }
};
struct SamplerDeleter {
  void operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }
};
using ModelPtr = std::unique_ptr<llama_model, ModelDeleter>;
using ContextPtr = std::unique_ptr<llama_context, ContextDeleter>;
using SamplerPtr = std::unique_ptr<llama_sampler, SamplerDeleter>;

// While it lives, collects the warnings and errors llama.cpp logs on this thread. Outside of any
// capture the log is dropped: the library does not print. llama.cpp has one log for the whole
// process; the first call takes it.
class LogCapture {
 public:
  LogCapture();
  ~LogCapture();
  LogCapture(const LogCapture&) = delete;
  LogCapture& operator=(const LogCapture&) = delete;

  // The first errors logged, or where there are none the first warnings, joined by "; ";
  // `fallback` when nothing was.
  std::string text(const std::string& fallback) const;

  struct Lines {
    std::string errors;
    std::string warnings;
  };

 private:
  Lines lines_;
  Lines* outer_;
};

// Sequences a context knows. llama.cpp allows 256, but allocates and zeroes an output row for each.
inline constexpr std::size_t kMostSequences = 160;

// Takes over llama.cpp's log and starts its backends, once per process.
void start_llama();

// Brings a GGUF file's model into memory: mapped as it is where the engine's own products read it
// so (any number of processes share it then), else laid out anew for llama.cpp's kernels.
// bad_request when llama.cpp cannot load it, or when results must be `exact` and would not be.
Result<ModelPtr> load_model(const HeldFile& file, bool exact = false);

}  // namespace hone::local
