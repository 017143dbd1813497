// Text -> typed values, in one place.
#pragma once

#include <string>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/type.hpp"
#include "hone/core/value.hpp"

namespace hone {

// Reads text a model wrote (or a CSV cell holds) as a type: "42." and "about 42" as int 42 when
// there is one number, "Yes" as true, labels in any case or quoted, JSON for lists and structs
// (repaired where broken, a comma or bullet list for a list of scalars), "none" for an optional.
// All faults at once, worded for a model.
Result<Value> coerce(const Type& type, std::string_view text, std::string_view where);

// As above for a value already parsed from JSON (a string holding "3" fits int).
Result<Value> coerce(const Type& type, const Value& value, std::string_view where);

// Reads JSON leniently: text around the first object or list, code fences, single quotes, trailing
// or missing commas, unquoted keys, True/None, comments, a missing end. An error only when nothing
// can be made of it.
Result<Value> repair_json(std::string_view text);

// A value as a prompt shows it: strings as they are, numbers plain, lists and structs as one-line
// JSON.
std::string value_text(const Value& value);

}  // namespace hone
