// The built command as a child process, with its output in pipes.
#pragma once

#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <cstdlib>
#include <map>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

namespace hone::tests {

struct Finished {
  int code = -1;  // 128 + signal when a signal ended it
  std::string out;
  std::string err;
};

class ChildProcess {
 public:
  using Environment = std::map<std::string, std::string>;

  // `input` must fit a pipe (64 KiB).
  ChildProcess(const std::vector<std::string>& words, const Environment& environment = {},
               const std::string& input = {}) {
    std::array<int, 2> in{};
    std::array<int, 2> out{};
    std::array<int, 2> err{};
    if (::pipe(in.data()) != 0 || ::pipe(out.data()) != 0 || ::pipe(err.data()) != 0) std::abort();
    std::vector<char*> argv;
    for (const std::string& word : words) argv.push_back(const_cast<char*>(word.c_str()));
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::dup2(in[0], 0);
      ::dup2(out[1], 1);
      ::dup2(err[1], 2);
      for (const auto& pipe : {in, out, err}) {
        ::close(pipe[0]);
        ::close(pipe[1]);
      }
      for (const auto& [name, value] : environment) ::setenv(name.c_str(), value.c_str(), 1);
      ::execvp(argv[0], argv.data());
      ::_exit(127);
    }
    ::close(in[0]);
    ::close(out[1]);
    ::close(err[1]);
    [[maybe_unused]] const ssize_t written = ::write(in[1], input.data(), input.size());
    ::close(in[1]);
    pipes_ = {out[0], err[0]};
  }
  ~ChildProcess() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    for (const int pipe : pipes_) {
      if (pipe >= 0) ::close(pipe);
    }
  }
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  // From any thread; nothing once the process has ended.
  void signal(int number) const {
    const std::lock_guard lock(mutex_);
    if (pid_ > 0) ::kill(pid_, number);
  }

  // False when the output ended, or ten seconds passed without any, before `text` was in standard
  // error.
  bool wait_for_error_text(const std::string& text) {
    while (finished_.err.find(text) == std::string::npos) {
      if (!read_some(10'000)) return false;
    }
    return true;
  }

  Finished wait() {
    while (read_some(300'000)) {
    }
    // The number stays the process's own until it is taken off the table, under the lock.
    siginfo_t ended{};
    ::waitid(P_PID, static_cast<id_t>(pid_), &ended, WEXITED | WNOWAIT);
    int status = 0;
    {
      const std::lock_guard lock(mutex_);
      ::waitpid(std::exchange(pid_, -1), &status, 0);
    }
    finished_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    return finished_;
  }

 private:
  bool read_some(int milliseconds) {
    std::array<pollfd, 2> watched = {pollfd{pipes_[0], POLLIN, 0}, pollfd{pipes_[1], POLLIN, 0}};
    if (pipes_[0] < 0 && pipes_[1] < 0) return false;
    if (::poll(watched.data(), watched.size(), milliseconds) <= 0) return false;
    for (std::size_t i = 0; i < watched.size(); ++i) {
      if (watched[i].revents == 0) continue;
      std::array<char, 8192> piece{};
      const ssize_t got = ::read(pipes_[i], piece.data(), piece.size());
      if (got > 0) {
        (i == 0 ? finished_.out : finished_.err)
            .append(piece.data(), static_cast<std::size_t>(got));
      } else {
        ::close(std::exchange(pipes_[i], -1));
      }
    }
    return true;
  }

  mutable std::mutex mutex_;
  pid_t pid_ = -1;
  std::array<int, 2> pipes_ = {-1, -1};
  Finished finished_;
};

inline Finished run_hone(std::vector<std::string> words,
                         const ChildProcess::Environment& environment = {},
                         const std::string& input = {}) {
  words.insert(words.begin(), HONE_COMMAND);
  return ChildProcess(words, environment, input).wait();
}

}  // namespace hone::tests
