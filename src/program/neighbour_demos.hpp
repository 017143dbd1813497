// The saved form of a program with neighbour demos.
#pragma once

#include <filesystem>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/program/neighbour_demos.hpp"

namespace hone {

// Reads {"neighbours": {"k": …, "pool": [{"inputs": …, "demos": …}], "program": …}} back; relative
// paths are from `folder`.
Result<Program> neighbour_demos_from_json(const Value& json, std::string_view where,
                                          const std::filesystem::path& folder);

}  // namespace hone
