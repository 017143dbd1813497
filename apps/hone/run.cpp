// `hone run`: a program on inputs, one JSON object in and one out.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/console.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/exit_code.hpp"
#include "hone/loading.hpp"
#include "hone/options.hpp"

namespace hone::cli {
namespace {

constexpr std::size_t kBatch = 256;  // lines read before their answers are printed

// Softmax of the calibrated scores of each label, by field; where several steps give a field, as an
// ensemble's members do, by the step's path and the field.
Value label_probabilities(const Program& program, const Trace& trace) {
  const std::vector<Predictor> predictors = program.predictors();
  const auto predictor_of = [&](const TraceStep& step) {
    return std::find_if(predictors.begin(), predictors.end(),
                        [&](const Predictor& one) { return one.path() == step.path; });
  };
  const auto is_given_once = [&](const std::string& name) {
    return std::count_if(trace.steps.begin(), trace.steps.end(), [&](const TraceStep& step) {
             const auto found = predictor_of(step);
             return found != predictors.end() &&
                    found->effective_signature().find_output(name) != nullptr;
           }) == 1;
  };
  Value::Object fields;
  for (const TraceStep& step : trace.steps) {
    const auto predictor = predictor_of(step);
    if (predictor == predictors.end()) continue;
    for (const LabelScores& scores : step.labels) {
      const Field* field = predictor->effective_signature().find_output(scores.field);
      const PredictorOptions& options = predictor->options();
      const auto bias = options.label_bias.find(scores.field);
      std::vector<double> values = scores.log_probs;
      const bool is_calibrated =
          options.calibration != Calibration::none && bias != options.label_bias.end();
      if (is_calibrated && bias->second.size() == values.size()) {
        for (std::size_t i = 0; i < values.size(); ++i) values[i] -= bias->second[i];
      }
      const double most = values.empty() ? 0 : *std::max_element(values.begin(), values.end());
      double sum = 0;
      for (double& value : values) sum += value = std::exp(value - most);
      const std::vector<Value> names =
          field != nullptr ? field->type.choices() : std::vector<Value>();
      Value::Object labels;
      for (std::size_t i = 0; i < values.size(); ++i)
        labels.emplace_back(i < names.size() ? names[i].text() : std::to_string(i),
                            values[i] / sum);
      fields.emplace_back(
          is_given_once(scores.field) ? scores.field : step.path + "." + scores.field,
          Value::object(std::move(labels)));
    }
  }
  return Value::object(std::move(fields));
}

// Runs programs on batches of inputs and prints an answer a line.
class Runner {
 public:
  Runner(const Program& program, const Evaluator& evaluator, bool scores)
      : program_(program), evaluator_(evaluator), scores_(scores) {}

  // The first failure among them, if any; it is on its line too.
  Result<void> run(const std::vector<Result<Value>>& inputs) const {
    Examples examples;
    for (const Result<Value>& input : inputs) {
      if (input) examples.emplace_back(*input);
    }
    std::vector<RolloutTask> tasks;
    for (const Example& example : examples) tasks.push_back({&program_, &example, 0, std::nullopt});
    const std::vector<Rollout> rollouts = evaluator_.run(tasks, nullptr);
    Result<void> all;
    std::size_t next = 0;
    for (const Result<Value>& input : inputs) {
      const std::optional<Error> error =
          input ? rollouts[next].error : std::optional<Error>(input.error());
      Value line;
      if (error) {
        line = Value::object({{"error", error->text()}});
        if (all) all = *error;
      } else {
        line = rollouts[next].prediction;
        if (scores_)
          line = line.with("scores", label_probabilities(program_, rollouts[next].trace));
      }
      if (input) ++next;
      const std::string text = line.to_json() + "\n";
      std::fwrite(text.data(), 1, text.size(), stdout);
    }
    return all;
  }

 private:
  const Program& program_;
  const Evaluator& evaluator_;
  bool scores_;
};

Result<Value> read_input(const Signature& signature, std::string_view text,
                         const std::string& where) {
  Result<Value> input = Value::parse_json(text, where);
  if (!input) return input.error();
  if (!input->is_object())
    return bad_request(where, "expected a JSON object with the program's inputs");
  const Result<void> fits = signature.check_inputs(*input, where);
  if (!fits) return fits.error();
  return input;
}

int run_lines(const Runner& runner, const Signature& signature) {
  int code = kOk;
  std::size_t number = 0;
  std::vector<Result<Value>> batch;
  // False when the answers cannot be written, which main tells.
  const auto flush = [&] {
    const Result<void> done = runner.run(batch);
    if (!done && code == kOk) code = fail(done.error());
    batch.clear();
    return static_cast<bool>(flush_output());
  };
  for (std::string line; std::getline(std::cin, line);) {
    ++number;
    if (trim(line).empty()) continue;
    batch.push_back(read_input(signature, line, "standard input:" + std::to_string(number)));
    if (batch.size() == kBatch && !flush()) return code;
  }
  if (number == 0)
    return fail(
        bad_request("standard input", "has no line; give JSON objects, one a line, or --input"));
  if (!batch.empty()) flush();
  return code;
}

}  // namespace

int run_program(const RunFlags& flags) {
  Result<TaskSpec> task = read_task_file(flags.program);
  if (!task) return fail(task.error());
  if (flags.model) task->model = flags.model;
  Result<ModelSpec> model = task_model(*task);
  if (!model) return fail(model.error());
  const Result<SavedProgram> loaded = task_program(*task, default_format(*model));
  if (!loaded) return fail(loaded.error());
  const Signature& signature = loaded->program.signature();
  if (flags.scores && signature.find_output("scores") != nullptr) {
    return fail(bad_request("--scores",
                            "the program has an output called \"scores\", where the "
                            "probabilities would stand; run it without --scores"));
  }
  std::vector<Result<Value>> single;
  if (flags.input) {
    single.push_back(read_input(signature, *flags.input, "--input"));
    if (!single.front()) return fail(single.front().error());
  }
  const Result<std::map<std::string, ModelSpec>> named = named_models(*task, *loaded);
  if (!named) return fail(named.error());
  task->embedder = flags.model_settings.embedder ? flags.model_settings.embedder : task->embedder;
  const Result<std::optional<ModelSpec>> needed = task_embedder(*task, *loaded);
  if (!needed) return fail(needed.error());

  Models models(flags.model_settings,
                [](const std::string& what) { std::fprintf(stderr, "%s\n", what.c_str()); });
  const Result<const Lm*> lm = models.open(*model);
  if (!lm) return fail(lm.error());
  if (const std::string notice = other_model_notice(*loaded, *model, **lm); !notice.empty())
    std::fprintf(stderr, "%s\n", notice.c_str());
  EvaluatorOptions options;
  options.threads = flags.threads.value_or(task->threads);
  options.seed = flags.seed.value_or(task->seed);
  for (const auto& [name, spec] : *named) {
    const Result<const Lm*> one = models.open(spec);
    if (!one) return fail(one.error());
    options.models[name] = *one;
  }
  const Result<const Embedder*> embedder = models.open_embedder(*needed, loaded->program);
  if (!embedder) return fail(embedder.error());
  options.embedder = *embedder;
  const Evaluator evaluator(**lm, std::move(options));
  const Runner runner(loaded->program, evaluator, flags.scores);
  if (!flags.input) return run_lines(runner, signature);
  const Result<void> done = runner.run(single);
  return done ? kOk : fail(done.error());
}

}  // namespace hone::cli
