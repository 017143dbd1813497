#include "hone/exit_code.hpp"

#include <cstdio>
#include <string>

namespace hone::cli {

int fail(const Error& error) {
  const std::string line = "hone: " + error.text() + "\n";
  std::fwrite(line.data(), 1, line.size(), stderr);
  switch (error.kind) {
    case ErrorKind::bad_request:
    case ErrorKind::temporary:  // after every retry: the server is not there for this caller
      return kBadInput;
    case ErrorKind::stopped:
      return kStopped;
    case ErrorKind::bad_reply:
    case ErrorKind::internal:
      return kFailed;
  }
  return kFailed;
}

}  // namespace hone::cli
