#include "lm/local/llama_handles.hpp"

#include <mutex>
#include <string_view>

#include "hone/base/text.hpp"

#include "lm/local/attention/attention_device.hpp"

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
    register_attention_device();
  });
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
