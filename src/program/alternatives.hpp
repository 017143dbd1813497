// The saved form of a program with alternatives.
#pragma once

#include <filesystem>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/program/program.hpp"

namespace hone {

// Reads {"alternatives": {"name": …, "choice": …, "programs": [{"name": …, a program}]}} back.
// `defaults` fills what the programs leave open; relative paths are from `folder`.
Result<Program> alternatives_from_json(const Value& json, std::string_view where,
                                       const PredictorOptions& defaults,
                                       const std::filesystem::path& folder);

}  // namespace hone
