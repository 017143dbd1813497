// The size of a prompt before a tokenizer has seen it.
#pragma once

#include <cstddef>

#include "hone/core/prompt.hpp"

namespace hone {

inline std::size_t prompt_bytes(const Prompt& prompt) {
  std::size_t bytes = 0;
  for (std::size_t i = 0; i < prompt.size(); ++i) bytes += prompt[i].text().size();
  return bytes;
}

}  // namespace hone
