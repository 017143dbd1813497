#include "lm/local/kernels/kernel_hook.hpp"

#include <ggml-backend.h>
#include <ggml-internal/traits.h>
#include <ggml.h>

#include <cstddef>
#include <vector>

#include "lm/local/kernels/attention.hpp"
#include "lm/local/kernels/operation_traits.hpp"
#include "lm/local/kernels/quantized_product.hpp"

namespace hone::local {
namespace {

// llama.cpp asks the places where weights can lie whether they have a way of their own to compute
// an operation. No weight lies in this one: it answers for those in ordinary memory, and for
// operations without weights.
class KernelHook final : public ggml::cpu::extra_buffer_type {
 public:
  bool supports_op(ggml_backend_dev_t, const ggml_tensor*) override { return false; }
  ggml::cpu::tensor_traits* get_tensor_traits(const ggml_tensor* op) override {
    if (serves_products_ && products_.serves(*op)) return &products_;
    if (serves_attention_ && attention_.serves(*op)) return &attention_;
    return nullptr;
  }

 private:
  bool serves_products_ = QuantizedProduct::is_worth_it();
  bool serves_attention_ = AttentionKernel::is_worth_it();
  ProductTraits products_;
  AttentionTraits attention_;
};

const char* place_name(ggml_backend_buffer_type_t) {
  return "hone kernels";
}

std::size_t place_alignment(ggml_backend_buffer_type_t) {
  return kWorkAlignment;
}

ggml_backend_buffer_t no_buffer(ggml_backend_buffer_type_t, std::size_t) {
  return nullptr;
}

bool add_hook() {
  // llama.cpp keeps pointing at it until the process has ended.
  static auto& hook = *new KernelHook();
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

void register_kernel_hook() {
  if (!QuantizedProduct::is_worth_it() && !AttentionKernel::is_worth_it()) return;
  static const bool is_added = add_hook();
  static_cast<void>(is_added);
}

bool serves_all_products(const GgufHead& model) {
  // What the other parts of a file in parts hold is not known here.
  if (!QuantizedProduct::is_worth_it() || model.is_in_parts()) return false;
  for (const ggml_tensor* tensor = model.first_tensor(); tensor != nullptr;
       tensor = model.next_tensor(tensor)) {
    // llama.cpp leaves Q8_0 as it is on these processors.
    if (!ggml_is_quantized(tensor->type) || tensor->type == GGML_TYPE_Q8_0) continue;
    if (!ProductTraits::can_multiply(*tensor)) return false;
  }
  return true;
}

}  // namespace hone::local
