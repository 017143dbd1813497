// The saved form of an ensemble.
#pragma once

#include <filesystem>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/program/ensemble.hpp"

namespace hone {

// Reads {"ensemble": {"reduce": …, "weights": […], "programs": […]}} back; relative paths are from
// `folder`.
Result<Program> ensemble_from_json(const Value& json, std::string_view where,
                                   const std::filesystem::path& folder);

}  // namespace hone
