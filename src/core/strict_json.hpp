// JSON of data files: what is in doubt is refused.
#pragma once

#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"

namespace hone {

// As Value::parse_json, but a key given twice in one object is a bad_request. It names the key, and
// in a list the item: "data.json[3]".
Result<Value> parse_strict_json(std::string_view text, std::string_view where);

}  // namespace hone
