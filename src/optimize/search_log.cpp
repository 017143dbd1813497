#include "optimize/search_log.hpp"

#include <unistd.h>

#include <chrono>
#include <utility>

namespace hone {
namespace {

Value scores_of(const Trial& trial) {
  Value::List scores;
  for (const std::optional<double>& score : trial.scores)
    scores.push_back(score ? Value(*score) : Value());
  return Value(std::move(scores));
}

// Milliseconds since 1970. For people: nothing is decided by it.
std::int64_t wall_time() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::system_clock::now().time_since_epoch())
      .count();
}

std::string place_of(const StudyLog& log) {
  return log.file() ? log.file()->string() : "study log";
}

}  // namespace

Result<bool> holds_study(const StudyLog& log, const Value& identity) {
  const Result<std::vector<StudyRecord>> known = log.records("study");
  if (!known) return known.error();
  Value before;
  for (const StudyRecord& record : *known) {
    if (record.key != "identity") continue;
    before = record.body;
    if (!before.is_object())
      return bad_request(place_of(log),
                         "is damaged: it does not say what it is about; name another file");
  }
  if (before.is_null()) return false;
  std::string differences;
  for (const auto& [name, value] : identity.as_object()) {
    if (before.get(name) == value) continue;
    differences += (differences.empty() ? "" : ", ") + name;
  }
  if (differences.empty()) return true;
  return bad_request(place_of(log),
                     "belongs to another study (it differs in: " + differences +
                         "); name another file, or go on with what it was made with");
}

Result<void> SearchLog::open(const Value& identity, const Value& about, const Value& examples,
                             const Value& run) {
  if (!log_) return {};
  const Result<bool> is_known = holds_study(*log_, identity);
  if (!is_known) return is_known.error();
  if (log_->is_read_only()) {
    is_trouble_told_ = is_loss_told_ = true;
    notify_(place_of(*log_) + " may be read but not written: nothing of this run is kept");
    return {};
  }
  if (!*is_known) {
    // Two processes may begin the same study at the same moment; the first one's identity stays.
    const Result<bool> is_new = log_->append("study", "identity", identity);
    if (is_new && !*is_new) return open(identity, about, examples, run);
    if (!is_new) write("study", "identity", identity);
  }
  write("study", "about", about);
  write("study", "examples", examples);
  run_ = std::to_string(wall_time()) + "-" + std::to_string(::getpid());
  write("run", run_, run.with("started", wall_time()));
  return {};
}

void SearchLog::trial(const Trial& trial, bool is_best, const std::string& prompt) {
  if (!log_) return;
  Value body = Value::object({{"number", trial.number},
                              {"origin", trial.origin},
                              {"mean", trial.mean},
                              {"examples", trial.examples},
                              {"failures", trial.failures},
                              {"parse_failures", trial.parse_failures},
                              {"complete", trial.complete},
                              {"is_best", is_best},
                              {"candidate", trial.candidate.to_json()},
                              {"scores", scores_of(trial)},
                              {"prompt", prompt},
                              {"spent", spent()}});
  if (trial.likelihood) {
    body = body.with("label_likelihood",
                     Value::numbers({trial.likelihood->begin(), trial.likelihood->end()}));
  }
  if (trial.program) body = body.with("program", trial.program->describe());
  const Measures& measures = trial.measures;
  Value::Object quantities;
  for (const Quantity quantity : kQuantities)
    quantities.emplace_back(std::string(to_string(quantity)), measures.get(quantity));
  write_timed("trial", trial.number, body,
              Value::object({{"measures", Value::object(std::move(quantities))}}));
}

void SearchLog::minibatch(const Trial& trial) {
  if (!log_) return;
  write_timed("minibatch", minibatches_++,
              Value::object({{"origin", trial.origin},
                             {"mean", trial.mean},
                             {"examples", trial.examples},
                             {"failures", trial.failures},
                             {"candidate", trial.candidate.to_json()},
                             {"spent", spent()}}));
}

void SearchLog::run_off(const Trial& trial) {
  if (!log_) return;
  Value::List scores;
  for (const std::optional<double>& score : trial.further_scores)
    scores.push_back(score ? Value(*score) : Value());
  write_timed(
      "run_off", trial.number,
      Value::object(
          {{"trial", trial.number}, {"scores", Value(std::move(scores))}, {"spent", spent()}}));
}

void SearchLog::proposal(const Hash& key, const Value& asked, const Value& proposed) {
  if (!log_) return;
  write("proposal", key.hex(), Value::object({{"asked", asked}, {"proposed", proposed}}));
}

void SearchLog::event(const std::string& kind, const std::string& text) {
  if (!log_) return;
  write_timed("event", events_++, Value::object({{"kind", kind}, {"text", text}}));
}

void SearchLog::result(const Trial& best, const std::string& stop_reason) {
  if (!log_) return;
  write("result", run_,
        Value::object({{"trial", best.number},
                       {"mean", best.mean},
                       {"complete", best.complete},
                       {"candidate", best.candidate.to_json()},
                       {"stop_reason", stop_reason},
                       {"spent", spent()},
                       {"seconds", meter_->seconds()}}));
}

void SearchLog::replies_lost(std::size_t failures) {
  if (!log_ || failures == 0 || is_loss_told_) return;
  is_loss_told_ = true;
  notify_("replies can no longer be kept in " + place_of(*log_) +
          " (a full disk, or a lock of another process): a run that goes on with it asks for them "
          "again");
}

Value SearchLog::spent() const {
  const Usage usage = meter_->usage();
  return Value::object(
      {{"lm_calls", usage.lm_calls},
       {"prompt_tokens", usage.prompt_tokens},
       {"generated_tokens", usage.generated_tokens + usage.cached_generated_tokens},
       {"money", meter_->money()}});
}

void SearchLog::write_timed(std::string_view kind, std::size_t number, const Value& body,
                            const Value& more) {
  Value whole = body.with("seconds", meter_->seconds());
  for (const auto& [name, value] : more.as_object()) whole = whole.with(name, value);
  write(kind, std::to_string(number) + ":" + body.hash().hex(), whole);
}

void SearchLog::write(std::string_view kind, const std::string& name, const Value& body) {
  if (log_->is_read_only()) return;
  waiting_.push_back({std::string(kind), name, body});
  while (!waiting_.empty()) {
    const Entry& entry = waiting_.front();
    const Result<bool> written = log_->append(entry.kind, entry.key, entry.body);
    if (!written) {
      if (std::exchange(is_trouble_told_, true)) return;
      notify_("the study log cannot be written: " + written.error().text());
      return;
    }
    waiting_.erase(waiting_.begin());
  }
}

}  // namespace hone
