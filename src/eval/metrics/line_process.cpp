#include "eval/metrics/line_process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <ctime>
#include <system_error>
#include <utility>

#include "hone/base/text.hpp"

extern char** environ;  // NOLINT: POSIX names it so

namespace hone {
namespace {

using std::chrono::milliseconds;
using SteadyClock = std::chrono::steady_clock;

constexpr std::size_t kErrorTail = 4096;
constexpr std::size_t kQuotedErrors = 600;
constexpr std::size_t kLongestLine = 16U << 20U;
constexpr milliseconds kStopCheck{100};

std::string errno_text(int number) {
  return std::system_category().message(number);
}

struct Pipe {
  FileDescriptor read;
  FileDescriptor write;
};

// Numbers above standard error: a duplicate onto 0, 1 or 2 in the child then never hits a pipe
// still needed.
Result<FileDescriptor> above_standard(int number) {
  FileDescriptor original(number);
  if (number > STDERR_FILENO) return original;
  const int moved = fcntl(number, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
  if (moved < 0)
    return internal_error("metric command", "no file descriptor: " + errno_text(errno));
  return FileDescriptor(moved);
}

Result<Pipe> make_pipe() {
  std::array<int, 2> ends{};
  if (pipe2(ends.data(), O_CLOEXEC) != 0) {
    return internal_error("metric command", "no pipe to it: " + errno_text(errno));
  }
  Result<FileDescriptor> read = above_standard(ends[0]);
  Result<FileDescriptor> write = above_standard(ends[1]);
  if (!read) return read.error();
  if (!write) return write.error();
  return Pipe{*std::move(read), *std::move(write)};
}

void make_nonblocking(const FileDescriptor& file) {
  fcntl(file.get(), F_SETFL, fcntl(file.get(), F_GETFL) | O_NONBLOCK);
}

// While it lives, a write to a pipe nobody reads gives EPIPE to this thread and kills nobody. The
// signal's process-wide setting is the application's and stays as it is.
class SigpipeGuard {
 public:
  SigpipeGuard() {
    sigemptyset(&sigpipe_);
    sigaddset(&sigpipe_, SIGPIPE);
    sigset_t pending;
    sigpending(&pending);
    was_pending_ = sigismember(&pending, SIGPIPE) == 1;
    pthread_sigmask(SIG_BLOCK, &sigpipe_, &before_);
  }
  SigpipeGuard(const SigpipeGuard&) = delete;
  SigpipeGuard& operator=(const SigpipeGuard&) = delete;
  ~SigpipeGuard() {
    const int saved = errno;
    if (!was_pending_) {
      const timespec now{};
      while (sigtimedwait(&sigpipe_, nullptr, &now) < 0 && errno == EINTR) {
      }
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
    errno = saved;
  }

 private:
  sigset_t sigpipe_{};
  sigset_t before_{};
  bool was_pending_ = false;
};

// posix_spawn's two argument objects with their lifetimes.
class SpawnPlan {
 public:
  SpawnPlan() {
    posix_spawn_file_actions_init(&actions_);
    posix_spawnattr_init(&attributes_);
  }
  SpawnPlan(const SpawnPlan&) = delete;
  SpawnPlan& operator=(const SpawnPlan&) = delete;
  ~SpawnPlan() {
    posix_spawn_file_actions_destroy(&actions_);
    posix_spawnattr_destroy(&attributes_);
  }

  void connect(const FileDescriptor& from, int to) {
    posix_spawn_file_actions_adddup2(&actions_, from.get(), to);
  }
  int run(const std::string& command, pid_t& pid) {
    sigset_t none;
    sigemptyset(&none);
    sigset_t defaults;
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(&attributes_, &none);
    posix_spawnattr_setsigdefault(&attributes_, &defaults);
    posix_spawnattr_setpgroup(&attributes_, 0);
    posix_spawnattr_setflags(
        &attributes_,
        static_cast<short>(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP));
    std::string shell = "sh";
    std::string flag = "-c";
    std::string text = command;
    std::array<char*, 4> arguments{shell.data(), flag.data(), text.data(), nullptr};
    return posix_spawn(&pid, "/bin/sh", &actions_, &attributes_, arguments.data(), environ);
  }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::string status_text(int status) {
  if (WIFSIGNALED(status)) return "was killed by signal " + std::to_string(WTERMSIG(status));
  return "ended with status " + std::to_string(WEXITSTATUS(status));
}

// Whether the child ended within `wait`; fills its status.
bool wait_for(pid_t pid, milliseconds wait, int& status) {
  const SteadyClock::time_point until = SteadyClock::now() + wait;
  while (true) {
    const pid_t ended = waitpid(pid, &status, WNOHANG);
    if (ended == pid) return true;
    if (ended < 0 && errno != EINTR) return true;
    if (SteadyClock::now() >= until) return false;
    poll(nullptr, 0, 2);
  }
}

// What there is to read now; closes `file` at its end.
std::string read_available(FileDescriptor& file) {
  std::string bytes;
  std::array<char, 16384> buffer{};
  while (file.is_open()) {
    const ssize_t count = read(file.get(), buffer.data(), buffer.size());
    if (count > 0) {
      bytes.append(buffer.data(), static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      break;
    } else {
      file.reset();
    }
  }
  return bytes;
}

}  // namespace

FileDescriptor& FileDescriptor::operator=(FileDescriptor&& other) noexcept {
  if (this != &other) {
    reset();
    number_ = std::exchange(other.number_, -1);
  }
  return *this;
}

void FileDescriptor::reset() {
  if (number_ >= 0) close(number_);
  number_ = -1;
}

Result<std::unique_ptr<LineProcess>> LineProcess::start(const std::string& command,
                                                        milliseconds line_timeout,
                                                        milliseconds grace) {
  std::unique_ptr<LineProcess> process(new LineProcess(command, line_timeout, grace));
  const Result<void> spawned = process->spawn();
  if (!spawned) return spawned.error();
  return process;
}

Result<void> LineProcess::spawn() {
  Result<Pipe> input = make_pipe();
  if (!input) return input.error();
  Result<Pipe> output = make_pipe();
  if (!output) return output.error();
  Result<Pipe> errors = make_pipe();
  if (!errors) return errors.error();
  SpawnPlan plan;
  plan.connect(input->read, STDIN_FILENO);
  plan.connect(output->write, STDOUT_FILENO);
  plan.connect(errors->write, STDERR_FILENO);
  const int failed = plan.run(command_, pid_);
  if (failed != 0) {
    pid_ = -1;
    return internal_error("metric command",
                          "cannot start '" + command_ + "': " + errno_text(failed));
  }
  input_ = std::move(input->write);
  output_ = std::move(output->read);
  errors_ = std::move(errors->read);
  make_nonblocking(input_);
  make_nonblocking(output_);
  make_nonblocking(errors_);
  return {};
}

LineProcess::~LineProcess() {
  end();
}

std::string LineProcess::end() {
  input_.reset();
  if (pid_ < 0) return {};
  int status = 0;
  // Its output stays open meanwhile: a child that still has something to write is not killed by
  // that.
  bool ended = wait_for(pid_, grace_, status);
  std::string how = ended ? status_text(status) : "closed its output";
  if (!ended) {
    kill(-pid_, SIGTERM);
    ended = wait_for(pid_, grace_, status);
  }
  // Also when the shell itself is gone: what it started in the background shares its group.
  kill(-pid_, SIGKILL);
  if (!ended) waitpid(pid_, &status, 0);
  receive_errors();
  output_.reset();
  errors_.reset();
  pid_ = -1;
  return how;
}

Result<std::string> LineProcess::exchange(std::string_view line, const std::stop_token& stop) {
  if (!failure_.empty()) return bad_request("metric command", failure_);
  std::string answer;
  if (owed_lines_ == 0) {
    receive();
    if (take_line(answer)) {
      return fail("'" + command_ + "' printed more than one line for an example: '" +
                  shorten(answer, 200) + "'");
    }
  }
  outgoing_.append(line).push_back('\n');
  SteadyClock::time_point until = SteadyClock::now() + line_timeout_;
  while (true) {
    while (take_line(answer)) {
      if (owed_lines_ == 0) return answer;
      --owed_lines_;
      until = SteadyClock::now() + line_timeout_;
    }
    if (!output_.is_open()) return died();
    if (incoming_.size() > kLongestLine)
      return fail("'" + command_ + "' prints a line without end");
    if (stop.stop_requested()) {
      ++owed_lines_;
      return stopped("metric command", "stopped while '" + command_ + "' was asked");
    }
    const auto left = std::chrono::ceil<milliseconds>(until - SteadyClock::now());
    if (left <= milliseconds::zero()) {
      grace_ = milliseconds::zero();  // it had its time
      return fail("'" + command_ + "' printed no line for an example within " +
                  number_text(static_cast<double>(line_timeout_.count()) / 1000.0) + " s");
    }
    pump(std::min(left, kStopCheck));
  }
}

void LineProcess::pump(milliseconds wait) {
  std::array<pollfd, 3> files{};
  files[0] = {.fd = output_.get(), .events = POLLIN, .revents = 0};
  files[1] = {.fd = errors_.get(), .events = POLLIN, .revents = 0};
  // A negative descriptor is skipped.
  files[2] = {.fd = outgoing_.empty() ? -1 : input_.get(), .events = POLLOUT, .revents = 0};
  if (poll(files.data(), files.size(), static_cast<int>(wait.count())) <= 0) return;
  receive();
  receive_errors();
  send_pending();
}

void LineProcess::send_pending() {
  const SigpipeGuard guard;
  while (!outgoing_.empty() && input_.is_open()) {
    const ssize_t count = write(input_.get(), outgoing_.data(), outgoing_.size());
    if (count > 0) {
      outgoing_.erase(0, static_cast<std::size_t>(count));
    } else if (count < 0 && errno == EINTR) {
      continue;
    } else if (count < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) {
      return;
    } else {
      // It may have closed its input and still answer; what it owes shows at the end of its output.
      input_.reset();
      outgoing_.clear();
    }
  }
}

void LineProcess::receive() {
  incoming_ += read_available(output_);
}

void LineProcess::receive_errors() {
  error_tail_ += read_available(errors_);
  if (error_tail_.size() > kErrorTail) error_tail_.erase(0, error_tail_.size() - kErrorTail);
}

bool LineProcess::take_line(std::string& line) {
  while (true) {
    const std::size_t end = incoming_.find('\n');
    if (end == std::string::npos) return false;
    line = trim(std::string_view(incoming_).substr(0, end));
    incoming_.erase(0, end + 1);
    if (!line.empty()) return true;
  }
}

Error LineProcess::fail(std::string message) {
  end();
  failure_ = std::move(message) + stderr_quote();
  return bad_request("metric command", failure_);
}

Error LineProcess::died() {
  const std::string how = end();
  std::string message = "'" + command_ + "' " + how + " before it answered";
  if (const std::string_view rest = trim(incoming_); !rest.empty()) {
    message += "; its last words: '" + shorten(to_utf8(rest), 200) + "'";
  }
  return fail(std::move(message));
}

std::string LineProcess::stderr_quote() const {
  std::string_view tail = trim(error_tail_);
  if (tail.empty()) return {};
  const bool is_cut = tail.size() > kQuotedErrors;
  if (is_cut) {
    tail.remove_prefix(tail.size() - kQuotedErrors);
    while (!tail.empty() && (static_cast<unsigned char>(tail.front()) & 0xC0U) == 0x80U) {
      tail.remove_prefix(1);
    }
  }
  return std::string("; standard error: '") + (is_cut ? "…" : "") + to_utf8(tail) + "'";
}

}  // namespace hone
