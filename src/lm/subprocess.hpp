// Running another program and hearing what it complains about.
#pragma once

#include <stop_token>
#include <string>
#include <vector>

#include "hone/base/result.hpp"

namespace hone {

struct ProcessResult {
  int exit_code = 0;     // 128 + signal when it was killed
  std::string messages;  // the last 64 KiB of its standard error
};

// Looks the program up in PATH; its input is empty and its output dropped. bad_request when it
// cannot be started; stopped when a stop ended it (it and what it started are terminated).
// Blocking.
Result<ProcessResult> run_process(const std::vector<std::string>& command,
                                  const std::stop_token& stop);

}  // namespace hone
