// The thread that a model computes on.
#pragma once

#include <functional>
#include <memory>

namespace hone::local {

// llama.cpp's threads are OpenMP's, and OpenMP keeps a team for every thread that ever computed.
// With more teams than processors its threads no longer wait for each other awake, but sleep and
// are woken at every step of a layer, which costs a tenth of the time and more. So whoever asks a
// model, one thread computes.
class EngineThread {
 public:
  EngineThread();
  ~EngineThread();
  EngineThread(const EngineThread&) = delete;
  EngineThread& operator=(const EngineThread&) = delete;

  // Runs the job and returns when it is done; what it throws comes through. One call at a time.
  void run(std::function<void()> job);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace hone::local
