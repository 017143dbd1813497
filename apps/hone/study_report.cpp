#include "hone/study_report.hpp"

#include <algorithm>
#include <cmath>
#include <ctime>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/console.hpp"
#include "hone/study_chart.hpp"

namespace hone::cli {
namespace {

constexpr std::size_t kShownText = 300;

std::string time_text(std::int64_t milliseconds) {
  const auto seconds = static_cast<std::time_t>(milliseconds / 1000);
  std::tm parts{};
  ::localtime_r(&seconds, &parts);
  char text[32];
  return std::string(text, std::strftime(text, sizeof text, "%Y-%m-%d %H:%M", &parts));
}

std::string cell(std::string text, std::size_t width) {
  text = first_columns(text, width);
  return text + std::string(width - columns(text), ' ');
}

std::string right(const std::string& text, std::size_t width) {
  const std::size_t taken = columns(text);
  return (taken < width ? std::string(width - taken, ' ') : std::string()) + text;
}

std::string trimmed_line(std::string line) {
  while (line.ends_with(' ')) line.pop_back();
  return line + "\n";
}

std::string count_text(std::size_t count) {
  return grouped(static_cast<long long>(count));
}

Value score_value(double score) {
  return std::round(score * 1000) / 10;
}

Value spend_json(const StudySpend& spend) {
  return Value::object({{"lm_calls", spend.lm_calls},
                        {"prompt_tokens", spend.prompt_tokens},
                        {"generated_tokens", spend.generated_tokens},
                        {"money", spend.money}});
}

std::string spend_text(const StudySpend& spend) {
  std::string text = grouped(spend.lm_calls) +
                     " LM calls; tokens: " + grouped(spend.prompt_tokens) + " in prompts, " +
                     grouped(spend.generated_tokens) + " generated";
  if (spend.money > 0) text += "; money: " + number_text(std::round(spend.money * 1e4) / 1e4);
  return text;
}

bool is_under_way(const Study& study) {
  return study.runs.empty() || !study.runs.back().ended;
}

const StudySpend* spent(const Study& study) {
  if (study.end && study.runs.back().ended) return &study.end->spent;
  return study.trials.empty() ? nullptr : &study.trials.back().spent;
}

std::string trial_state(const Study& study, const StudyTrial& trial) {
  if (study.best() == &trial) return "best";
  if (trial.complete) return "";
  return trial.examples < study.val_examples ? "stopped early" : "too few scores";
}

std::string value_text(const Value& value) {
  std::string text = value.is_list() ? std::to_string(value.size()) + " demos" : value.text();
  std::replace(text.begin(), text.end(), '\n', ' ');
  return shorten(text, kShownText);
}

Value trial_json(const Study& study, const StudyTrial& trial) {
  Value::List scores;
  for (const std::optional<double>& score : trial.scores)
    scores.push_back(score ? Value(*score) : Value());
  return Value::object({{"number", trial.number},
                        {"origin", trial.origin},
                        {"score", score_value(trial.mean)},
                        {"examples", trial.examples},
                        {"complete", trial.complete},
                        {"best", study.best() == &trial},
                        {"failures", trial.failures},
                        {"parse_failures", trial.parse_failures},
                        {"seconds", trial.seconds},
                        {"spent", spend_json(trial.spent)},
                        {"program", trial.program.empty() ? Value() : Value(trial.program)},
                        {"candidate", trial.candidate.to_json()},
                        {"prompt", trial.prompt},
                        {"scores", Value(std::move(scores))}});
}

}  // namespace

std::string state_of(const Study& study) {
  if (is_under_way(study)) return "not finished (killed, or running)";
  if (!study.end || study.end->stop_reason.empty()) return "finished";
  return "stopped: " + study.end->stop_reason;
}

std::string list_header() {
  return "study                     optimizer                best  trials   calls  state\n";
}

std::string list_line(const std::filesystem::path& file, const Study& study) {
  const StudyTrial* best = study.best();
  const std::string optimizer = study.identity.get("optimizer").text();
  const StudySpend* spend = spent(study);
  return trimmed_line(cell(file.string(), std::max<std::size_t>(25, columns(file.string()))) + " " +
                      cell(optimizer.substr(0, optimizer.find(' ')), 23) + " " +
                      right(best ? percent(best->mean) : "-", 5) + " " +
                      right(count_text(study.trials.size()), 7) + " " +
                      right(spend ? grouped(spend->lm_calls) : "0", 7) + "  " + state_of(study));
}

Value list_json(const std::filesystem::path& file, const Study& study) {
  const StudyTrial* best = study.best();
  const StudySpend* spend = spent(study);
  return Value::object({{"file", file.string()},
                        {"optimizer", study.identity.get("optimizer")},
                        {"metric", study.identity.get("metric")},
                        {"model", study.identity.get("model")},
                        {"best", best ? score_value(best->mean) : Value()},
                        {"best_trial", best ? Value(best->number) : Value()},
                        {"trial_count", study.trials.size()},
                        {"run_count", study.runs.size()},
                        {"state", state_of(study)},
                        {"spent", spend ? spend_json(*spend) : Value()}});
}

std::string show_text(const Study& study, std::size_t replies, std::size_t width) {
  const Value& asked = study.identity;
  std::string text = "Asked for\n";
  text += "  program    " + shorten(study.signature, kShownText) + "\n";
  text += "  metric     " + value_text(asked.get("metric")) + "\n";
  text += "  model      " + asked.get("model").text() + "\n";
  for (const char* role : {"teacher_model", "proposer_model"}) {
    if (!asked.get(role).is_null()) text += "  " + cell(role, 15) + asked.get(role).text() + "\n";
  }
  text += "  optimizer  " + asked.get("optimizer").text() + ", seed " + asked.get("seed").text() +
          (asked.get("race") == Value(false)    ? ", race off"
           : asked.get("race") == Value("fast") ? ", race fast"
                                                : "") +
          "\n";
  text += "  examples   " + count_text(study.train_examples) + " to learn from, " +
          count_text(study.val_examples) + " to compare on\n\nProgress\n";
  text += "  state      " + state_of(study) + "\n";
  for (const StudyRun& run : study.runs)
    text += "  run        " + time_text(run.started) + (run.ended ? "" : ", not ended") + "\n";
  text += "  trials     " + count_text(study.trials.size());
  const auto complete = std::count_if(study.trials.begin(), study.trials.end(),
                                      [](const StudyTrial& trial) { return trial.complete; });
  text += ", " + std::to_string(complete) + " of them on every example\n";
  text += "  replies    " + count_text(replies) + " kept" +
          (is_under_way(study) ? "; the trials they belong to are listed when their race is decided"
                               : "") +
          "\n";
  if (study.minibatches > 0)
    text += "  minibatch  " + count_text(study.minibatches) + " measurements\n";
  if (study.proposals > 0) text += "  proposals  " + count_text(study.proposals) + " texts\n";
  if (const StudySpend* spend = spent(study)) text += "  spent      " + spend_text(*spend) + "\n";
  std::vector<std::string> notices;
  for (const StudyEvent& event : study.events) {
    if (event.kind == "notice") notices.push_back(event.text);
  }
  for (const std::string& notice : notices)
    text += "  notice     " + shorten(notice, kShownText) + "\n";
  if (const StudyTrial* best = study.best()) {
    text += "\nBest\n  score      " + percent(best->mean);
    if (const StudyTrial* first = study.find(0); first && first != best)
      text += ", against " + percent(first->mean) + " at the start";
    text += "\n  trial      " + std::to_string(best->number) + ", " + best->origin + "\n";
    for (const auto& [path, value] : best->candidate.values())
      text += "  " + path + " = " + value_text(value) + "\n";
  }
  const std::string chart = terminal_chart(study, width);
  return chart.empty() ? text : text + "\n" + chart;
}

Value show_json(const std::filesystem::path& file, const Study& study) {
  Value::List runs;
  for (const StudyRun& run : study.runs) {
    runs.push_back(Value::object({{"started_ms", run.started},
                                  {"hone", run.hone},
                                  {"budget", run.budget},
                                  {"ended", run.ended}}));
  }
  Value::List events;
  for (const StudyEvent& event : study.events) {
    events.push_back(
        Value::object({{"kind", event.kind}, {"text", event.text}, {"seconds", event.seconds}}));
  }
  const StudyTrial* best = study.best();
  return list_json(file, study)
      .with("asked", study.identity)
      .with("signature", study.signature)
      .with("train_examples", study.train_examples)
      .with("val_examples", study.val_examples)
      .with("proposals", study.proposals)
      .with("minibatches", study.minibatches)
      .with("runs", Value(std::move(runs)))
      .with("events", Value(std::move(events)))
      .with("best_candidate", best ? best->candidate.to_json() : Value());
}

std::string trials_text(const Study& study) {
  std::string text = "trial  score  examples  failed    calls  state          origin\n";
  for (const StudyTrial& trial : study.trials) {
    text += trimmed_line(
        right(std::to_string(trial.number), 5) + "  " + right(percent(trial.mean), 5) + "  " +
        right(count_text(trial.examples), 8) + "  " + right(count_text(trial.failures), 6) + "  " +
        right(grouped(trial.spent.lm_calls), 7) + "  " + cell(trial_state(study, trial), 13) +
        "  " + trial.origin);
  }
  return text;
}

Value trials_json(const Study& study) {
  Value::List trials;
  for (const StudyTrial& trial : study.trials) trials.push_back(trial_json(study, trial));
  return Value(std::move(trials));
}

std::string trials_csv(const Study& study) {
  std::string text =
      "trial,origin,score,examples,complete,failures,parse_failures,lm_calls,prompt_tokens,"
      "generated_tokens,money,seconds";
  for (std::size_t i = 0; i < study.val_examples; ++i) text += ",example_" + std::to_string(i);
  text += "\n";
  for (const StudyTrial& trial : study.trials) {
    std::string origin = "\"";
    for (const char byte : trial.origin) origin += byte == '"' ? "\"\"" : std::string(1, byte);
    const std::vector<std::string> cells = {
        std::to_string(trial.number),
        origin + "\"",
        number_text(trial.mean),
        std::to_string(trial.examples),
        trial.complete ? "true" : "false",
        std::to_string(trial.failures),
        std::to_string(trial.parse_failures),
        std::to_string(trial.spent.lm_calls),
        std::to_string(trial.spent.prompt_tokens),
        std::to_string(trial.spent.generated_tokens),
        number_text(trial.spent.money),
        number_text(trial.seconds),
    };
    text += join(cells, ",");
    for (std::size_t i = 0; i < study.val_examples; ++i) {
      const bool has = i < trial.scores.size() && trial.scores[i];
      text += "," + (has ? number_text(*trial.scores[i]) : std::string());
    }
    text += "\n";
  }
  return text;
}

Value study_json(const std::filesystem::path& file, const Study& study) {
  return show_json(file, study)
      .with("start", study.start.to_json())
      .with("examples", Value(Value::List(study.examples)))
      .with("trials", trials_json(study));
}

}  // namespace hone::cli
