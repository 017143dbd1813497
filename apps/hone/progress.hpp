// Draws the library's events while a command works.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "hone/base/clock.hpp"
#include "hone/console.hpp"
#include "hone/eval/events.hpp"

namespace hone::cli {

// On a terminal: one line, redrawn in place at most ten times a second, fitted to its width.
// Elsewhere: a line a phase, a trial and a notice, and between them one every five seconds at most.
// Thread safe.
class Progress {
 public:
  // References must outlive it. Quiet: draws nothing but notices.
  Progress(const Console& console, const Clock& clock, bool quiet);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  Observer observer() {
    return [this](const Event& event) { on_event(event); };
  }
  void on_event(const Event& event);
  void phase(std::string name) { on_event(PhaseStarted{std::move(name)}); }
  // A line of its own, kept on the screen.
  void notice(const std::string& message) { on_event(Notice{message}); }
  // Takes the drawn line off the screen, before something else is printed.
  void clear();

 private:
  void draw(bool force);
  void line(const std::string& text);
  void clear_locked();
  std::string status() const;
  double seconds() const;

  const Console* console_;
  const Clock* clock_;
  bool quiet_;
  Clock::TimePoint start_;
  std::mutex mutex_;
  std::optional<Clock::TimePoint> last_draw_;
  bool drawn_ = false;
  std::string phase_;
  RolloutsProgress rollouts_;
  std::int64_t finished_calls_ = 0;  // of the batches before this one
  std::size_t trials_ = 0;
  std::optional<double> best_;
};

}  // namespace hone::cli
