// Characters as UTF-8.
#pragma once

#include <cstdint>
#include <string>

namespace hone::internal {

// Precondition: a code point, at most 0x10FFFF.
void append_utf8(std::string& out, std::uint32_t code);

}  // namespace hone::internal
