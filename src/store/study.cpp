#include "hone/store/study.hpp"

#include <algorithm>
#include <map>
#include <utility>

namespace hone {
namespace {

std::int64_t whole(const Value& value) {
  return value.is_int() ? value.as_int() : 0;
}
std::size_t count(const Value& value) {
  return static_cast<std::size_t>(std::max<std::int64_t>(0, whole(value)));
}
double real(const Value& value) {
  return value.is_number() ? value.as_double() : 0;
}
std::string text(const Value& value) {
  return value.is_string() ? value.as_string() : std::string();
}

StudySpend spend_from(const Value& json) {
  return {whole(json.get("lm_calls")), whole(json.get("prompt_tokens")),
          whole(json.get("generated_tokens")), real(json.get("money"))};
}

Result<StudyTrial> trial_from(const Value& json, const std::string& where) {
  Result<Candidate> candidate = Candidate::from_json(json.get("candidate"), where);
  if (!candidate) return candidate.error();
  StudyTrial trial;
  trial.number = count(json.get("number"));
  trial.origin = text(json.get("origin"));
  trial.mean = real(json.get("mean"));
  trial.examples = count(json.get("examples"));
  trial.failures = count(json.get("failures"));
  trial.parse_failures = count(json.get("parse_failures"));
  trial.complete = json.get("complete") == Value(true);
  trial.was_best = json.get("is_best") == Value(true);
  if (const Value measures = json.get("measures"); measures.is_object()) {
    for (const auto& [name, value] : measures.as_object())
      trial.measures.emplace_back(name, real(value));
  }
  trial.candidate = *std::move(candidate);
  trial.program = text(json.get("program"));
  trial.prompt = text(json.get("prompt"));
  trial.spent = spend_from(json.get("spent"));
  trial.seconds = real(json.get("seconds"));
  const Value scores = json.get("scores");
  if (!scores.is_list()) return bad_request(where, "is a trial without scores");
  for (const Value& score : scores.as_list()) {
    trial.scores.push_back(score.is_number() ? std::optional(score.as_double()) : std::nullopt);
  }
  return trial;
}

Result<void> read_task(const StudyRecord& record, const std::string& where, Study& study) {
  if (record.key == "identity") study.identity = record.body;
  if (record.key == "examples" && record.body.is_list()) study.examples = record.body.as_list();
  if (record.key != "about") return {};
  study.signature = text(record.body.get("signature"));
  study.train_examples = count(record.body.get("train_examples"));
  study.val_examples = count(record.body.get("val_examples"));
  Result<Candidate> start = Candidate::from_json(record.body.get("candidate"), where);
  if (!start) return start.error();
  study.start = *std::move(start);
  return {};
}

// Of two records of one trial the fuller: a run with less budget may have stopped it earlier.
bool replaces(const StudyTrial& later, const StudyTrial& earlier) {
  return later.origin != earlier.origin ||
         std::pair(later.complete, later.examples) >= std::pair(earlier.complete, earlier.examples);
}

}  // namespace

const StudyTrial* Study::find(std::size_t number) const {
  const auto found = std::find_if(trials.begin(), trials.end(),
                                  [&](const StudyTrial& trial) { return trial.number == number; });
  return found == trials.end() ? nullptr : &*found;
}

const StudyTrial* Study::best() const {
  // Which of several equals is best may change with trials that were measured later.
  // A run that ended before anything was complete names the program as it came.
  const StudyTrial* winner = end ? find(end->trial) : nullptr;
  if (winner && end->complete) return winner;
  const StudyTrial* best = nullptr;
  for (const StudyTrial& trial : trials) {
    if (trial.complete && trial.was_best) best = &trial;
  }
  return best;
}

Result<Study> read_study(const StudyLog& log) {
  const std::string file = log.file() ? log.file()->string() : "study log";
  const Result<std::vector<StudyRecord>> records = log.records();
  if (!records) return records.error();
  Study study;
  std::map<std::size_t, StudyTrial> trials;
  std::map<std::size_t, bool> complete;  // by their last records, for results that do not say it
  for (const StudyRecord& record : *records) {
    const std::string where = file + ", entry " + std::to_string(record.number);
    const Value& body = record.body;
    if (record.kind == "study") {
      if (Result<void> read = read_task(record, where, study); !read) return read.error();
    } else if (record.kind == "trial") {
      Result<StudyTrial> trial = trial_from(body, where);
      if (!trial) return trial.error();
      complete[trial->number] = trial->complete;
      const auto [known, is_new] = trials.try_emplace(trial->number, *trial);
      if (!is_new && replaces(*trial, known->second)) known->second = *std::move(trial);
    } else if (record.kind == "run") {
      study.runs.push_back(
          {record.key, whole(body.get("started")), text(body.get("hone")), body.get("budget")});
    } else if (record.kind == "event") {
      study.events.push_back(
          {text(body.get("kind")), text(body.get("text")), real(body.get("seconds"))});
    } else if (record.kind == "result") {
      const std::size_t trial = count(body.get("trial"));
      // A record of the trial that equals an older one was not written again.
      const Value done = body.get("complete");
      study.end =
          StudyEnd{trial, text(body.get("stop_reason")), spend_from(body.get("spent")),
                   real(body.get("seconds")), done.is_bool() ? done.as_bool() : complete[trial]};
      for (StudyRun& run : study.runs) run.ended = run.ended || run.name == record.key;
    } else if (record.kind == "proposal") {
      ++study.proposals;
    } else if (record.kind == "minibatch") {
      ++study.minibatches;
    }
  }
  if (study.identity.is_null()) return bad_request(file, "holds no study yet");
  for (auto& [number, trial] : trials) study.trials.push_back(std::move(trial));
  return study;
}

}  // namespace hone
