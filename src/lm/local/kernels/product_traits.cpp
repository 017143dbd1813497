#include <ggml-backend.h>
#include <ggml-internal/ggml-cpu-impl.h>

#include <algorithm>

#include "lm/local/kernels/operation_traits.hpp"
#include "lm/local/kernels/quantized_product.hpp"

namespace hone::local {
namespace {

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

WorkRoom room_of(const QuantizedProduct& product) {
  return {product.packed_bytes(), product.scratch_bytes()};
}

}  // namespace

bool ProductTraits::can_multiply(const ggml_tensor& weights) {
  return (weights.type == GGML_TYPE_Q4_0 || weights.type == GGML_TYPE_Q8_0) &&
         weights.nb[0] == ggml_type_size(weights.type) && weights.ne[2] == 1 &&
         weights.ne[3] == 1 &&
         weights.ne[0] % static_cast<std::int64_t>(QuantizedProduct::kBlock) == 0 &&
         weights.ne[1] % static_cast<std::int64_t>(QuantizedProduct::kGroup) == 0;
}

bool ProductTraits::serves(const ggml_tensor& op) const {
  if (op.op != GGML_OP_MUL_MAT) return false;
  const ggml_tensor &weights = *op.src[0], &in = *op.src[1];
  return can_multiply(weights) && in.type == GGML_TYPE_F32 && op.type == GGML_TYPE_F32 &&
         in.nb[0] == sizeof(float) && op.nb[0] == sizeof(float) && weights.buffer != nullptr &&
         ggml_backend_buffer_is_host(weights.buffer);
}

bool ProductTraits::work_size(int threads, const ggml_tensor* op, std::size_t& size) {
  size = room_of(product_of(*op)).bytes(threads);
  return true;
}

bool ProductTraits::compute_forward(ggml_compute_params* params, ggml_tensor* op) {
  const QuantizedProduct product = product_of(*op);
  const WorkRoom room = room_of(product);
  std::byte* const shared = room.shared_part(*params);
  std::byte* const scratch = room.own_part(*params);
  if (shared == nullptr) return false;  // llama.cpp computes it
  const auto thread = static_cast<std::size_t>(params->ith);
  const auto threads = static_cast<std::size_t>(params->nth);
  for (std::size_t tile = thread; tile < product.tiles(); tile += threads)
    product.pack(tile, shared);

  // Threads take a few groups at a time, so that one that is held up does not hold up the others.
  const std::size_t groups = product.groups();
  const std::size_t share = std::max<std::size_t>(1, groups / (8 * threads));
  if (thread == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
  ggml_barrier(params->threadpool);
  for (std::size_t chunk = thread; chunk * share < groups;
       chunk = static_cast<std::size_t>(ggml_threadpool_chunk_add(params->threadpool, 1))) {
    const std::size_t last = std::min(groups, (chunk + 1) * share);
    for (std::size_t group = chunk * share; group < last; ++group)
      product.multiply(group, shared, scratch);
  }
  return true;
}

}  // namespace hone::local
