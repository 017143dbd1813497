// What a GGUF file says about its model before any weight is read.
#pragma once

#include <ggml.h>
#include <gguf.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "hone/base/result.hpp"

namespace hone::local {

// The head of a model file: its keys, and its tensors without their data. Reading one of 250k
// tokens takes some 50 ms.
class GgufHead {
 public:
  // None for a file that llama.cpp's reader does not understand.
  static std::optional<GgufHead> read(const std::filesystem::path& path);

  // Whether other files hold further tensors of the model.
  bool is_in_parts() const;
  // Null after the last one; tensors are walked with ggml_get_next_tensor.
  const ggml_tensor* first_tensor() const { return ggml_get_first_tensor(tensors_.get()); }
  const ggml_tensor* next_tensor(const ggml_tensor* tensor) const;

  // bad_request for numbers on which llama.cpp ends the process instead of refusing the file.
  Result<void> check_numbers() const;
  // What keeps the exact mode from holding, as a noun phrase; none where it holds. Proven are
  // matrices of Q4_0 and Q8_0.
  std::optional<std::string> inexact_part() const;

 private:
  struct FileDeleter {
    void operator()(gguf_context* file) const { gguf_free(file); }
  };
  struct TensorsDeleter {
    void operator()(ggml_context* tensors) const { ggml_free(tensors); }
  };

  GgufHead(gguf_context* file, ggml_context* tensors) : file_(file), tensors_(tensors) {}

  std::unique_ptr<gguf_context, FileDeleter> file_;
  std::unique_ptr<ggml_context, TensorsDeleter> tensors_;
};

}  // namespace hone::local
