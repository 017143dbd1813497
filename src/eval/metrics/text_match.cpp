#include <algorithm>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/eval/metric.hpp"

#include "eval/metrics/fields.hpp"

namespace hone {
namespace {

bool same(const Value& a, const Value& b);

bool same_lists(const Value::List& a, const Value::List& b) {
  return std::ranges::equal(a, b, [](const Value& x, const Value& y) { return same(x, y); });
}

bool same_objects(const Value& a, const Value& b) {
  return a.size() == b.size() && std::ranges::all_of(a.as_object(), [&](const auto& field) {
           const Value* other = b.find(field.first);
           return other != nullptr && same(field.second, *other);
         });
}

bool is_plain(const Value& value) {
  return value.is_number() || value.is_bool();
}

bool same(const Value& a, const Value& b) {
  if (a.is_string() && b.is_string()) return trim(a.as_string()) == trim(b.as_string());
  // Data without types (CSV) holds numbers as text.
  if (a.is_string() && is_plain(b)) return trim(a.as_string()) == b.text();
  if (is_plain(a) && b.is_string()) return same(b, a);
  if (a.is_list() && b.is_list()) return same_lists(a.as_list(), b.as_list());
  if (a.is_object() && b.is_object()) return same_objects(a, b);
  return a == b;
}

std::vector<std::string> words_of(const std::string& normalized) {
  return normalized.empty() ? std::vector<std::string>{} : split(normalized, ' ');
}

// Harmonic mean of precision and recall over words, counted as often as they stand. Two empty texts
// agree, as in SQuAD 2.0.
double token_f1(const std::vector<std::string>& expected,
                const std::vector<std::string>& predicted) {
  if (expected.empty() || predicted.empty()) return expected.empty() && predicted.empty() ? 1 : 0;
  std::map<std::string_view, std::size_t> left;
  for (const std::string& word : expected) ++left[word];
  std::size_t common = 0;
  for (const std::string& word : predicted) {
    const auto found = left.find(word);
    if (found == left.end() || found->second == 0) continue;
    --found->second;
    ++common;
  }
  return 2.0 * static_cast<double>(common) /
         static_cast<double>(expected.size() + predicted.size());
}

std::vector<std::string> texts_of(const Value& value) {
  std::vector<std::string> texts;
  if (value.is_list()) {
    for (const Value& item : value.as_list()) texts.push_back(item.text());
  } else {
    texts.push_back(value.text());
  }
  return texts;
}

// Whole words: an answer "art" does not stand in "start".
bool stands_in(const std::string& answer, const std::string& passage) {
  return (" " + passage + " ").find(" " + answer + " ") != std::string::npos;
}

}  // namespace

Metric exact_match(std::string field) {
  std::string name = "exact_match:" + field;
  return Metric(name, [name, field = std::move(field)](const Outcome& outcome) -> Result<Score> {
    const Result<ComparedFields> fields = compared_fields(outcome, name, field);
    if (!fields) return fields.error();
    if (same(fields->expected, fields->predicted)) return Score{1, {}};
    return Score{0, miss_feedback(fields->expected, fields->predicted)};
  });
}

Metric answer_exact_match(std::string field) {
  std::string name = "answer_exact_match:" + field;
  return Metric(name, [name, field = std::move(field)](const Outcome& outcome) -> Result<Score> {
    const Result<ComparedFields> fields = compared_fields(outcome, name, field);
    if (!fields) return fields.error();
    const Result<std::vector<std::string>> answers =
        accepted_answers(fields->expected, name, field);
    if (!answers) return answers.error();
    const std::string predicted = squad_normalize(fields->predicted.text());
    for (const std::string& answer : *answers) {
      if (squad_normalize(answer) == predicted) return Score{1, {}};
    }
    return Score{0, miss_feedback(fields->expected, fields->predicted)};
  });
}

Metric f1_match(std::string field) {
  std::string name = "f1:" + field;
  return Metric(name, [name, field = std::move(field)](const Outcome& outcome) -> Result<Score> {
    const Result<ComparedFields> fields = compared_fields(outcome, name, field);
    if (!fields) return fields.error();
    const Result<std::vector<std::string>> answers =
        accepted_answers(fields->expected, name, field);
    if (!answers) return answers.error();
    const std::vector<std::string> predicted = words_of(squad_normalize(fields->predicted.text()));
    double best = 0;
    for (const std::string& answer : *answers) {
      best = std::max(best, token_f1(words_of(squad_normalize(answer)), predicted));
    }
    return Score{best,
                 best < 1 ? miss_feedback(fields->expected, fields->predicted) : std::string()};
  });
}

Metric answer_passage_match(std::string answer_field, std::string passages) {
  std::string name = "answer_passage_match:" + answer_field + ":" + passages;
  return Metric(name,
                [name, answer_field = std::move(answer_field),
                 passages = std::move(passages)](const Outcome& outcome) -> Result<Score> {
                  const Value* expected = outcome.example.fields().find(answer_field);
                  if (expected == nullptr) {
                    return bad_request(name, "the example has no field '" + answer_field + "'");
                  }
                  const Value* found = outcome.prediction.find(passages);
                  if (found == nullptr)
                    return bad_request(name, "the prediction has no field '" + passages + "'");
                  const Result<std::vector<std::string>> answers =
                      accepted_answers(*expected, name, answer_field);
                  if (!answers) return answers.error();
                  for (const std::string& text : texts_of(*found)) {
                    const std::string passage = squad_normalize(text);
                    for (const std::string& answer : *answers) {
                      const std::string normalized = squad_normalize(answer);
                      if (!normalized.empty() && stands_in(normalized, passage))
                        return Score{1, {}};
                    }
                  }
                  return Score{
                      0, "none of the passages holds '" + shorten(expected->text(), 200) + "'"};
                });
}

}  // namespace hone
