// What the engine knows about the machine and about model files.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "hone/base/result.hpp"
#include "hone/lm/local.hpp"

namespace hone::local {

// Processor model and the number of CPUs this process may use: what a tuning holds for.
std::string machine_name();

// XXH3 of the whole file. bad_request when it cannot be read. About 20 ms for 100 MB that the
// system has in memory.
Result<std::string> content_id(const std::filesystem::path& path);

// bad_request unless the file is there, readable and begins as a GGUF file does.
Result<void> check_gguf(const std::filesystem::path& path);

// Gives back the memory that mapped pages of a file hold; they are read again, from the system's
// cache, when they are used again.
void give_back_pages(const std::filesystem::path& path);

// Tunings are kept by the content of the model and by machine, whatever the model is called.
std::optional<LocalTuning> load_tuning(const std::filesystem::path& folder,
                                       const std::string& content);
Result<void> save_tuning(const std::filesystem::path& folder, const std::string& content,
                         const LocalTuning& tuning);

}  // namespace hone::local
