#include "lm/local/kernels/attention_device.hpp"

#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <ggml-internal/ggml-backend-impl.h>
#include <ggml.h>

#include <cstring>
#include <memory>

#include "lm/local/kernels/attention.hpp"

namespace hone::local {
namespace {

// The tables of functions below are those of this version; another has to be read anew.
static_assert(GGML_BACKEND_API_VERSION == 3);

struct Stream {
  AttentionKernel kernel;
  int threads = 1;
};

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

bool can_attend(const ggml_tensor& op) {
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

void attend(Stream& stream, const ggml_tensor& op) {
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
  stream.kernel.compute(work, stream.threads);
}

bool moves_no_data(const ggml_tensor& op) {
  return op.op == GGML_OP_NONE || op.op == GGML_OP_RESHAPE || op.op == GGML_OP_VIEW ||
         op.op == GGML_OP_PERMUTE || op.op == GGML_OP_TRANSPOSE;
}

// ---- The tables of functions that llama.cpp calls ----

constexpr const char* kName = "hone attention";

const char* stream_name(ggml_backend_t) {
  return kName;
}

void free_stream(ggml_backend_t backend) {
  const std::unique_ptr<Stream> stream(static_cast<Stream*>(backend->context));
  const std::unique_ptr<ggml_backend> owned(backend);
}

ggml_status compute_graph(ggml_backend_t backend, ggml_cgraph* graph) {
  auto& stream = *static_cast<Stream*>(backend->context);
  for (int i = 0; i < ggml_graph_n_nodes(graph); ++i) {
    const ggml_tensor& node = *ggml_graph_node(graph, i);
    if ((node.flags & GGML_TENSOR_FLAG_COMPUTE) == 0 || moves_no_data(node)) continue;
    if (node.op != GGML_OP_FLASH_ATTN_EXT) return GGML_STATUS_FAILED;
    attend(stream, node);
  }
  return GGML_STATUS_SUCCESS;
}

void set_threads(ggml_backend_t backend, int threads) {
  static_cast<Stream*>(backend->context)->threads = threads;
}

const char* device_name(ggml_backend_dev_t) {
  return kName;
}

void device_memory(ggml_backend_dev_t, std::size_t* free, std::size_t* total) {
  *free = 0;
  *total = 0;
}

enum ggml_backend_dev_type device_type(ggml_backend_dev_t) {
  return GGML_BACKEND_DEVICE_TYPE_ACCEL;
}

void device_properties(ggml_backend_dev_t device, ggml_backend_dev_props* properties) {
  *properties = {};
  properties->name = kName;
  properties->description = kName;
  properties->type = device_type(device);
}

ggml_backend_t open_stream(ggml_backend_dev_t device, const char*) {
  static ggml_guid guid = {0x68, 0x6f, 0x6e, 0x65, 0x2d, 0x61, 0x74, 0x74,
                           0x65, 0x6e, 0x74, 0x69, 0x6f, 0x6e, 0x00, 0x01};
  ggml_backend_i calls{};
  calls.get_name = stream_name;
  calls.free = free_stream;
  calls.graph_compute = compute_graph;
  auto stream = std::make_unique<Stream>();
  return new ggml_backend{&guid, calls, device, stream.release()};
}

ggml_backend_buffer_type_t device_buffer_type(ggml_backend_dev_t) {
  return ggml_backend_cpu_buffer_type();
}

bool supports_operation(ggml_backend_dev_t, const ggml_tensor* op) {
  return moves_no_data(*op) || (op->op == GGML_OP_FLASH_ATTN_EXT && can_attend(*op));
}

bool supports_buffer(ggml_backend_dev_t, ggml_backend_buffer_type_t type) {
  return ggml_backend_buft_is_host(type);
}

const char* registry_name(ggml_backend_reg_t) {
  return kName;
}

std::size_t device_count(ggml_backend_reg_t) {
  return 1;
}

ggml_backend_dev_t device_at(ggml_backend_reg_t registry, std::size_t) {
  static ggml_backend_device device = [registry] {
    ggml_backend_device_i calls{};
    calls.get_name = device_name;
    calls.get_description = device_name;
    calls.get_memory = device_memory;
    calls.get_type = device_type;
    calls.get_props = device_properties;
    calls.init_backend = open_stream;
    calls.get_buffer_type = device_buffer_type;
    calls.supports_op = supports_operation;
    calls.supports_buft = supports_buffer;
    return ggml_backend_device{calls, registry, nullptr};
  }();
  return &device;
}

void* function_named(ggml_backend_reg_t, const char* name) {
  if (std::strcmp(name, "ggml_backend_set_n_threads") != 0) return nullptr;
  return reinterpret_cast<void*>(set_threads);
}

}  // namespace

void register_attention_device() {
  if (!AttentionKernel::is_worth_it()) return;
  static ggml_backend_reg registry{
      GGML_BACKEND_API_VERSION, {registry_name, device_count, device_at, function_named}, nullptr};
  static const bool is_registered = (ggml_backend_register(&registry), true);
  static_cast<void>(is_registered);
}

}  // namespace hone::local
