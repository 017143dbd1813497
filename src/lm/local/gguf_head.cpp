#include "lm/local/gguf_head.hpp"

#include <cmath>
#include <cstdint>

namespace hone::local {
namespace {

// The place of `key` when it is there with a value of this type; else -1. Of another type, it is
// llama.cpp that refuses the file.
std::int64_t find(const gguf_context* file, const std::string& key, gguf_type type) {
  const std::int64_t place = gguf_find_key(file, key.c_str());
  return place >= 0 && gguf_get_kv_type(file, place) == type ? place : -1;
}

}  // namespace

std::optional<GgufHead> GgufHead::read(const std::filesystem::path& path) {
  ggml_context* tensors = nullptr;
  gguf_context* file = gguf_init_from_file(path.c_str(), {.no_alloc = true, .ctx = &tensors});
  if (file == nullptr) return std::nullopt;
  return GgufHead(file, tensors);
}

bool GgufHead::is_in_parts() const {
  return gguf_find_key(file_.get(), "split.count") >= 0;
}

const ggml_tensor* GgufHead::next_tensor(const ggml_tensor* tensor) const {
  // It is only looked at.
  return ggml_get_next_tensor(tensors_.get(), const_cast<ggml_tensor*>(tensor));
}

Result<void> GgufHead::check_numbers() const {
  constexpr std::uint32_t kMostLayers = 512;  // llama.cpp's limit
  const std::int64_t name = find(file_.get(), "general.architecture", GGUF_TYPE_STRING);
  if (name < 0) return {};
  const std::string architecture = gguf_get_val_str(file_.get(), name);
  const std::string layers = architecture + ".block_count";
  if (const std::int64_t place = find(file_.get(), layers, GGUF_TYPE_UINT32); place >= 0) {
    const std::uint32_t count = gguf_get_val_u32(file_.get(), place);
    if (count == 0 || count > kMostLayers) {
      return bad_request(layers, "is " + std::to_string(count) + "; a model has 1 to " +
                                     std::to_string(kMostLayers) + " layers");
    }
  }
  for (const char* const suffix : {"layer_norm_rms_epsilon", "layer_norm_epsilon"}) {
    const std::string key = architecture + ".attention." + suffix;
    const std::int64_t place = find(file_.get(), key, GGUF_TYPE_FLOAT32);
    if (place < 0) continue;
    const float epsilon = gguf_get_val_f32(file_.get(), place);
    if (!std::isfinite(epsilon) || epsilon < 0)
      return bad_request(key, "is " + std::to_string(epsilon) + "; it has to be 0 or more");
  }
  return {};
}

std::optional<std::string> GgufHead::inexact_part() const {
  if (is_in_parts()) return "a model of several files";
  for (const ggml_tensor* tensor = first_tensor(); tensor != nullptr;
       tensor = next_tensor(tensor)) {
    const int dimensions = ggml_n_dims(tensor);
    const std::string name = ggml_get_name(tensor);
    // Positions are looked up, not multiplied.
    if (dimensions < 2 || name == "position_embd.weight") continue;
    if (dimensions > 2) return "the stack of matrices " + name;
    if (tensor->type != GGML_TYPE_Q4_0 && tensor->type != GGML_TYPE_Q8_0)
      return "the " + std::string(ggml_type_name(tensor->type)) + " matrix " + name;
  }
  return std::nullopt;
}

}  // namespace hone::local
