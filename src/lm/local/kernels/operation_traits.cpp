#include "lm/local/kernels/operation_traits.hpp"

#include <ggml-internal/ggml-cpu-impl.h>

#include <memory>

namespace hone::local {

std::byte* WorkRoom::shared_part(const ggml_compute_params& params) const {
  if (params.wsize < bytes(params.nth)) return nullptr;
  void* work = params.wdata;
  std::size_t room = params.wsize;
  return static_cast<std::byte*>(std::align(kWorkAlignment, 1, work, room));
}

std::byte* WorkRoom::own_part(const ggml_compute_params& params) const {
  std::byte* const shared = shared_part(params);
  return shared == nullptr ? nullptr
                           : shared + shared_ + static_cast<std::size_t>(params.ith) * own_;
}

}  // namespace hone::local
