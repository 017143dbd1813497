#include "hone/optimize_setup.hpp"

#include <algorithm>
#include <utility>
#include <vector>

#include "hone/base/text.hpp"
#include "hone/options.hpp"

namespace hone::cli {
namespace {

namespace fs = std::filesystem;

// What must not be written over. The program to tune may be: the tuned one takes its place.
std::vector<fs::path> files_read(const TaskSpec& task, const Program& student) {
  std::vector<fs::path> files{task.file};
  for (const SplitSpec& split : task.data)
    files.insert(files.end(), split.files.begin(), split.files.end());
  if (task.teacher_program) files.push_back(*task.teacher_program);
  if (task.log) files.push_back(*task.log);
  if (task.model_settings.cache) files.push_back(*task.model_settings.cache);
  for (const Retrieve& step : student.retrieve_steps()) files.push_back(step.corpus().path());
  return files;
}

fs::path default_out(const TaskSpec& task) {
  if (task.file.empty()) return "program.hone.json";
  const fs::path stem = task.file.parent_path() / task.file.stem();
  // A program tuned further would replace itself.
  if (task.saved_program) return fs::path(stem).replace_extension("tuned.hone.json");
  return stem.string() + ".hone.json";
}

Result<std::optional<ModelSpec>> optional_model(const std::optional<std::string>& spec) {
  if (!spec) return std::optional<ModelSpec>();
  Result<ModelSpec> checked = check_model(*spec);
  if (!checked) return checked.error();
  return std::optional<ModelSpec>(*std::move(checked));
}

// A price of a model the task does not use is a slip.
Result<void> check_prices(const TaskSpec& task, const ModelSpec& model,
                          const std::map<std::string, ModelSpec>& named) {
  std::vector<std::string> known = {model.text};
  for (const auto& spec : {task.teacher_model, task.proposer_model}) {
    if (spec) known.push_back(*spec);
  }
  for (const auto& [name, spec] : named) known.insert(known.end(), {name, spec.text});
  for (const auto& [name, price] : task.prices) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return bad_request(task.file.string(), "prices: no model of this task is \"" + name + "\"" +
                                                 did_you_mean(name, known) +
                                                 " (models: " + join(known, ", ") + ")");
    }
  }
  return {};
}

}  // namespace

Result<Prepared> prepare(TaskSpec task, bool dry_run) {
  Result<ModelSpec> model = task_model(task);
  if (!model) return model.error();
  Result<SavedProgram> loaded = task_program(task, default_format(*model));
  if (!loaded) return loaded.error();
  const Program student = loaded->program;
  const Signature& signature = student.signature();
  if (!task.metric) {
    const Value saved = loaded->score.get("metric");
    if (!saved.is_string()) {
      return bad_request(task.file.string(), "no metric is given: --metric " +
                                                 metric_names().front() + ":" +
                                                 signature.outputs().back().name +
                                                 ", or metric = \"…\" in the task file");
    }
    task.metric = saved.as_string();
  }
  Result<Metric> metric = metric_from_spec(*task.metric, signature);
  if (!metric) return metric.error();
  Result<std::unique_ptr<Optimizer>> optimizer =
      make_optimizer(task.optimizer, task.optimizer_options);
  if (!optimizer) return optimizer.error();
  Result<Space> space = task_space(task, *loaded);
  if (!space) return space.error();
  if (const Result<void> able = check_space(**optimizer, *space); !able) return able.error();
  if (task.goals.uses(Quantity::money) && !task.has_prices()) {
    return bad_request("goals",
                       "money is named, but there are no prices of tokens: give them with "
                       "--price-prompt and --price-generated, or under [budget] or [prices]");
  }
  Result<std::map<std::string, ModelSpec>> named = named_models(task, *loaded, &*space);
  if (!named) return named.error();
  if (const Result<void> priced = check_prices(task, *model, *named); !priced)
    return priced.error();
  Result<std::optional<ModelSpec>> teacher_model = optional_model(task.teacher_model);
  if (!teacher_model) return teacher_model.error();
  Result<std::optional<ModelSpec>> proposer_model = optional_model(task.proposer_model);
  if (!proposer_model) return proposer_model.error();
  Result<std::optional<ModelSpec>> embedder = task_embedder(task, *loaded);
  if (!embedder) return embedder.error();
  const SearchSetting setting{student, *space, embedder->has_value()};
  if (const Result<void> fits = (*optimizer)->check(setting); !fits) return fits.error();
  std::optional<Program> teacher;
  if (task.teacher_program) {
    const ModelSpec& runs_on = *teacher_model ? **teacher_model : *model;
    Result<SavedProgram> read = program_from_file(*task.teacher_program, default_format(runs_on));
    if (!read) return read.error();
    teacher = std::move(read->program);
  }
  const fs::path out = task.out.value_or(default_out(task));
  const Result<void> writable = check_output(out, files_read(task, student));
  if (!writable) return writable.error();
  if (out.extension() != ".json") {
    return bad_request(
        "--out", "'" + out.string() + "' has to end in .json, which says that a file is a program");
  }
  Result<Splits> splits = load_splits(task, signature);
  if (!splits) return splits.error();
  std::unique_ptr<StudyLog> log;
  if (task.log && !dry_run) {
    Result<std::unique_ptr<StudyLog>> opened = open_study_log(*task.log);
    if (!opened) return opened.error();
    log = *std::move(opened);
  }
  return Prepared{.task = std::move(task),
                  .student = student,
                  .splits = *std::move(splits),
                  .metric = *std::move(metric),
                  .optimizer = *std::move(optimizer),
                  .space = *std::move(space),
                  .model = *std::move(model),
                  .named = *std::move(named),
                  .teacher_model = *std::move(teacher_model),
                  .proposer_model = *std::move(proposer_model),
                  .embedder = *std::move(embedder),
                  .teacher = std::move(teacher),
                  .out = out,
                  .log = std::move(log)};
}

Result<OpenedModels> open_all(const Prepared& prepared, Models& models) {
  OpenedModels opened;
  const auto open = [&](const ModelSpec& spec, const Lm*& target) -> Result<void> {
    const Result<const Lm*> lm = models.open(spec);
    if (!lm) return lm.error();
    target = *lm;
    const auto price = prepared.task.prices.find(spec.text);
    if (price != prepared.task.prices.end()) opened.prices[(*lm)->info().identity] = price->second;
    return {};
  };
  if (Result<void> done = open(prepared.model, opened.main); !done) return done.error();
  if (prepared.teacher_model) {
    if (Result<void> done = open(*prepared.teacher_model, opened.teacher); !done)
      return done.error();
  }
  if (prepared.proposer_model) {
    if (Result<void> done = open(*prepared.proposer_model, opened.proposer); !done)
      return done.error();
  }
  const Result<const Embedder*> embedder =
      models.open_embedder(prepared.embedder, prepared.student);
  if (!embedder) return embedder.error();
  opened.embedder = *embedder;
  for (const auto& [name, spec] : prepared.named) {
    if (Result<void> done = open(spec, opened.named[name]); !done) return done.error();
    const auto price = prepared.task.prices.find(name);
    if (price != prepared.task.prices.end())
      opened.prices[opened.named[name]->info().identity] = price->second;
  }
  return opened;
}

}  // namespace hone::cli
