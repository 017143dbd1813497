// Ctrl-C: the first one asks for a stop, the second one ends the process.
#pragma once

#include <csignal>
#include <functional>
#include <stop_token>
#include <thread>

namespace hone::cli {

// Blocks SIGINT and SIGTERM in the calling thread and takes them in a thread of its own, so that no
// code runs in a signal handler. Make it before any other thread starts: they inherit the mask. Its
// destructor waits for its thread and unblocks the signals again.
class StopOnSignal {
 public:
  // `on_first` is called from the signal thread, once.
  explicit StopOnSignal(std::function<void()> on_first = {});
  ~StopOnSignal();
  StopOnSignal(const StopOnSignal&) = delete;
  StopOnSignal& operator=(const StopOnSignal&) = delete;

  std::stop_token token() const { return source_.get_token(); }
  bool requested() const { return source_.stop_requested(); }

 private:
  void watch();

  std::function<void()> on_first_;
  std::stop_source source_;
  sigset_t old_mask_{};
  int signals_ = -1;
  int wake_ = -1;
  std::jthread thread_;
};

}  // namespace hone::cli
