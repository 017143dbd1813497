// Reading and writing whole files, with errors that name the file.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"

namespace hone {

// The bytes of a file. bad_request when it is missing, a directory or unreadable.
Result<std::string> read_file(const std::filesystem::path& path);

// Writes all or nothing: into a temporary file beside `path`, flushed to disk, then renamed over
// it. On any failure (full disk, no permission) the old file is untouched and the temporary one
// removed. A process killed meanwhile leaves `path`.saving-…; a later write removes those that are
// an hour old.
Result<void> write_file(const std::filesystem::path& path, std::string_view bytes);

}  // namespace hone
