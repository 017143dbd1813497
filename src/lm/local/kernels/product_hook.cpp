#include "lm/local/kernels/product_hook.hpp"

#include <ggml-backend.h>
#include <ggml-internal/traits.h>
#include <ggml.h>
#include <gguf.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "lm/local/kernels/quantized_product.hpp"

namespace hone::local {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t aligned(std::size_t bytes) {
  return (bytes + kAlignment - 1) / kAlignment * kAlignment;
}

bool can_multiply(const ggml_tensor& weights) {
  return (weights.type == GGML_TYPE_Q4_0 || weights.type == GGML_TYPE_Q8_0) &&
         weights.nb[0] == ggml_type_size(weights.type) && weights.ne[2] == 1 &&
         weights.ne[3] == 1 &&
         weights.ne[0] % static_cast<std::int64_t>(QuantizedProduct::kBlock) == 0 &&
         weights.ne[1] % static_cast<std::int64_t>(QuantizedProduct::kGroup) == 0;
}

bool is_ours(const ggml_tensor& op) {
  if (op.op != GGML_OP_MUL_MAT) return false;
  const ggml_tensor &weights = *op.src[0], &in = *op.src[1];
  return can_multiply(weights) && in.type == GGML_TYPE_F32 && op.type == GGML_TYPE_F32 &&
         in.nb[0] == sizeof(float) && op.nb[0] == sizeof(float) && weights.buffer != nullptr &&
         ggml_backend_buffer_is_host(weights.buffer);
}

TokenRows rows_of(const ggml_tensor& tensor) {
  TokenRows rows;
  rows.first = static_cast<std::byte*>(tensor.data);
  rows.count_1 = static_cast<std::size_t>(tensor.ne[1]);
  rows.count_2 = static_cast<std::size_t>(tensor.ne[2]);
  rows.stride_1 = tensor.nb[1];
  rows.stride_2 = tensor.nb[2];
  rows.stride_3 = tensor.nb[3];
  return rows;
}

QuantizedProduct product_of(const ggml_tensor& op) {
  const ggml_tensor &weights = *op.src[0], &in = *op.src[1];
  QuantizedProduct product;
  product.type = weights.type == GGML_TYPE_Q4_0 ? WeightType::q4_0 : WeightType::q8_0;
  product.weights = static_cast<const std::byte*>(weights.data);
  product.rows = static_cast<std::size_t>(weights.ne[1]);
  product.columns = static_cast<std::size_t>(weights.ne[0]);
  product.weight_stride = weights.nb[1];
  product.tokens = static_cast<std::size_t>(in.ne[1] * in.ne[2] * in.ne[3]);
  product.in = rows_of(in);
  product.out = rows_of(op);
  return product;
}

// ---- What llama.cpp calls ----

class ProductTraits final : public ggml::cpu::tensor_traits {
 public:
  bool work_size(int threads, const ggml_tensor* op, std::size_t& size) override {
    const QuantizedProduct product = product_of(*op);
    size = kAlignment + aligned(product.packed_bytes()) +
           static_cast<std::size_t>(threads) * aligned(product.scratch_bytes());
    return true;
  }

  bool compute_forward(ggml_compute_params* params, ggml_tensor* op) override {
    // A graph that was planned before the hook came has too little room: llama.cpp computes it.
    std::size_t needed = 0;
    if (!work_size(params->nth, op, needed) || params->wsize < needed) return false;
    const QuantizedProduct product = product_of(*op);
    const auto thread = static_cast<std::size_t>(params->ith);
    const auto threads = static_cast<std::size_t>(params->nth);
    void* work = params->wdata;
    std::size_t bytes = params->wsize;
    auto* const packed = static_cast<std::byte*>(std::align(kAlignment, 1, work, bytes));
    std::byte* const scratch =
        packed + aligned(product.packed_bytes()) + thread * aligned(product.scratch_bytes());
    for (std::size_t tile = thread; tile < product.tiles(); tile += threads)
      product.pack(tile, packed);

    // Threads take a few groups at a time, so that one that is held up does not hold up the others.
    const std::size_t groups = product.groups();
    const std::size_t share = std::max<std::size_t>(1, groups / (8 * threads));
    if (thread == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
    ggml_barrier(params->threadpool);
    for (std::size_t chunk = thread; chunk * share < groups;
         chunk = static_cast<std::size_t>(ggml_threadpool_chunk_add(params->threadpool, 1))) {
      const std::size_t last = std::min(groups, (chunk + 1) * share);
      for (std::size_t group = chunk * share; group < last; ++group)
        product.multiply(group, packed, scratch);
    }
    return true;
  }
};

// llama.cpp asks the places where weights can lie whether they have a way of their own to compute
// an operation. No weight lies in this one: it answers for those in ordinary memory.
class ProductHook final : public ggml::cpu::extra_buffer_type {
 public:
  bool supports_op(ggml_backend_dev_t, const ggml_tensor*) override { return false; }
  ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor* op) override {
    return is_ours(*op) ? &traits_ : nullptr;
  }

 private:
  ProductTraits traits_;
};

const char* place_name(ggml_backend_buffer_type_t) {
  return "hone products";
}

std::size_t place_alignment(ggml_backend_buffer_type_t) {
  return kAlignment;
}

ggml_backend_buffer_t no_buffer(ggml_backend_buffer_type_t, std::size_t) {
  return nullptr;
}

bool add_hook() {
  // llama.cpp keeps pointing at it until the process has ended.
  static auto& hook = *new ProductHook();
  static ggml_backend_buffer_type place = [] {
    ggml_backend_buffer_type type{};
    type.iface.get_name = place_name;
    type.iface.alloc_buffer = no_buffer;
    type.iface.get_alignment = place_alignment;
    type.device = ggml_backend_dev_by_type(GGML_BACKEND_DEVICE_TYPE_CPU);
    type.context = static_cast<ggml::cpu::extra_buffer_type*>(&hook);
    return type;
  }();
  ggml_backend_cpu_get_extra_buffer_types().push_back(&place);
  return true;
}

}  // namespace

void register_product_hook() {
  if (!QuantizedProduct::is_worth_it()) return;
  static const bool is_added = add_hook();
  static_cast<void>(is_added);
}

bool serves_all_products(const std::filesystem::path& model) {
  if (!QuantizedProduct::is_worth_it()) return false;
  ggml_context* tensors = nullptr;
  const gguf_init_params params{.no_alloc = true, .ctx = &tensors};
  const std::unique_ptr<gguf_context, decltype(&gguf_free)> file(
      gguf_init_from_file(model.c_str(), params), gguf_free);
  const std::unique_ptr<ggml_context, decltype(&ggml_free)> owned(tensors, ggml_free);
  // What the other parts of a file in parts hold is not known here.
  if (!file || gguf_find_key(file.get(), "split.count") >= 0) return false;
  for (ggml_tensor* tensor = ggml_get_first_tensor(tensors); tensor != nullptr;
       tensor = ggml_get_next_tensor(tensors, tensor)) {
    // llama.cpp leaves Q8_0 as it is on these processors.
    if (!ggml_is_quantized(tensor->type) || tensor->type == GGML_TYPE_Q8_0) continue;
    if (!can_multiply(*tensor)) return false;
  }
  return true;
}

}  // namespace hone::local
