// Numbers in running text.
#pragma once

#include <optional>
#include <string_view>

namespace hone {

// The last number that stands in a text: "$1,234.50" is 1234.5, "about 42." is 42, "5-10" ends in
// 10, "-$3" and "−3" are negative, "1, 2, 3" ends in 3, "1.5e3" is 1500. None when there is no
// digit, or the number is too large for a double.
std::optional<double> last_number(std::string_view text);

}  // namespace hone
