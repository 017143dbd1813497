// How llama.cpp's processor backend is told of our kernels: one object an operation.
#pragma once

#include <ggml-internal/traits.h>
#include <ggml.h>

#include <cstddef>
#include <cstdint>

namespace hone::local {

constexpr std::size_t kWorkAlignment = 64;

// The memory an operation works in: a part all threads share, and one of each thread's own.
class WorkRoom {
 public:
  WorkRoom(std::size_t shared, std::size_t own) : shared_(aligned(shared)), own_(aligned(own)) {}

  std::size_t bytes(int threads) const {
    return kWorkAlignment + shared_ + static_cast<std::size_t>(threads) * own_;
  }
  // This thread's pointers into the room; null where it is too small, as it is in a graph that was
  // planned before the hook came.
  std::byte* shared_part(const ggml_compute_params& params) const;
  std::byte* own_part(const ggml_compute_params& params) const;

 private:
  static std::size_t aligned(std::size_t bytes) {
    return (bytes + kWorkAlignment - 1) / kWorkAlignment * kWorkAlignment;
  }
  std::size_t shared_, own_;
};

class OperationTraits : public ggml::cpu::tensor_traits {
 public:
  virtual bool serves(const ggml_tensor& op) const = 0;
};

// Products of quantized weights, by QuantizedProduct.
class ProductTraits final : public OperationTraits {
 public:
  // Whether QuantizedProduct knows the kind and the layout of these weights.
  static bool can_multiply(const ggml_tensor& weights);

  bool serves(const ggml_tensor& op) const override;
  bool work_size(int threads, const ggml_tensor* op, std::size_t& size) override;
  bool compute_forward(ggml_compute_params* params, ggml_tensor* op) override;
};

// Attention over a cache in half precision, by AttentionKernel.
class AttentionTraits final : public OperationTraits {
 public:
  bool serves(const ggml_tensor& op) const override;
  bool work_size(int threads, const ggml_tensor* op, std::size_t& size) override;
  bool compute_forward(ggml_compute_params* params, ggml_tensor* op) override;
};

}  // namespace hone::local
