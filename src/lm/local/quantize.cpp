#include <llama.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/lm/local.hpp"

#include "lm/local/llama_handles.hpp"
#include "lm/local/machine.hpp"

namespace hone {
namespace {

struct NamedType {
  const char* name;
  llama_ftype type;
};

constexpr std::array<NamedType, 5> kTypes = {{{"Q4_0", LLAMA_FTYPE_MOSTLY_Q4_0},
                                              {"Q4_K_M", LLAMA_FTYPE_MOSTLY_Q4_K_M},
                                              {"Q5_K_M", LLAMA_FTYPE_MOSTLY_Q5_K_M},
                                              {"Q8_0", LLAMA_FTYPE_MOSTLY_Q8_0},
                                              {"F16", LLAMA_FTYPE_MOSTLY_F16}}};

Result<llama_ftype> parse_type(std::string_view type) {
  std::vector<std::string> names;
  for (const NamedType& known : kTypes) {
    if (type == known.name) return known.type;
    names.emplace_back(known.name);
  }
  return bad_request("quantization", "there is no type '" + std::string(type) + "'" +
                                         did_you_mean(type, names) +
                                         " (known: " + join(names, ", ") + ")");
}

}  // namespace

Result<void> quantize_gguf(const std::filesystem::path& in, const std::filesystem::path& out,
                           std::string_view type) {
  const auto parsed = parse_type(type);
  if (!parsed) return parsed.error();
  if (const auto checked = local::check_gguf(in); !checked) return checked;
  local::start_llama();
  llama_model_quantize_params params = llama_model_quantize_default_params();
  params.ftype = *parsed;
  params.nthread = static_cast<std::int32_t>(usable_threads());
  params.allow_requantize = true;
  const std::filesystem::path temporary = out.string() + ".tmp" + std::to_string(getpid());
  std::error_code ignored;
  local::LogCapture log;
  if (llama_model_quantize(in.c_str(), temporary.c_str(), &params) != 0) {
    std::filesystem::remove(temporary, ignored);
    return bad_request(in.string(), "cannot be quantized to " + std::string(type) + ": " +
                                        log.text("the model is damaged, or the disk is full"));
  }
  std::error_code error;
  std::filesystem::rename(temporary, out, error);
  if (error) {
    std::filesystem::remove(temporary, ignored);
    return internal_error(out.string(), "cannot be written: " + error.message());
  }
  return {};
}

}  // namespace hone
