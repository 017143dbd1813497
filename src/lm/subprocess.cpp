#include "subprocess.hpp"

#include <fcntl.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

extern char** environ;

namespace hone {
namespace {

constexpr std::size_t kMaxMessages = std::size_t{64} << 10;

// A process group of its own, so that a stop reaches whatever the program started, and default
// signals, which this process may have blocked or ignored.
class SpawnSettings {
 public:
  explicit SpawnSettings(int error_pipe) {
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setflags(
        &attributes,
        static_cast<short>(POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF));
    posix_spawnattr_setpgroup(&attributes, 0);
    sigset_t signals;
    sigemptyset(&signals);
    posix_spawnattr_setsigmask(&attributes, &signals);
    sigaddset(&signals, SIGPIPE);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    posix_spawnattr_setsigdefault(&attributes, &signals);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&files, error_pipe, STDERR_FILENO);
  }
  ~SpawnSettings() {
    posix_spawn_file_actions_destroy(&files);
    posix_spawnattr_destroy(&attributes);
  }
  SpawnSettings(const SpawnSettings&) = delete;
  SpawnSettings& operator=(const SpawnSettings&) = delete;

  posix_spawnattr_t attributes{};
  posix_spawn_file_actions_t files{};
};

std::string read_to_end(int pipe) {
  std::string messages;
  std::array<char, 4096> piece{};
  while (true) {
    const ssize_t got = ::read(pipe, piece.data(), piece.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return messages;
    messages.append(piece.data(), static_cast<std::size_t>(got));
    if (messages.size() > 2 * kMaxMessages) messages.erase(0, messages.size() - kMaxMessages);
  }
}

int wait_for(pid_t process) {
  int status = 0;
  while (::waitpid(process, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

}  // namespace

Result<ProcessResult> run_process(const std::vector<std::string>& command,
                                  const std::stop_token& stop) {
  if (stop.stop_requested()) return stopped(command.front(), "stopped");
  std::array<int, 2> pipe{};
  if (::pipe2(pipe.data(), O_CLOEXEC) != 0)
    return internal_error(command.front(), std::strerror(errno));
  std::vector<char*> arguments;
  for (const std::string& argument : command)
    arguments.push_back(const_cast<char*>(argument.c_str()));
  arguments.push_back(nullptr);
  pid_t process = 0;
  const SpawnSettings settings(pipe[1]);
  const int fault = ::posix_spawnp(&process, arguments[0], &settings.files, &settings.attributes,
                                   arguments.data(), environ);
  ::close(pipe[1]);
  if (fault != 0) {
    ::close(pipe[0]);
    return bad_request(command.front(), std::string("cannot be started: ") + std::strerror(fault));
  }
  ProcessResult result;
  {
    const std::stop_callback end(stop, [process] { ::kill(-process, SIGTERM); });
    result.messages = read_to_end(pipe[0]);
  }
  ::close(pipe[0]);
  result.exit_code = wait_for(process);
  if (stop.stop_requested()) return stopped(command.front(), "stopped");
  if (result.messages.size() > kMaxMessages)
    result.messages.erase(0, result.messages.size() - kMaxMessages);
  return result;
}

}  // namespace hone
