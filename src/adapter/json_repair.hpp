// What to look for when JSON stands somewhere in a longer text.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"

namespace hone::internal {

enum class JsonShape { any, object, list };

// repair_json() that passes by brackets of another shape: prose before an object may hold "[1]".
Result<Value> repair_json(std::string_view text, JsonShape shape);

// The value a text begins with, read as leniently as repair_json() does, and where it ends.
struct LeadingJson {
  Value value;
  std::size_t end = 0;
};
LeadingJson read_leading_json(std::string_view text);

// The text inside the first ``` fence, or the whole text where there is none; white space trimmed.
std::string_view without_fence(std::string_view text);

// A whole text that is one finite number, as int where it is written as one and fits; "1,234"
// counts as 1234, and any dash before it as its minus.
std::optional<Value> read_number(std::string_view text);

}  // namespace hone::internal
