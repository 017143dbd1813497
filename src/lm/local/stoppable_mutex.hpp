// A mutex whose wait a stop can end: who asks the engine may queue behind minutes of computing.
#pragma once

#include <condition_variable>
#include <mutex>
#include <stop_token>

namespace hone::local {

class StoppableMutex {
 public:
  void lock() { (void)lock(std::stop_token()); }
  // False, and not held, when the stop came before its turn.
  bool lock(const std::stop_token& stop) {
    std::unique_lock inner(mutex_);
    if (!freed_.wait(inner, stop, [this] { return !is_held_; })) return false;
    is_held_ = true;
    return true;
  }
  void unlock() {
    {
      const std::scoped_lock inner(mutex_);
      is_held_ = false;
    }
    freed_.notify_one();
  }

 private:
  std::mutex mutex_;
  std::condition_variable_any freed_;
  bool is_held_ = false;
};

}  // namespace hone::local
