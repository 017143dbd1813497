// What a search writes down, and where.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/eval/events.hpp"
#include "hone/optimize/budget.hpp"
#include "hone/optimize/trial.hpp"
#include "hone/store/study_log.hpp"

namespace hone {

// Whether the log has begun the study of this identity; false for one that has begun none. Of
// another study or damaged: a bad_request that says what differs. Writes nothing.
Result<bool> holds_study(const StudyLog& log, const Value& identity);

// Entries are named by what they say, so that a run which repeats what was done before adds
// nothing, and one that gets further (a larger budget) adds its own beside what is there. Times are
// written but are no part of the name. Trouble with the log never ends a search: it is told once,
// and entries wait until the log can be written again.
class SearchLog {
 public:
  using Notify = std::function<void(std::string)>;

  // `log` may be null: then nothing is written. References must outlive it.
  SearchLog(StudyLog* log, const Meter& meter, Notify notify)
      : log_(log), meter_(&meter), notify_(std::move(notify)) {}

  // Begins or goes on with a study. `identity` is what makes two searches the same study: a log of
  // another one would answer with trials that were never run, and is a bad_request that names the
  // differences. `about` and `examples` (the validation ones, in their order) are for people, `run`
  // what this process adds.
  Result<void> open(const Value& identity, const Value& about, const Value& examples,
                    const Value& run);

  // `is_best`: of all so far.
  void trial(const Trial& trial, bool is_best, const std::string& prompt);
  // A measurement on some examples only.
  void minibatch(const Trial& trial);
  // What a run-off added to a trial.
  void run_off(const Trial& trial);
  void proposal(const Hash& key, const Value& asked, const Value& proposed);
  void phase(const std::string& name) { event("phase", name); }
  void notice(const std::string& message) { event("notice", message); }
  void result(const Trial& best, const std::string& stop_reason);
  // Replies are kept by the models' caches; `failures` is how many of them could not be.
  void replies_lost(std::size_t failures);

 private:
  void event(const std::string& kind, const std::string& text);
  void write(std::string_view kind, const std::string& name, const Value& body);
  // `more`: what is no part of the name either.
  void write_timed(std::string_view kind, std::size_t number, const Value& body,
                   const Value& more = Value::object());
  Value spent() const;

  struct Entry {
    std::string kind;
    std::string key;
    Value body;
  };

  StudyLog* log_;
  const Meter* meter_;
  Notify notify_;
  std::string run_;             // names this process among those that worked on the study
  std::vector<Entry> waiting_;  // could not be written yet
  std::size_t events_ = 0;
  std::size_t minibatches_ = 0;
  bool is_trouble_told_ = false;
  bool is_loss_told_ = false;
};

}  // namespace hone
