// Standard error as a place for progress: a terminal of some width, or a plain stream of lines; and
// what both outputs share.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"

namespace hone::cli {

struct Console {
  bool is_terminal = false;            // one line may be redrawn in place
  bool color = false;                  // never when NO_COLOR is set
  std::function<std::size_t()> width;  // columns, asked anew each time: windows are resized
  std::function<void(std::string_view)> write;
};

Console standard_error();

// Whether everything printed so far has reached standard output.
Result<void> flush_output();

// Columns a text takes, counting each UTF-8 character as one.
std::size_t columns(std::string_view text);
// The first `limit` columns.
std::string first_columns(std::string_view text, std::size_t limit);

// "12,345"
std::string grouped(long long number);
// "7.4 s", "3:05", "1:02:03"
std::string duration_text(double seconds);
// A score as a percentage with one decimal: "63.5"
std::string percent(double score);

}  // namespace hone::cli
