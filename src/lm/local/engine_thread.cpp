#include "lm/local/engine_thread.hpp"

#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <system_error>
#include <thread>
#include <utility>

#include "lm/local/stoppable_mutex.hpp"

namespace hone::local {

struct EngineThread::State {
  StoppableMutex callers;  // one at a time
  std::mutex mutex;
  std::condition_variable_any has_job;
  std::optional<std::packaged_task<void()>> job;
  std::jthread thread;  // last: it ends before the rest does

  void work(const std::stop_token& stop) {
    while (true) {
      std::unique_lock lock(mutex);
      if (!has_job.wait(lock, stop, [this] { return job.has_value(); })) return;
      std::packaged_task<void()> next = *std::exchange(job, std::nullopt);
      lock.unlock();
      next();
    }
  }
};

EngineThread::EngineThread() : state_(std::make_unique<State>()) {
  state_->thread =
      std::jthread([state = state_.get()](const std::stop_token& stop) { state->work(stop); });
}

EngineThread::~EngineThread() = default;

Result<std::shared_ptr<EngineThread>> EngineThread::shared() {
  // As OpenMP's teams are the process's own, so is this.
  static std::mutex mutex;
  static std::weak_ptr<EngineThread> current;
  const std::lock_guard lock(mutex);
  std::shared_ptr<EngineThread> thread = current.lock();
  if (thread) return thread;
  try {
    thread.reset(new EngineThread());
  } catch (const std::system_error& error) {
    return internal_error("engine", std::string("no thread to compute on: ") + error.what());
  }
  current = thread;
  return thread;
}

bool EngineThread::run(std::function<void()> job, const std::stop_token& stop) {
  if (std::this_thread::get_id() == state_->thread.get_id()) {
    job();
    return true;
  }
  if (!state_->callers.lock(stop)) return false;
  const std::unique_lock one_at_a_time(state_->callers, std::adopt_lock);
  std::packaged_task<void()> task(std::move(job));
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(state_->mutex);
    state_->job = std::move(task);
  }
  state_->has_job.notify_one();
  done.get();
  return true;
}

}  // namespace hone::local
