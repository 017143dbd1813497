// `hone eval`: a program's score on examples.
#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

#include "hone/base/clock.hpp"
#include "hone/base/file.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/eval/metric.hpp"
#include "hone/exit_code.hpp"
#include "hone/loading.hpp"
#include "hone/options.hpp"
#include "hone/progress.hpp"
#include "hone/report.hpp"
#include "hone/signals.hpp"

namespace hone::cli {
namespace {

struct PreparedEval {
  TaskSpec task;
  SavedProgram saved;
  Metric metric;
  Examples examples;
  ModelSpec model;
  std::map<std::string, ModelSpec> named;
  std::optional<ModelSpec> embedder;
};

Split split_of(const std::string& name) {
  for (const Split split : kSplits) {
    if (name == to_string(split)) return split;
  }
  return Split::test;
}

Result<PreparedEval> prepare(const EvalFlags& flags) {
  Result<TaskSpec> read = task_from(flags.task);
  if (!read) return read.error();
  TaskSpec task = *std::move(read);
  if (flags.program) {
    task.saved_program = flags.program;
    task.program = {};
  }
  const Split split = split_of(flags.split);
  if (!flags.data.empty()) task.split(split).files = flags.data;
  if (task.split(split).files.empty()) {
    return bad_request(task.file.string(), "no " + flags.split +
                                               " examples are given: --data FILE, or " +
                                               flags.split + " = \"…\" under [data]");
  }
  Result<ModelSpec> model = task_model(task);
  if (!model) return model.error();
  Result<SavedProgram> loaded = task_program(task, default_format(*model));
  if (!loaded) return loaded.error();
  if (!task.metric && loaded->score.get("metric").is_string())
    task.metric = loaded->score.get("metric").as_string();
  const Signature& signature = loaded->program.signature();
  if (!task.metric) {
    return bad_request(task.file.string(), "no metric is given: --metric " +
                                               metric_names().front() + ":" +
                                               signature.outputs().back().name);
  }
  Result<Metric> metric = metric_from_spec(*task.metric, signature);
  if (!metric) return metric.error();
  Result<std::map<std::string, ModelSpec>> named = named_models(task, *loaded);
  if (!named) return named.error();
  Result<std::optional<ModelSpec>> embedder = task_embedder(task, *loaded);
  if (!embedder) return embedder.error();
  if (flags.out) {
    std::vector<std::filesystem::path> inputs = task.split(split).files;
    inputs.push_back(task.file);
    if (task.saved_program) inputs.push_back(*task.saved_program);
    if (task.model_settings.cache) inputs.push_back(*task.model_settings.cache);
    for (const Retrieve& step : loaded->program.retrieve_steps())
      inputs.push_back(step.corpus().path());
    if (const Result<void> writable = check_output(*flags.out, inputs); !writable)
      return writable.error();
  }
  Result<Examples> examples = load_split(task, split, signature);
  if (!examples) return examples.error();
  return PreparedEval{.task = std::move(task),
                      .saved = *std::move(loaded),
                      .metric = *std::move(metric),
                      .examples = *std::move(examples),
                      .model = *std::move(model),
                      .named = *std::move(named),
                      .embedder = *std::move(embedder)};
}

std::string results_text(const Examples& examples, const Evaluation& evaluation) {
  std::string text;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    const Rollout& rollout = evaluation.rollouts[i];
    Value::Object fields = {{"example", examples[i].fields()},
                            {"prediction", rollout.prediction},
                            {"score", rollout.score ? Value(*rollout.score) : Value()}};
    if (!rollout.feedback.empty()) fields.emplace_back("feedback", rollout.feedback);
    if (rollout.error) fields.emplace_back("error", rollout.error->text());
    text += Value::object(std::move(fields)).to_json() + "\n";
  }
  return text;
}

// Nothing but errors that say nothing about the program: there is no score to report.
const Error* first_error(const Evaluation& evaluation) {
  if (evaluation.failures() < evaluation.rollouts.size()) return nullptr;
  const Error& error = *evaluation.rollouts.front().error;
  return error.kind == ErrorKind::bad_reply ? nullptr : &error;
}

}  // namespace

int run_eval(const EvalFlags& flags) {
  const Console console = standard_error();
  const SystemClock clock;
  Progress progress(console, clock, flags.quiet);
  const StopOnSignal signals;
  Result<PreparedEval> prepared = prepare(flags);
  if (!prepared) return fail(prepared.error());

  progress.phase("loading " + prepared->model.text);
  Models models(prepared->task.model_settings,
                [&](const std::string& what) { progress.notice(what); });
  const Result<const Lm*> lm = models.open(prepared->model);
  progress.clear();
  if (!lm) return fail(lm.error());
  const std::string notice = other_model_notice(prepared->saved, prepared->model, **lm);
  if (!notice.empty()) progress.notice(notice);
  EvaluatorOptions options;
  options.threads = prepared->task.threads;
  options.seed = prepared->task.seed;
  options.observer = progress.observer();
  options.stop = signals.token();
  for (const auto& [name, spec] : prepared->named) {
    const Result<const Lm*> named = models.open(spec);
    if (!named) return fail(named.error());
    options.models[name] = *named;
  }
  const Result<const Embedder*> embedder =
      models.open_embedder(prepared->embedder, prepared->saved.program);
  if (!embedder) return fail(embedder.error());
  options.embedder = *embedder;
  const Evaluator evaluator(**lm, std::move(options));

  // A server that is not there is told after one call, not after all of them.
  const Examples one(prepared->examples.begin(), prepared->examples.begin() + 1);
  const Evaluation probe = evaluator.evaluate(prepared->saved.program, one, prepared->metric);
  const Error* unreachable = first_error(probe);
  if (unreachable != nullptr && unreachable->kind == ErrorKind::temporary)
    return fail(*unreachable);

  const Clock::TimePoint begin = clock.now();
  models.forget();
  progress.phase("evaluating");
  const Evaluation evaluation =
      evaluator.evaluate(prepared->saved.program, prepared->examples, prepared->metric);
  const double seconds = std::chrono::duration<double>(clock.now() - begin).count();
  progress.clear();
  if (signals.requested()) return fail(stopped("", "stopped before there was a result"));
  if (const Error* error = first_error(evaluation)) return fail(*error);
  if (flags.out) {
    const Result<void> written =
        write_file(*flags.out, results_text(prepared->examples, evaluation));
    if (!written) return fail(bad_request(written.error().where, written.error().message));
  }
  const std::string& metric = *prepared->task.metric;
  const std::string text =
      flags.json ? evaluation_json(metric, prepared->model.text, evaluation, seconds) + "\n"
                 : evaluation_text(metric, evaluation, seconds);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 ? kOk : kFailed;
}

}  // namespace hone::cli
