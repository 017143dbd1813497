// `hone models`: the local models known by name.
#include <cstdio>
#include <string>

#include "hone/base/clock.hpp"
#include "hone/console.hpp"
#include "hone/exit_code.hpp"
#include "hone/lm/local.hpp"
#include "hone/lm/model_store.hpp"
#include "hone/model_spec.hpp"
#include "hone/options.hpp"
#include "hone/progress.hpp"
#include "hone/signals.hpp"

namespace hone::cli {
namespace {

int list_models(const ModelStore& store) {
  for (const ModelStatus& model : store.list()) {
    const std::string state =
        model.is_here ? std::to_string(model.bytes / 1'000'000) + " MB" : "not here";
    std::printf("%-20s %-9s %s (%s)\n", model.name.c_str(), state.c_str(),
                model.description.c_str(), model.license.c_str());
  }
  return kOk;
}

int pull_model(const ModelStore& store, const std::string& name) {
  const Console console = standard_error();
  const SystemClock clock;
  Progress progress(console, clock, false);
  const StopOnSignal signals;
  const Result<std::filesystem::path> file = store.pull(
      name, quantize_gguf,
      [&](const PullProgress& step) {
        progress.notice(name + ": " + step.what + " (" + std::to_string(step.done + 1) + "/" +
                        std::to_string(step.steps) + ")");
      },
      signals.token());
  if (!file) return fail(file.error());
  std::printf("%s\n", file->c_str());
  return kOk;
}

int print_path(const ModelStore& store, const std::string& name) {
  const Result<std::filesystem::path> file = store.path(name);
  if (!file) return fail(file.error());
  std::printf("%s\n", file->c_str());
  return kOk;
}

int tune_model(const std::string& name) {
  const Result<ModelSpec> spec = check_model(name);
  if (!spec) return fail(spec.error());
  if (spec->place != ModelPlace::local) {
    return fail(bad_request("model " + name, "runs on a server; only local models are tuned here"));
  }
  const Result<LocalOptions> options = local_options(*spec);
  if (!options) return fail(options.error());
  const Result<TuneReport> report = tune_local(*options);
  if (!report) return fail(report.error());
  std::fputs(report->table.c_str(), stdout);
  std::printf("fastest, and used from now on: flash attention %s, width %zu, step tokens %zu\n",
              report->best.flash_attention ? "on" : "off", report->best.width,
              report->best.step_tokens);
  const Result<ModeDeviation> deviation = measure_deviation(*options);
  if (!deviation && deviation.error().kind == ErrorKind::bad_request) {
    std::printf("no exact mode to compare with: %s\n", deviation.error().text().c_str());
    return kOk;
  }
  if (!deviation) return fail(deviation.error());
  std::printf(
      "fast mode against exact mode: logits differ by %.3f on average, %.2f at most; "
      "another likeliest token in %zu of %zu rows, another label in %zu of %zu choices\n",
      deviation->mean, deviation->largest, deviation->other_tokens, deviation->rows,
      deviation->other_choices, deviation->choices);
  return kOk;
}

}  // namespace

int run_models(const ModelsFlags& flags) {
  if (flags.action == ModelsAction::tune) return tune_model(flags.name);
  const Result<ModelStore> store = ModelStore::in_default_cache();
  if (!store) return fail(store.error());
  switch (flags.action) {
    case ModelsAction::list:
      return list_models(*store);
    case ModelsAction::pull:
      return pull_model(*store, flags.name);
    case ModelsAction::path:
    case ModelsAction::tune:
      return print_path(*store, flags.name);
  }
  return kFailed;
}

}  // namespace hone::cli
