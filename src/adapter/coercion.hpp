// Coercion that gathers its faults one by one, so that a reply's faults can be told field by field.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/type.hpp"
#include "hone/core/value.hpp"

namespace hone::internal {

// The value, or nothing after at least one fault was added. Precondition: `text` is UTF-8.
std::optional<Value> coerce_text(const Type& type, std::string_view text, const std::string& where,
                                 std::vector<Error>& faults);
std::optional<Value> coerce_value(const Type& type, const Value& value, const std::string& where,
                                  std::vector<Error>& faults);

// Words a missing value's fault; how to mend it depends on the format.
Error missing_fault(const std::string& where, const std::string& hint = {});

}  // namespace hone::internal
