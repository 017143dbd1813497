// Grammars of single reply values, with what an engine must know to decode them.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "hone/core/type.hpp"

namespace hone::internal {

struct SlotGrammar {
  std::string text;  // GBNF with a rule `root`
  std::size_t max_bytes =
      0;  // of the longest match: no token is shorter than a byte, so this bounds tokens too
  bool has_end =
      false;  // a match says itself where it ends (a closing bracket); else `terminator` does
};

// The value as JSON. `terminator` follows a value without an end of its own (a number) and is then
// part of the grammar.
SlotGrammar json_slot_grammar(const Type& type, std::string_view terminator);

// The rest of a JSON string after its opening quote, closing quote included. Precondition: type is
// a str.
SlotGrammar json_string_tail_grammar(const Type& type);

// The value as plain text on one line, then `terminator` unless the value has an end of its own.
SlotGrammar text_slot_grammar(const Type& type, std::string_view terminator);

}  // namespace hone::internal
