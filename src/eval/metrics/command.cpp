#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/eval/metric.hpp"

#include "eval/metrics/line_process.hpp"

namespace hone {
namespace {

struct SharedProcess {
  std::mutex mutex;
  std::unique_ptr<LineProcess> process;
};

Error bad_line(const std::string& name, const std::string& line, const std::string& quote) {
  return bad_request(
      name, "printed '" + shorten(to_utf8(line), 200) +
                "', which is neither a number nor {\"score\": number, \"feedback\": text}" + quote);
}

// A number, or a bool for 0 and 1.
bool read_score(const Value& value, double& score) {
  if (value.is_bool()) {
    score = value.as_bool() ? 1 : 0;
  } else if (value.is_number()) {
    score = value.as_double();
  } else {
    return false;
  }
  return true;
}

Result<Score> parse_score(const std::string& name, const std::string& line,
                          const std::string& quote) {
  const Result<Value> value = Value::parse_json(line);
  if (!value) return bad_line(name, line, quote);
  Score score;
  if (value->is_object()) {
    if (!read_score(value->get("score"), score.value)) return bad_line(name, line, quote);
    const Value feedback = value->get("feedback");
    if (!feedback.is_null()) score.feedback = feedback.text();
  } else if (!read_score(*value, score.value)) {
    return bad_line(name, line, quote);
  }
  return score;
}

}  // namespace

Result<Metric> command_metric(const std::string& command_line,
                              std::chrono::milliseconds line_timeout) {
  if (trim(command_line).empty()) {
    return bad_request("metric command", "no command given: write command:./score.py");
  }
  Result<std::unique_ptr<LineProcess>> process = LineProcess::start(command_line, line_timeout);
  if (!process) return process.error();
  auto shared = std::make_shared<SharedProcess>();
  shared->process = *std::move(process);
  std::string name = "command:" + command_line;
  return Metric(name, [name, shared = std::move(shared)](const Outcome& outcome) -> Result<Score> {
    const std::string request =
        Value::object({{"example", outcome.example.fields()}, {"prediction", outcome.prediction}})
            .to_json();
    const std::lock_guard lock(shared->mutex);
    const Result<std::string> line =
        shared->process->exchange(request, outcome.call.options().stop);
    if (!line) return line.error();
    return parse_score(name, *line, shared->process->stderr_quote());
  });
}

}  // namespace hone
