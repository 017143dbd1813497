// A retrieve step as the object that program files and saved programs hold.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/program/retrieve.hpp"

namespace hone {

// What "module" says of one.
inline constexpr std::string_view kRetrieveModule = "retrieve";

bool is_retrieve(const Value& json);

// {"module": "retrieve", "signature": …, "corpus": …, "corpus_hash": …, "k": …, "k_range": [low,
// high]}, without its path. The corpus is a path: from `folder` where it lies below that, else
// absolute. Null for a corpus without a file.
Value retrieve_to_json(const Retrieve& step, const std::filesystem::path& folder);

// Reads it back; "k", "k_range" and "corpus_hash" may be left out. A corpus of another hash is a
// bad_request. `extra` are keys that the caller reads itself. Precondition: an object.
Result<Retrieve> retrieve_from_json(const Value& json, std::string_view where,
                                    const std::filesystem::path& folder,
                                    std::span<const std::string> extra = {});

}  // namespace hone
