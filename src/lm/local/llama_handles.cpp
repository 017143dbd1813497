#include "lm/local/llama_handles.hpp"

#include <malloc.h>

#include <mutex>
#include <optional>
#include <string_view>

#include "hone/base/text.hpp"

#include "lm/local/gguf_head.hpp"
#include "lm/local/kernels/kernel_hook.hpp"
#include "lm/local/machine.hpp"

namespace hone::local {
namespace {

thread_local LogCapture::Lines* current_capture = nullptr;

void take_log(ggml_log_level level, const char* text, void*) {
  constexpr std::size_t kMostBytes = 4096;
  if (current_capture == nullptr || (level != GGML_LOG_LEVEL_ERROR && level != GGML_LOG_LEVEL_WARN))
    return;
  std::string& lines =
      level == GGML_LOG_LEVEL_ERROR ? current_capture->errors : current_capture->warnings;
  if (lines.size() < kMostBytes) lines += text;
}

}  // namespace

void start_llama() {
  static std::once_flag once;
  std::call_once(once, [] {
    llama_log_set(take_log, nullptr);
    llama_backend_init();
    register_kernel_hook();
  });
}

Result<ModelPtr> load_model(const HeldFile& file, bool exact) {
  start_llama();
  const std::string& name = file.path();
  const std::optional<GgufHead> head = GgufHead::read(file.open_path());
  bool is_in_place = false;
  // The file that was opened, whatever its name stands for by now; but of one in parts llama.cpp
  // finds the others by its name.
  std::string path = file.open_path();
  if (head) {
    if (const auto checked = head->check_numbers(); !checked)
      return bad_request(name, checked.error().text());
    if (const auto part = head->inexact_part(); exact && part) {
      return bad_request(
          name, "exact results are known only of Q4_0 and Q8_0 weights, and it has " + *part +
                    "; re-quantize it, or open it without exact");
    }
    is_in_place = serves_all_products(*head);
    if (head->is_in_parts()) path = name;
  }
  LogCapture log;
  llama_model_params params = llama_model_default_params();
  params.n_gpu_layers = 0;
  params.use_extra_bufts = !is_in_place;
  ModelPtr model(llama_model_load_from_file(path.c_str(), params));
  if (!model) {
    std::string reason = log.text("the file is damaged or of an unknown kind");
    if (const auto place = reason.find(path); place != std::string::npos)
      reason.replace(place, path.size(), name);
    return bad_request(name, "llama.cpp cannot load it: " + reason);
  }
  // Weights that llama.cpp laid out anew for this processor are in memory twice, and what reading
  // the file's head needed is scattered over the heap.
  if (!is_in_place) give_back_pages(path);
  malloc_trim(0);
  return model;
}

LogCapture::LogCapture() : outer_(current_capture) {
  start_llama();
  current_capture = &lines_;
}

LogCapture::~LogCapture() {
  current_capture = outer_;
}

std::string LogCapture::text(const std::string& fallback) const {
  constexpr std::size_t kMostLines = 3;
  std::vector<std::string> kept;
  for (const std::string& line :
       split(lines_.errors.empty() ? lines_.warnings : lines_.errors, '\n')) {
    std::string_view rest = trim(line);
    // Every line begins with the name of llama.cpp's own function, which tells a user nothing.
    if (const auto colon = rest.find(": ");
        colon != std::string_view::npos && rest.find(' ') > colon) {
      rest.remove_prefix(colon + 2);
    }
    if (!rest.empty() && kept.size() < kMostLines) kept.emplace_back(rest);
  }
  return kept.empty() ? fallback : join(kept, "; ");
}

}  // namespace hone::local
