// Types as JSON Schema (for servers) and as GBNF grammars (for the local engine).
#pragma once

#include <string>
#include <vector>

#include "hone/core/signature.hpp"
#include "hone/core/type.hpp"
#include "hone/core/value.hpp"

namespace hone {

// Strict subset that structured-output servers take: every property required, additionalProperties
// false, an optional as anyOf with null.
Value json_schema(const Type& type);
Value json_schema(const std::vector<Field>& fields);

// GBNF with a rule `root` matching the type's JSON text, one way of white space only (", " and ":
// "), strings and numbers of bounded length. What it matches, coerce() reads without a fault
// (limits on numbers excepted where a regular language cannot state them; ints with both bounds are
// exact).
std::string json_grammar(const Type& type);

// GBNF for the type's plain text form in "Field: value" lines: a number, a label, one line of text
// (str: any text without a line break), JSON for lists and structs.
std::string text_grammar(const Type& type);

}  // namespace hone
