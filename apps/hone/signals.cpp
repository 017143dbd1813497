#include "hone/signals.hpp"

#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <array>
#include <cstdint>
#include <utility>

#include "hone/exit_code.hpp"

namespace hone::cli {

StopOnSignal::StopOnSignal(std::function<void()> on_first) : on_first_(std::move(on_first)) {
  sigset_t mask;
  sigemptyset(&mask);
  sigaddset(&mask, SIGINT);
  sigaddset(&mask, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &mask, &old_mask_);
  signals_ = ::signalfd(-1, &mask, SFD_CLOEXEC);
  wake_ = ::eventfd(0, EFD_CLOEXEC);
  thread_ = std::jthread([this] { watch(); });
}

StopOnSignal::~StopOnSignal() {
  ::eventfd_write(wake_, 1);
  thread_.join();
  ::close(signals_);
  ::close(wake_);
  pthread_sigmask(SIG_SETMASK, &old_mask_, nullptr);
}

void StopOnSignal::watch() {
  while (true) {
    std::array<pollfd, 2> watched = {pollfd{signals_, POLLIN, 0}, pollfd{wake_, POLLIN, 0}};
    if (::poll(watched.data(), watched.size(), -1) < 0) continue;
    if ((watched[1].revents & POLLIN) != 0) return;
    signalfd_siginfo info{};
    if (::read(signals_, &info, sizeof info) != static_cast<ssize_t>(sizeof info)) continue;
    if (source_.stop_requested()) ::_exit(kStopped);
    source_.request_stop();
    if (on_first_) on_first_();
  }
}

}  // namespace hone::cli
