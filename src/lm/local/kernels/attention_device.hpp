// Brings hone's attention into llama.cpp.
#pragma once

namespace hone::local {

// Where AttentionKernel is worth it, makes llama.cpp hand every attention that AttentionKernel can
// compute (flash attention on, a cache in half precision, no ALiBi, soft cap or sinks) to it, in
// contexts opened from then on; the rest stays with llama.cpp, and so does exact mode, whose cache
// is in another format. It is an accelerator like its BLAS backend: operations it takes, on memory
// of the processor. Once a process.
void register_attention_device();

}  // namespace hone::local
