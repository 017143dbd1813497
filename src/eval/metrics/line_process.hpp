// A child process that answers one line for every line it is given.
#pragma once

#include <sys/types.h>

#include <chrono>
#include <cstddef>
#include <memory>
#include <stop_token>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"

namespace hone {

// Closes a file descriptor when it goes.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(other.number_) { other.number_ = -1; }
  FileDescriptor& operator=(FileDescriptor&& other) noexcept;
  ~FileDescriptor() { reset(); }

  void reset();
  int get() const { return number_; }
  bool is_open() const { return number_ >= 0; }

 private:
  int number_ = -1;
};

// Runs `/bin/sh -c command` in a process group of its own. Not thread safe: its owner holds a lock.
// The child's standard error is read all the while, so that it never blocks on it, and its end is
// kept for messages.
//
// The destructor closes the child's input, gives it a second to end by itself, then ends the whole
// group.
class LineProcess {
 public:
  // `grace` is how long the child may take to end by itself, once without input and once after
  // SIGTERM.
  static Result<std::unique_ptr<LineProcess>> start(
      const std::string& command, std::chrono::milliseconds line_timeout,
      std::chrono::milliseconds grace = std::chrono::seconds(1));
  LineProcess(const LineProcess&) = delete;
  LineProcess& operator=(const LineProcess&) = delete;
  ~LineProcess();

  // Sends `line` (without a line end) and returns the next line that is not blank. bad_request when
  // the child died, said nothing in time or said more than it was asked for: it is ended then, and
  // every later call says the same. stopped leaves the child alive; the line it still owes is
  // skipped by the next call.
  Result<std::string> exchange(std::string_view line, const std::stop_token& stop);

  // The last of what it wrote to its standard error, ready to append: "; standard error: 'Traceback
  // …'".
  std::string stderr_quote() const;

 private:
  LineProcess(std::string command, std::chrono::milliseconds line_timeout,
              std::chrono::milliseconds grace)
      : command_(std::move(command)), line_timeout_(line_timeout), grace_(grace) {}

  Result<void> spawn();
  // Moves bytes both ways until something happened or `wait` is over.
  void pump(std::chrono::milliseconds wait);
  void send_pending();
  void receive();
  void receive_errors();
  bool take_line(std::string& line);
  Error fail(std::string message);
  Error died();
  std::string end();  // and tells how it ended

  std::string command_;
  std::chrono::milliseconds line_timeout_;
  std::chrono::milliseconds grace_;
  FileDescriptor input_;  // of the child; likewise the others
  FileDescriptor output_;
  FileDescriptor errors_;
  pid_t pid_ = -1;
  std::string outgoing_;
  std::string incoming_;
  std::string error_tail_;
  std::size_t owed_lines_ = 0;  // answers to requests whose caller stopped waiting
  std::string failure_;         // why it is no longer asked; empty while it is
};

}  // namespace hone
