// Lets llama.cpp's processor backend compute with our kernels.
#pragma once

#include "lm/local/gguf_head.hpp"

namespace hone::local {

// Puts QuantizedProduct before llama.cpp's own products, for weights that lie in memory as the file
// has them (a model loaded with use_extra_bufts = false), and AttentionKernel before its own
// attention, in this process, once; each only where it is worth it. It holds for whoever else uses
// ggml in the process. Call it before the process first computes with ggml: a graph that is being
// computed meanwhile is not safe. Thread safe among its own callers.
void register_kernel_hook();

// Whether the hook serves every matrix of this model file that llama.cpp would otherwise want to
// lay out anew in memory of its own: all quantized ones are Q8_0, or Q4_0 with rows by sixteens and
// no experts. False for a file of several parts.
bool serves_all_products(const GgufHead& model);

}  // namespace hone::local
