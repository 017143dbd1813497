#include "hone/console.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>

namespace hone::cli {
namespace {

bool is_set(const char* name) {
  const char* value =
      std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read before threads start
  return value != nullptr && *value != '\0';
}

bool begins_character(char byte) {
  return (static_cast<unsigned char>(byte) & 0xC0U) != 0x80U;
}

template <class... Args>
std::string printed(const char* pattern, Args... args) {
  std::array<char, 64> buffer{};
  std::snprintf(buffer.data(), buffer.size(), pattern, args...);
  return buffer.data();
}

}  // namespace

Console standard_error() {
  const char* term = std::getenv("TERM");  // NOLINT(concurrency-mt-unsafe)
  const bool dumb = term == nullptr || std::string_view(term) == "dumb";
  Console console;
  console.is_terminal = ::isatty(STDERR_FILENO) == 1 && !dumb;
  console.color = console.is_terminal && !is_set("NO_COLOR");
  console.width = [] {
    winsize size{};
    const bool known = ::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    return known ? std::size_t{size.ws_col} : std::size_t{80};
  };
  console.write = [](std::string_view text) {
    std::fwrite(text.data(), 1, text.size(), stderr);
    std::fflush(stderr);
  };
  return console;
}

Result<void> flush_output() {
  if (std::fflush(stdout) == 0 && std::ferror(stdout) == 0) return {};
  return bad_request("standard output", "cannot be written: closed, or a full disk");
}

std::size_t columns(std::string_view text) {
  std::size_t count = 0;
  for (const char byte : text) count += begins_character(byte) ? 1 : 0;
  return count;
}

std::string first_columns(std::string_view text, std::size_t limit) {
  std::size_t count = 0;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (begins_character(text[i]) && ++count > limit) return std::string(text.substr(0, i));
  }
  return std::string(text);
}

std::string grouped(long long number) {
  std::string text = std::to_string(number);
  const std::size_t first = number < 0 ? 1 : 0;
  for (std::size_t at = text.size(); at > first + 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

std::string duration_text(double seconds) {
  if (seconds < 60) return printed("%.1f s", seconds);
  const auto whole = static_cast<long long>(std::llround(seconds));
  if (whole < 3600) return printed("%lld:%02lld", whole / 60, whole % 60);
  return printed("%lld:%02lld:%02lld", whole / 3600, whole / 60 % 60, whole % 60);
}

std::string percent(double score) {
  return printed("%.1f", score * 100);
}

}  // namespace hone::cli
