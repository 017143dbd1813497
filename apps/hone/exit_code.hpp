// What the command tells its caller by its exit code.
#pragma once

#include "hone/base/result.hpp"

namespace hone::cli {

inline constexpr int kOk = 0;
inline constexpr int kFailed = 1;  // a defect, or a resource that gave out
inline constexpr int kBadInput =
    2;  // files, options, a model or server that is not there, a full disk
inline constexpr int kStopped = 130;  // a stop was asked for before there was a result

// Writes "hone: <error>" to standard error and returns the code for its kind.
int fail(const Error& error);

}  // namespace hone::cli
