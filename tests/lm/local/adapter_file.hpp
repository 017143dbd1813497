// LoRA adapters made by tests.
#pragma once

#include <ggml.h>
#include <gguf.h>
#include <gtest/gtest.h>
#include <llama.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/rng.hpp"

namespace hone::local {

struct AdapterShape {
  std::string architecture = "llama";
  std::int64_t inputs = 576;  // of SmolLM2's attention output matrices
  std::int64_t outputs = 576;
  std::size_t layers = 30;
  float delta = 0.05F;  // largest entry of both factors
};

// Writes a rank-2 adapter of every layer's attention output matrix.
inline void write_adapter(const std::filesystem::path& path, const AdapterShape& shape) {
  constexpr std::int64_t kRank = 2;
  const std::size_t bytes = shape.layers * 2 * ggml_tensor_overhead() +
                            shape.layers * static_cast<std::size_t>(shape.inputs + shape.outputs) *
                                (kRank * sizeof(float) + 64);
  const std::unique_ptr<ggml_context, decltype(&ggml_free)> tensors(
      ggml_init({bytes, nullptr, false}), &ggml_free);
  const std::unique_ptr<gguf_context, decltype(&gguf_free)> file(gguf_init_empty(), &gguf_free);
  gguf_set_val_str(file.get(), "general.type", "adapter");
  gguf_set_val_str(file.get(), "general.architecture", shape.architecture.c_str());
  gguf_set_val_str(file.get(), "adapter.type", "lora");
  gguf_set_val_f32(file.get(), "adapter.lora.alpha", static_cast<float>(kRank));
  Rng rng(1);
  const auto add = [&](const std::string& name, std::int64_t columns, std::int64_t rows) {
    ggml_tensor* tensor = ggml_new_tensor_2d(tensors.get(), GGML_TYPE_F32, columns, rows);
    ggml_set_name(tensor, name.c_str());
    auto* data = static_cast<float*>(tensor->data);
    for (std::int64_t i = 0; i < columns * rows; ++i)
      data[i] = shape.delta * static_cast<float>(2 * rng.uniform() - 1);
    gguf_add_tensor(file.get(), tensor);
  };
  for (std::size_t layer = 0; layer < shape.layers; ++layer) {
    const std::string name = "blk." + std::to_string(layer) + ".attn_output.weight";
    add(name + ".lora_a", shape.inputs, kRank);
    add(name + ".lora_b", kRank, shape.outputs);
  }
  ASSERT_TRUE(gguf_write_to_file(file.get(), path.c_str(), false));
}

}  // namespace hone::local
