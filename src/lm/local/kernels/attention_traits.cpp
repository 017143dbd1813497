#include <ggml-internal/ggml-cpu-impl.h>

#include <cstring>
#include <utility>

#include "lm/local/kernels/attention.hpp"
#include "lm/local/kernels/operation_traits.hpp"

namespace hone::local {
namespace {

struct Parameters {
  float scale, alibi, soft_cap;
};

Parameters parameters_of(const ggml_tensor& op) {
  Parameters parameters{};
  std::memcpy(&parameters, op.op_params, sizeof parameters);
  return parameters;
}

bool is_row_of(const ggml_tensor& tensor, ggml_type type) {
  return tensor.type == type && tensor.nb[0] == ggml_type_size(type) && tensor.ne[3] == 1;
}

AttentionKernel kernel_of(const ggml_tensor& op) {
  const ggml_tensor &query = *op.src[0], &key = *op.src[1], &value = *op.src[2], &mask = *op.src[3];
  AttentionWork work;
  work.queries = static_cast<std::size_t>(query.ne[1]);
  work.cells = static_cast<std::size_t>(key.ne[1]);
  work.heads = static_cast<std::size_t>(query.ne[2]);
  work.kv_heads = static_cast<std::size_t>(key.ne[2]);
  work.width = static_cast<std::size_t>(key.ne[0]);
  work.scale = parameters_of(op).scale;
  work.query = static_cast<const float*>(query.data);
  work.query_stride = query.nb[1] / sizeof(float);
  work.query_head_stride = query.nb[2] / sizeof(float);
  work.key = static_cast<const Half*>(key.data);
  work.key_stride = key.nb[1] / sizeof(Half);
  work.key_head_stride = key.nb[2] / sizeof(Half);
  work.value = static_cast<const Half*>(value.data);
  work.value_stride = value.nb[1] / sizeof(Half);
  work.value_head_stride = value.nb[2] / sizeof(Half);
  work.mask = static_cast<const Half*>(mask.data);
  work.mask_stride = mask.nb[1] / sizeof(Half);
  // The result has heads before queries.
  work.out = static_cast<float*>(op.data);
  work.out_head_stride = op.nb[1] / sizeof(float);
  work.out_stride = op.nb[2] / sizeof(float);
  return AttentionKernel(work);
}

WorkRoom room_of(const AttentionKernel& kernel) {
  return {kernel.seen_bytes(), kernel.scratch_bytes()};
}

}  // namespace

bool AttentionTraits::serves(const ggml_tensor& op) const {
  if (op.op != GGML_OP_FLASH_ATTN_EXT) return false;
  const ggml_tensor *query = op.src[0], *key = op.src[1], *value = op.src[2], *mask = op.src[3];
  if (mask == nullptr || op.src[4] != nullptr) return false;
  const Parameters parameters = parameters_of(op);
  return parameters.alibi == 0 && parameters.soft_cap == 0 && is_row_of(op, GGML_TYPE_F32) &&
         is_row_of(*query, GGML_TYPE_F32) && is_row_of(*key, GGML_TYPE_F16) &&
         is_row_of(*value, GGML_TYPE_F16) && is_row_of(*mask, GGML_TYPE_F16) && mask->ne[2] == 1 &&
         key->ne[0] == value->ne[0] &&
         key->ne[0] % static_cast<std::int64_t>(AttentionKernel::kWidthUnit) == 0 &&
         key->ne[1] % static_cast<std::int64_t>(AttentionKernel::kCellBlock) == 0 &&
         key->ne[2] == value->ne[2] && query->ne[2] % key->ne[2] == 0;
}

bool AttentionTraits::work_size(int threads, const ggml_tensor* op, std::size_t& size) {
  size = room_of(kernel_of(*op)).bytes(threads);
  return true;
}

bool AttentionTraits::compute_forward(ggml_compute_params* params, ggml_tensor* op) {
  const AttentionKernel kernel = kernel_of(*op);
  const WorkRoom room = room_of(kernel);
  std::byte* const shared = room.shared_part(*params);
  std::byte* const scratch = room.own_part(*params);
  if (shared == nullptr) return false;  // llama.cpp computes it
  const auto thread = static_cast<std::size_t>(params->ith);
  const auto threads = static_cast<std::size_t>(params->nth);
  auto* const seen = reinterpret_cast<std::uint8_t*>(shared);
  kernel.look(thread, threads, seen);

  // Threads take an item at a time, so that one that is held up does not hold up the others.
  if (thread == 0) ggml_threadpool_chunk_set(params->threadpool, params->nth);
  ggml_barrier(params->threadpool);
  bool is_first = true;
  const auto next = [&] {
    if (std::exchange(is_first, false)) return thread;
    return static_cast<std::size_t>(ggml_threadpool_chunk_add(params->threadpool, 1));
  };
  kernel.compute(next, seen, reinterpret_cast<float*>(scratch));
  return true;
}

}  // namespace hone::local
