// A study as its log tells it: what was asked, what was tried, what came out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/core/value.hpp"
#include "hone/store/study_log.hpp"

namespace hone {

// Of the search up to some moment, replies out of the log included: what it would take anew.
struct StudySpend {
  std::int64_t lm_calls = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t generated_tokens = 0;
  double money = 0;
};

struct StudyTrial {
  std::size_t number = 0;
  std::string origin;
  double mean = 0;
  std::size_t examples = 0;  // met
  std::size_t failures = 0;
  std::size_t parse_failures = 0;
  bool complete = false;
  bool was_best = false;  // when it was measured, by the goals of the search
  std::vector<std::pair<std::string, double>> measures;  // means by quantity: tokens, latency …
  Candidate candidate;
  std::string program;  // in words, where the candidate was put on another than the student
  std::vector<std::optional<double>> scores;  // by validation example
  std::string prompt;                         // of the first step, on the first validation example
  StudySpend spent;
  double seconds = 0;  // since the run that measured it began
};

// One process that worked on the study.
struct StudyRun {
  std::string name;
  std::int64_t started = 0;  // milliseconds since 1970
  std::string hone;          // version
  Value budget;              // limits by name; null where none was set
  bool ended = false;        // else it was killed, or still runs
};

struct StudyEvent {
  std::string kind;  // "phase", "notice"
  std::string text;
  double seconds = 0;
};

struct StudyEnd {
  std::size_t trial = 0;
  std::string stop_reason;  // empty when the optimizer was through
  StudySpend spent;
  double seconds = 0;
  bool complete = false;  // that run had measured the trial to its end
};

struct Study {
  Value identity;  // metric, model, optimizer, seed, hashes of program and data
  std::string signature;
  Candidate start;  // the values the program came with
  std::size_t train_examples = 0;
  std::size_t val_examples = 0;
  Value::List examples;  // the validation ones
  std::vector<StudyRun> runs;
  std::vector<StudyTrial> trials;  // by number, each once: as it was measured most fully
  std::vector<StudyEvent> events;
  std::size_t proposals = 0;
  std::size_t minibatches = 0;
  std::optional<StudyEnd> end;  // of the run that ended last

  const StudyTrial* find(std::size_t number) const;
  // The winner that the run which ended last named; before one did, the complete trial that was
  // best when it was measured, by the goals of the search. nullptr when there is none.
  const StudyTrial* best() const;
};

// bad_request when the log holds no study yet, or an entry makes no sense (a damaged file).
Result<Study> read_study(const StudyLog& log);

}  // namespace hone
