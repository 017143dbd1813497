// The thread that local models compute on.
#pragma once

#include <functional>
#include <memory>
#include <stop_token>

#include "hone/base/result.hpp"

namespace hone::local {

// llama.cpp's threads are OpenMP's, and OpenMP keeps a team for every thread that ever computed.
// With more teams than processors its threads no longer wait for each other awake, but sleep and
// are woken at every step of a layer, which costs a sixth of the time. That counts all teams of the
// process, so that all its models compute on one thread, whoever asks, one batch after another.
class EngineThread {
 public:
  // The process's; ends with the last that holds it. internal where no thread can be had.
  static Result<std::shared_ptr<EngineThread>> shared();
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Runs the job and returns when it is done; what it throws comes through. False, and nothing was
  // run, when the stop came before its turn. Thread safe. A job may run another, which is done at
  // once.
  bool run(std::function<void()> job, const std::stop_token& stop = {});

 private:
  struct State;
  EngineThread();
  std::unique_ptr<State> state_;
};

}  // namespace hone::local
