#include "lm/local/engine_thread.hpp"

#include <condition_variable>
#include <future>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>

namespace hone::local {

struct EngineThread::State {
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

void EngineThread::run(std::function<void()> job) {
  std::packaged_task<void()> task(std::move(job));
  std::future<void> done = task.get_future();
  {
    const std::lock_guard lock(state_->mutex);
    state_->job = std::move(task);
  }
  state_->has_job.notify_one();
  done.get();
}

}  // namespace hone::local
