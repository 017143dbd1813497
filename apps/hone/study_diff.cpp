// Two trials side by side.
#include <algorithm>
#include <set>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/console.hpp"
#include "hone/study_report.hpp"
#include "hone/text_diff.hpp"

namespace hone::cli {
namespace {

constexpr std::size_t kShownExamples = 10;
constexpr std::size_t kShownExample = 120;

struct ValueChange {
  std::string path;
  Value before;  // null where neither the trial nor the program has one
  Value after;
};

// What a trial ran with: its candidate's value, else the program's own.
Value value_of(const Study& study, const StudyTrial& trial, const std::string& path) {
  if (const Value* own = trial.candidate.find(path)) return *own;
  const Value* start = study.start.find(path);
  return start ? *start : Value();
}

std::vector<ValueChange> changes_between(const Study& study, const StudyTrial& a,
                                         const StudyTrial& b) {
  std::set<std::string> paths;
  for (const StudyTrial* trial : {&a, &b}) {
    for (const auto& [path, value] : trial->candidate.values()) paths.insert(path);
  }
  std::vector<ValueChange> changes;
  for (const std::string& path : paths) {
    ValueChange change{path, value_of(study, a, path), value_of(study, b, path)};
    if (change.before != change.after) changes.push_back(std::move(change));
  }
  return changes;
}

bool is_demos(const ValueChange& change) {
  const auto lists = [](const Value& value) { return value.is_list() || value.is_null(); };
  const auto has_objects = [](const Value& value) {
    return value.is_list() && value.size() > 0 && value.as_list().front().is_object();
  };
  return lists(change.before) && lists(change.after) &&
         (has_objects(change.before) || has_objects(change.after));
}

Value::List list_of(const Value& value) {
  return value.is_list() ? value.as_list() : Value::List();
}

// The entries of one list that the other lacks.
Value::List missing_in(const Value& from, const Value& other) {
  const Value::List known = list_of(other);
  Value::List missing;
  for (const Value& item : list_of(from)) {
    if (std::find(known.begin(), known.end(), item) == known.end()) missing.push_back(item);
  }
  return missing;
}

std::string entry_line(const Value& value) {
  std::string text = value.is_string() ? value.as_string() : value.to_json();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return shorten(text, kShownExample);
}

std::string change_text(const ValueChange& change) {
  std::string text = change.path + "\n";
  if (!is_demos(change)) {
    const auto words = [](const Value& value) { return value.is_null() ? "" : value.text(); };
    for (const std::string& line :
         split(word_diff(words(change.before), words(change.after)), '\n'))
      text += "  " + line + "\n";
    return text;
  }
  const Value::List gone = missing_in(change.before, change.after);
  const Value::List fresh = missing_in(change.after, change.before);
  text += "  " + std::to_string(list_of(change.before).size()) + " demos before, " +
          std::to_string(list_of(change.after).size()) + " after\n";
  for (const Value& demo : gone) text += "  - " + entry_line(demo) + "\n";
  for (const Value& demo : fresh) text += "  + " + entry_line(demo) + "\n";
  if (gone.empty() && fresh.empty()) text += "  the same demos in another order\n";
  return text;
}

struct Scores {
  std::vector<std::size_t> won;   // by b
  std::vector<std::size_t> lost;  // by b
  std::size_t both = 0;           // examples with a score of each
};

Scores compare_scores(const StudyTrial& a, const StudyTrial& b) {
  Scores scores;
  for (std::size_t i = 0; i < std::min(a.scores.size(), b.scores.size()); ++i) {
    if (!a.scores[i] || !b.scores[i]) continue;
    ++scores.both;
    if (*b.scores[i] > *a.scores[i]) scores.won.push_back(i);
    if (*b.scores[i] < *a.scores[i]) scores.lost.push_back(i);
  }
  return scores;
}

std::string examples_text(const Study& study, const StudyTrial& a, const StudyTrial& b,
                          const std::vector<std::size_t>& places) {
  std::string text;
  for (std::size_t k = 0; k < std::min(places.size(), kShownExamples); ++k) {
    const std::size_t i = places[k];
    text += "  example " + std::to_string(i) + ": " + number_text(*a.scores[i]) + " -> " +
            number_text(*b.scores[i]);
    if (i < study.examples.size()) text += "   " + entry_line(study.examples[i]);
    text += "\n";
  }
  if (places.size() > kShownExamples)
    text += "  and " + std::to_string(places.size() - kShownExamples) + " more\n";
  return text;
}

std::string title(const StudyTrial& trial) {
  return "trial " + std::to_string(trial.number) + ", " + trial.origin + ": " +
         percent(trial.mean) + " on " + std::to_string(trial.examples) + " examples\n";
}

Value places_json(const std::vector<std::size_t>& places) {
  Value::List list;
  for (const std::size_t place : places) list.push_back(place);
  return Value(std::move(list));
}

}  // namespace

std::string diff_text(const Study& study, const StudyTrial& a, const StudyTrial& b) {
  std::string text = title(a) + title(b) + "\n";
  const std::vector<ValueChange> changes = changes_between(study, a, b);
  for (const ValueChange& change : changes) text += change_text(change) + "\n";
  if (a.program != b.program)
    text += "program\n  - " + (a.program.empty() ? "the student" : entry_line(a.program)) +
            "\n  + " + (b.program.empty() ? "the student" : entry_line(b.program)) + "\n\n";
  if (changes.empty() && a.program == b.program) text += "The same candidate.\n\n";
  const Scores scores = compare_scores(a, b);
  const auto number = [](const StudyTrial& trial) { return std::to_string(trial.number); };
  text += "Of " + std::to_string(scores.both) + " examples both met, " + number(b) +
          " does better on " + std::to_string(scores.won.size()) + " and worse on " +
          std::to_string(scores.lost.size()) + ".\n";
  if (!scores.won.empty()) text += "\nWon\n" + examples_text(study, a, b, scores.won);
  if (!scores.lost.empty()) text += "\nLost\n" + examples_text(study, a, b, scores.lost);
  return text;
}

Value diff_json(const Study& study, const StudyTrial& a, const StudyTrial& b) {
  Value::List changes;
  for (const ValueChange& change : changes_between(study, a, b)) {
    Value json =
        Value::object({{"path", change.path}, {"before", change.before}, {"after", change.after}});
    if (is_demos(change)) {
      json = json.with("removed", Value(missing_in(change.before, change.after)))
                 .with("added", Value(missing_in(change.after, change.before)));
    }
    changes.push_back(std::move(json));
  }
  const Scores scores = compare_scores(a, b);
  return Value::object({{"a", a.number},
                        {"b", b.number},
                        {"a_score", a.mean * 100},
                        {"b_score", b.mean * 100},
                        {"changes", Value(std::move(changes))},
                        {"both_met", scores.both},
                        {"won", places_json(scores.won)},
                        {"lost", places_json(scores.lost)}});
}

}  // namespace hone::cli
