#include "optimize/proposers/proposer.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "hone/base/text.hpp"

namespace hone {
namespace {

// The student's format when its model proposes too (a base model knows no chat), else chat.
Format proposer_format(const Search& search) {
  const std::vector<Predictor> predictors = search.student().predictors();
  if (search.options().proposer_lm || predictors.empty()) return Format::chat;
  return predictors.front().options().format;
}

Predictor proposer_of(const Search& search, const Question& question, double temperature) {
  std::vector<Field> inputs;
  for (const Part& part : question.parts) {
    if (!part.text.empty())
      inputs.push_back({part.name, Type::str().with_description(part.description)});
  }
  Signature signature =
      Signature::make(std::move(inputs), {{question.output, question.type}}, question.instructions)
          .value();
  PredictorOptions options;
  options.format = proposer_format(search);
  options.settings.temperature = temperature;
  return Predictor(std::move(signature), std::move(options));
}

}  // namespace

std::vector<std::optional<Value>> ask(Search& search, const std::vector<Question>& questions,
                                      const Asking& asking) {
  std::vector<std::optional<Value>> answers(questions.size());
  // Questions of one form are asked together.
  std::map<Hash, std::vector<std::size_t>> forms;
  std::vector<Predictor> predictors;
  for (std::size_t i = 0; i < questions.size(); ++i) {
    predictors.push_back(proposer_of(search, questions[i], asking.temperature));
    forms[predictors.back().signature().hash()].push_back(i);
  }
  std::size_t failures = 0;
  std::string reason;
  for (const auto& [form, members] : forms) {
    std::vector<Value> inputs;
    for (const std::size_t i : members) {
      Value::Object fields;
      for (const Part& part : questions[i].parts) {
        if (!part.text.empty()) fields.emplace_back(part.name, to_utf8(part.text));
      }
      inputs.push_back(Value::object(std::move(fields)));
    }
    std::vector<Result<Value>> replies =
        search.propose(predictors[members.front()], inputs, asking.sample);
    for (std::size_t k = 0; k < members.size(); ++k) {
      if (replies[k]) {
        answers[members[k]] = replies[k]->get(questions[members[k]].output);
      } else {
        ++failures;
        reason = replies[k].error().text();
      }
    }
  }
  if (failures > 0) {
    search.notice(std::to_string(failures) + " of " + std::to_string(questions.size()) +
                  " proposals failed: " + shorten(reason, 200));
  }
  return answers;
}

std::vector<std::optional<std::string>> ask_texts(Search& search,
                                                  const std::vector<Question>& questions,
                                                  const Asking& asking) {
  std::vector<std::optional<std::string>> out;
  for (const std::optional<Value>& answer : ask(search, questions, asking)) {
    const std::string text = answer ? std::string(trim(answer->text())) : std::string();
    out.push_back(text.empty() ? std::nullopt : std::optional(text));
  }
  return out;
}

Type bounded_text(std::size_t limit, std::string description) {
  Limits limits;
  limits.min_length = 1;
  limits.max_length = limit;
  return Type::str().with_limits(limits).with_description(std::move(description));
}

std::string fields_text(const Value& object, std::size_t limit) {
  std::vector<std::string> lines;
  if (object.is_object()) {
    const std::size_t share = limit / std::max<std::size_t>(1, object.size());
    for (const auto& [name, value] : object.as_object())
      lines.push_back(name + ": " + shorten(value.text(), std::max<std::size_t>(40, share)));
  }
  return join(lines, "\n");
}

std::string numbered(const std::vector<std::string>& blocks, std::size_t limit) {
  std::string out;
  for (std::size_t i = 0; i < blocks.size(); ++i) {
    const std::string block = std::to_string(i + 1) + ". " + blocks[i];
    if (!out.empty() && out.size() + block.size() + 2 > limit) break;
    if (!out.empty()) out += "\n\n";
    out += shorten(block, limit);
  }
  return out;
}

std::string history_text(std::vector<Attempt> attempts, std::size_t count) {
  std::stable_sort(attempts.begin(), attempts.end(),
                   [](const Attempt& a, const Attempt& b) { return a.score > b.score; });
  // What does not fit is dropped from the worst end.
  std::vector<std::string> lines;
  std::size_t bytes = 0;
  for (const Attempt& attempt : attempts) {
    std::string line = "score " + number_text(std::round(attempt.score * 1000) / 10) + ": " +
                       shorten(attempt.instruction, kItemLimit);
    bytes += line.size() + 1;
    if (lines.size() == count || (bytes > kPartLimit && !lines.empty())) break;
    lines.push_back(std::move(line));
  }
  std::reverse(lines.begin(), lines.end());
  return join(lines, "\n");
}

std::string case_text(const Example& example, const Rollout& rollout, const Signature& signature) {
  std::string out = fields_text(example.inputs(signature));
  const Value expected = example.outputs(signature);
  if (rollout.prediction.is_object()) {
    out += "\nanswer given: " + shorten(rollout.prediction.to_json(), kItemLimit / 2);
  } else if (rollout.error) {
    out += "\nfailed: " + shorten(rollout.error->message, kItemLimit / 2);
  }
  if (expected.size() > 0)
    out += "\nanswer expected: " + shorten(expected.to_json(), kItemLimit / 2);
  if (rollout.score) out += "\nscore: " + number_text(std::round(*rollout.score * 1000) / 1000);
  if (!rollout.feedback.empty()) out += "\nfeedback: " + shorten(rollout.feedback, kItemLimit);
  return out;
}

std::string bad_cases_text(const Examples& examples, const std::vector<Rollout>& rollouts,
                           const Signature& signature, std::size_t count) {
  std::vector<std::size_t> order(std::min(examples.size(), rollouts.size()));
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::erase_if(order,
                [&](std::size_t i) { return !rollouts[i].score || *rollouts[i].score >= 1.0; });
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return *rollouts[a].score < *rollouts[b].score;
  });
  std::vector<std::string> cases;
  for (const std::size_t i : order) {
    if (cases.size() == count) break;
    cases.push_back(case_text(examples[i], rollouts[i], signature));
  }
  return numbered(cases);
}

}  // namespace hone
