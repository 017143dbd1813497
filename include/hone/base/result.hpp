// Errors as values: what the library uses inside, and the one exception it throws at the edge.
#pragma once

#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <variant>

namespace hone {

// What the caller can do about an error.
enum class ErrorKind {
  bad_request,  // the caller's input is wrong; trying again unchanged cannot help
  temporary,    // the outside world failed for now (network, rate limit, locked file); retry later
  bad_reply,    // a model answered with something that does not fit the signature
  stopped,      // a stop was asked for, or a budget is spent; what was reached so far stays valid
  internal,     // a defect of ours, or a resource (disk, memory) that gave out
};

std::string_view to_string(ErrorKind kind);

// `where` is the place a person would look at: "train.jsonl:17", "signature, column 12", a
// parameter path. `message` says what is wrong there and, where it can, what to do; several faults
// are joined by "; ".
struct Error {
  ErrorKind kind = ErrorKind::internal;
  std::string where;
  std::string message;

  // "where: message", or just the message when there is no place.
  std::string text() const;
  bool is_retryable() const { return kind == ErrorKind::temporary; }
  friend bool operator==(const Error&, const Error&) = default;
};

// The only exception hone throws: by Result::value() and by program bodies.
class Exception : public std::exception {
 public:
  explicit Exception(Error error);
  const char* what() const noexcept override { return text_.c_str(); }
  const Error& error() const noexcept { return error_; }

 private:
  Error error_;
  std::string text_;
};

[[noreturn]] void throw_error(Error error);

// Either a T or an Error. `if (!r) return r.error();` inside the library, `r.value()` at the edge.
template <class T>
class [[nodiscard]] Result {
 public:
  using value_type = T;

  template <class U = T>
    requires(std::is_constructible_v<T, U &&> && !std::is_same_v<std::remove_cvref_t<U>, Result> &&
             !std::is_same_v<std::remove_cvref_t<U>, Error>)
  Result(U&& value)  // NOLINT(google-explicit-constructor): `return value;` must read naturally
      : state_(std::in_place_index<0>, std::forward<U>(value)) {}
  Result(Error error) : state_(std::in_place_index<1>, std::move(error)) {}  // NOLINT

  bool ok() const noexcept { return state_.index() == 0; }
  explicit operator bool() const noexcept { return ok(); }

  // Precondition: ok().
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T&& operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }

  // Precondition: !ok().
  const Error& error() const& { return *std::get_if<1>(&state_); }
  Error&& error() && { return std::move(*std::get_if<1>(&state_)); }

  // Throws hone::Exception when there is no value.
  T& value() & {
    if (!ok()) throw_error(error());
    return **this;
  }
  const T& value() const& {
    if (!ok()) throw_error(error());
    return **this;
  }
  T value() && {
    if (!ok()) throw_error(error());
    return std::move(*std::get_if<0>(&state_));
  }
  T value_or(T fallback) const& { return ok() ? **this : std::move(fallback); }  // NOLINT: moved

 private:
  std::variant<T, Error> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Error error) : error_(std::move(error)) {}  // NOLINT(google-explicit-constructor)
  bool ok() const noexcept { return !error_.has_value(); }
  explicit operator bool() const noexcept { return ok(); }
  const Error& error() const& { return *error_; }
  void value() const {
    if (error_) throw_error(*error_);
  }

 private:
  std::optional<Error> error_;
};

Error bad_request(std::string where, std::string message);
Error temporary(std::string where, std::string message);
Error bad_reply(std::string where, std::string message);
Error stopped(std::string where, std::string message);
Error internal_error(std::string where, std::string message);

}  // namespace hone
