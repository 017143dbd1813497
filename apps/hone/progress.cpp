#include "hone/progress.hpp"

#include <algorithm>
#include <chrono>
#include <utility>
#include <variant>

namespace hone::cli {
namespace {

constexpr std::chrono::milliseconds kRedraw{100};
constexpr std::chrono::seconds kPlainPause{5};
constexpr std::size_t kBarColumns = 20;
constexpr std::size_t kNarrowest = 50;  // below that there is no room for a bar

// Those a cache answered cost nothing, and there are many of them.
std::int64_t model_calls(const Usage& usage) {
  return usage.lm_calls - usage.cached_calls;
}

std::string bar(const RolloutsProgress& progress) {
  const std::size_t total = std::max<std::size_t>(progress.total, 1);
  const std::size_t filled = std::min(progress.done, total) * kBarColumns / total;
  std::string text;
  for (std::size_t i = 0; i < kBarColumns; ++i) text += i < filled ? "━" : "·";
  return text;
}

}  // namespace

Progress::Progress(const Console& console, const Clock& clock, bool quiet)
    : console_(&console), clock_(&clock), quiet_(quiet), start_(clock.now()) {}

Progress::~Progress() {
  clear();
}

void Progress::on_event(const Event& event) {
  const std::lock_guard lock(mutex_);
  if (const auto* phase = std::get_if<PhaseStarted>(&event)) {
    phase_ = phase->name;
    rollouts_.done = rollouts_.total = 0;
    if (console_->is_terminal) return draw(true);
    if (!quiet_) line(phase_);
    return;
  }
  if (const auto* rollouts = std::get_if<RolloutsProgress>(&event)) {
    // Each batch counts its own calls from nothing.
    if (rollouts->usage.lm_calls < rollouts_.usage.lm_calls) {
      finished_calls_ += model_calls(rollouts_.usage);
    }
    rollouts_ = *rollouts;
    return draw(false);
  }
  if (const auto* trial = std::get_if<TrialFinished>(&event)) {
    ++trials_;
    best_ = trial->best_mean;
    if (console_->is_terminal) return draw(true);
    if (quiet_) return;
    std::string text = "trial " + std::to_string(trial->number) + ", " + trial->origin + ": " +
                       percent(trial->mean) + " on " + std::to_string(trial->examples) +
                       " examples";
    if (!trial->complete) text += ", stopped early";
    text += trial->is_best ? " (best)" : " (best " + percent(trial->best_mean) + ")";
    return line(text);
  }
  if (const auto* notice = std::get_if<Notice>(&event)) line(notice->message);
}

void Progress::clear() {
  const std::lock_guard lock(mutex_);
  clear_locked();
}

void Progress::clear_locked() {
  if (drawn_) console_->write("\r\x1b[2K");
  drawn_ = false;
}

void Progress::line(const std::string& text) {
  clear_locked();
  console_->write(text + "\n");
  last_draw_ = clock_->now();
}

void Progress::draw(bool force) {
  if (quiet_) return;
  const Clock::TimePoint now = clock_->now();
  const Clock::Duration pause =
      console_->is_terminal ? Clock::Duration(kRedraw) : Clock::Duration(kPlainPause);
  if (!force && last_draw_ && now - *last_draw_ < pause) return;
  if (!console_->is_terminal) return line(status());
  const std::size_t width = console_->width();
  std::string text = status();
  if (width >= kNarrowest && rollouts_.total > 0) text = bar(rollouts_) + " " + text;
  // One column stays free: a full line would wrap.
  text = first_columns(text, width > 1 ? width - 1 : 1);
  console_->write("\r\x1b[2K" + (console_->color ? "\x1b[36m" + text + "\x1b[0m" : text));
  drawn_ = true;
  last_draw_ = now;
}

std::string Progress::status() const {
  std::string text = phase_;
  if (rollouts_.total > 0) {
    text += " " + std::to_string(rollouts_.done) + "/" + std::to_string(rollouts_.total);
  }
  if (best_) text += ", best " + percent(*best_);
  if (trials_ > 0) text += ", trials " + std::to_string(trials_);
  text += ", " + grouped(finished_calls_ + model_calls(rollouts_.usage)) + " calls, " +
          duration_text(seconds());
  return text;
}

double Progress::seconds() const {
  return std::chrono::duration<double>(clock_->now() - start_).count();
}

}  // namespace hone::cli
