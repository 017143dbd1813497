#include "hone/base/result.hpp"

namespace hone {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::bad_request:
      return "bad request";
    case ErrorKind::temporary:
      return "temporary";
    case ErrorKind::bad_reply:
      return "bad reply";
    case ErrorKind::stopped:
      return "stopped";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

std::string Error::text() const {
  return where.empty() ? message : where + ": " + message;
}

Exception::Exception(Error error) : error_(std::move(error)), text_(error_.text()) {}

void throw_error(Error error) {
  throw Exception(std::move(error));
}

namespace {
Error make(ErrorKind kind, std::string where, std::string message) {
  return Error{kind, std::move(where), std::move(message)};
}
}  // namespace

Error bad_request(std::string where, std::string message) {
  return make(ErrorKind::bad_request, std::move(where), std::move(message));
}
Error temporary(std::string where, std::string message) {
  return make(ErrorKind::temporary, std::move(where), std::move(message));
}
Error bad_reply(std::string where, std::string message) {
  return make(ErrorKind::bad_reply, std::move(where), std::move(message));
}
Error stopped(std::string where, std::string message) {
  return make(ErrorKind::stopped, std::move(where), std::move(message));
}
Error internal_error(std::string where, std::string message) {
  return make(ErrorKind::internal, std::move(where), std::move(message));
}

}  // namespace hone
