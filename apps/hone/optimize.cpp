// `hone optimize`: everything about the input is checked first, then the model is loaded, then it
// is spent.
#include "hone/optimize/optimize.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/base/text.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/eval/goal.hpp"
#include "hone/exit_code.hpp"
#include "hone/lm/cached_lm.hpp"
#include "hone/loading.hpp"
#include "hone/optimize/estimate.hpp"
#include "hone/optimize_setup.hpp"
#include "hone/options.hpp"
#include "hone/program/saved_program.hpp"
#include "hone/progress.hpp"
#include "hone/report.hpp"
#include "hone/signals.hpp"
#include "hone/store/study_log.hpp"

namespace hone::cli {
namespace {

Value saved_score(const Report& report) {
  Value score = Value::object({{"metric", report.metric},
                               {"val", report.val_after.mean},
                               {"val_before", report.val_before.mean},
                               {"val_examples", report.val_after.met}});
  if (!report.goals.is_score()) score = score.with("goals", report.goals.text());
  if (report.test_before && report.test_after) {
    score = score.with("test", report.test_after->mean)
                .with("test_before", report.test_before->mean)
                .with("test_examples", report.test_after->examples);
  }
  return score;
}

// Scores as an evaluation, for their interval.
SplitScore score_of(std::span<const std::optional<double>> scores, const Trial& trial) {
  Evaluation evaluation;
  for (const std::optional<double>& score : scores) {
    Rollout rollout;
    rollout.score = score;
    evaluation.rollouts.push_back(std::move(rollout));
  }
  SplitScore score = split_score(evaluation);
  score.failures = trial.failures;
  score.met -= trial.scores.size() - trial.examples;
  return score;
}

// On what the search compared them by: the validation examples, and after a run-off training
// examples beside them.
void compare_trials(const Trial& before, const Trial& after, Report& report) {
  std::vector<std::optional<double>> befores = before.scores, afters = after.scores;
  if (!after.further_scores.empty()) {
    const PairedScores pairs = paired_scores(before, after);
    befores.assign(pairs.first.begin(), pairs.first.end());
    afters.assign(pairs.second.begin(), pairs.second.end());
    report.val_further = pairs.first.size() - std::min(pairs.first.size(), before.scores.size());
  }
  report.val_before = score_of(befores, before);
  report.val_after = score_of(afters, after);
}

std::string winning_prompt(const Rollout& rollout) {
  std::string text;
  for (const TraceStep& step : rollout.trace.steps) {
    if (!step.asked_model()) continue;  // what it found stands in the next prompt
    if (rollout.trace.steps.size() > 1) text += "step " + step.path + "\n";
    text += step.prompt.dump() + "\nreply:\n" + step.reply + "\n";
  }
  return text;
}

std::string quoted(const std::string& word) {
  std::string text = "'";
  for (const char byte : word) text += byte == '\'' ? std::string("'\\''") : std::string(1, byte);
  return text + "'";
}

std::string next_command(const Prepared& prepared, const Example& shown) {
  return "hone run " + prepared.out.string() + " --input " +
         quoted(shown.inputs(prepared.student.signature()).to_json());
}

// The first with the best score: a wrong answer would be an odd thing to show for it.
std::size_t example_to_show(const Evaluation& evaluation) {
  const auto& rollouts = evaluation.rollouts;
  const auto best = std::ranges::max_element(
      rollouts, {}, [](const Rollout& run) { return run.score.value_or(-1); });
  return static_cast<std::size_t>(best - rollouts.begin());
}

// One optimization under way: what its steps share.
class Run {
 public:
  Run(const Prepared& prepared, const Models& store, const OpenedModels& models, Progress& progress,
      const StopOnSignal& signals, bool is_quiet)
      : prepared_(prepared),
        store_(store),
        models_(models),
        progress_(progress),
        signals_(signals),
        is_quiet_(is_quiet) {}

  // What it would take, after a handful of calls.
  Result<Estimate> rehearse() {
    if (const Result<void> watched = watch_models(); !watched) return watched.error();
    if (const Result<void> probed = probe(prepared_.student); !probed) return probed.error();
    progress_.phase("rehearsal");
    // What was computed for the first call would make the next ones look cheap.
    store_.forget();
    EstimateOptions options;
    options.test = prepared_.splits.of(Split::test);
    Result<Estimate> expected = estimate(prepared_.student, task(), *models_.main,
                                         *prepared_.optimizer, search_options(), options);
    if (expected) ++expected->probe_calls;
    return expected;
  }

  Result<Report> operator()() {
    if (const Result<void> watched = watch_models(); !watched) return watched.error();
    const Clock::TimePoint begin = clock_.now();
    if (const Result<void> fits = check_log(prepared_.student, task(), *models_.main,
                                            *prepared_.optimizer, search_options());
        !fits) {
      return fits.error();
    }
    // One run before hundreds: a server that is not there or a prompt that does not fit is told at
    // once.
    if (const Result<void> probed = probe(prepared_.student); !probed) return probed.error();
    const Examples& test = prepared_.splits.of(Split::test);
    std::optional<Evaluation> before;
    if (!test.empty()) {
      progress_.phase("test before");
      before = evaluate_afresh(prepared_.student, test, signals_.token());
      if (signals_.requested()) return stopped("", "stopped before there was a result");
      report_.test_before = split_score(*before);
    }
    tell_estimate(before);
    Result<Optimized> best =
        optimize(prepared_.student, task(), *models_.main, *prepared_.optimizer, search_options());
    if (!best) return best.error();
    if (signals_.requested() && !best->best.complete)
      return stopped("", "stopped before there was a result");
    if (const Result<void> fits = check_trials(*best); !fits) return fits.error();
    describe(*best);
    if (const Result<void> saved = save(best->program); !saved) return saved.error();
    if (!signals_.requested()) measure(best->program, before);
    if (report_.test_after) {
      if (const Result<void> saved = save(best->program); !saved) return saved.error();
    }
    if (before) count(*before);
    report_.total_seconds = std::chrono::duration<double>(clock_.now() - begin).count();
    return std::move(report_);
  }

 private:
  // The models as they are outside of the search: watched, and with a log their replies are kept
  // there too, so that a run that goes on measures the very same.
  Result<void> watch_models() {
    const auto watch = [&](const Lm& lm) -> Result<const Lm*> {
      const Lm* inner = &lm;
      if (prepared_.log) {
        CacheOptions options;
        options.file = prepared_.log->file();
        options.file_kind = "study log";
        Result<std::unique_ptr<CachedLm>> cached = CachedLm::open(
            std::shared_ptr<const Lm>(std::shared_ptr<const Lm>(), &lm), std::move(options));
        if (!cached) return cached.error();
        kept_.push_back(*std::move(cached));
        inner = kept_.back().get();
      }
      watched_.push_back(std::make_unique<ObservedLm>(*inner));
      return static_cast<const Lm*>(watched_.back().get());
    };
    Result<const Lm*> main = watch(*models_.main);
    if (!main) return main.error();
    measured_ = *main;
    for (const auto& [name, lm] : models_.named) {
      Result<const Lm*> named = watch(*lm);
      if (!named) return named.error();
      measured_named_[name] = *named;
    }
    return {};
  }

  Evaluator evaluator(std::stop_token stop) const {
    EvaluatorOptions options;
    options.threads = prepared_.task.threads;
    options.seed = prepared_.task.seed;
    options.models = measured_named_;
    options.embedder = models_.embedder;
    options.observer = progress_.observer();
    options.stop = std::move(stop);
    return Evaluator(*measured_, std::move(options));
  }

  Evaluation evaluate(const Program& program, const Examples& examples,
                      std::stop_token stop) const {
    return evaluator(std::move(stop)).evaluate(program, examples, prepared_.metric);
  }

  // The scores `hone eval` gives, whatever the models were asked before.
  Evaluation evaluate_afresh(const Program& program, const Examples& examples,
                             std::stop_token stop) const {
    store_.forget();
    return evaluate(program, examples, std::move(stop));
  }

  Result<void> probe(const Program& program) const {
    const Examples one(prepared_.splits.of(Split::val).begin(),
                       prepared_.splits.of(Split::val).begin() + 1);
    progress_.phase("first call");
    const Evaluation evaluation = evaluate(program, one, signals_.token());
    const std::optional<Error>& error = evaluation.rollouts.front().error;
    // A reply that cannot be read is the program's own fault, and what optimizing is for.
    if (error && error->kind != ErrorKind::bad_reply) return *error;
    return {};
  }

  Task task() const {
    return {.train = prepared_.splits.of(Split::train),
            .val = prepared_.splits.of(Split::val),
            .metric = prepared_.metric,
            .goals = prepared_.task.goals};
  }

  SearchOptions search_options() const {
    SearchOptions options;
    options.seed = prepared_.task.seed;
    options.threads = prepared_.task.threads;
    options.budget = prepared_.task.budget;
    options.budget.prices = models_.prices;
    options.race.enabled = prepared_.task.race != Racing::off;
    options.race.by_rank = prepared_.task.race == Racing::fast;
    options.space = prepared_.space;
    options.teacher = prepared_.teacher;
    options.teacher_lm = models_.teacher;
    options.log = prepared_.log.get();
    options.proposer_lm = models_.proposer;
    options.models = models_.named;
    options.embedder = models_.embedder;
    options.observer = progress_.observer();
    options.stop = signals_.token();
    return options;
  }

  // From what measuring the test examples took, without a call of its own.
  void tell_estimate(const std::optional<Evaluation>& before) {
    if (is_quiet_ || !before) return;
    // Replies out of the log tell nothing about time.
    if (const Usage usage = before->usage(); usage.cached_calls == usage.lm_calls) return;
    EstimateOptions options;
    for (const auto& lm : watched_) options.known.merge(lm->observations());
    if (options.known.empty()) return;
    const auto full =
        std::count_if(before->rollouts.begin(), before->rollouts.end(),
                      [](const Rollout& run) { return run.score && *run.score >= 1; });
    options.success =
        (static_cast<double>(full) + 0.5) / (static_cast<double>(before->rollouts.size()) + 1);
    options.unknown_probes = 0;
    const Result<Estimate> expected = estimate(prepared_.student, task(), *models_.main,
                                               *prepared_.optimizer, search_options(), options);
    if (expected) progress_.notice("the search is expected to take " + estimate_line(*expected));
  }

  // When not one candidate could be run, the reason is the answer, and not that the baseline is
  // best.
  Result<void> check_trials(const Optimized& optimized) const {
    const Trial* failed = nullptr;
    for (const Trial& trial : optimized.trials) {
      if (trial.candidate.empty()) continue;  // the baseline
      if (trial.examples == 0 || trial.failures < trial.examples) return {};
      failed = &trial;
    }
    if (failed == nullptr || signals_.requested()) return {};
    const Result<Program> program = prepared_.student.with(failed->candidate);
    if (!program) return program.error();
    const Result<void> probed = probe(*program);
    if (probed) return {};
    return Error{probed.error().kind, probed.error().where,
                 "every candidate failed: " + probed.error().message};
  }

  void describe(const Optimized& optimized) {
    report_.metric = *prepared_.task.metric;
    report_.model = prepared_.model.text;
    report_.optimizer = prepared_.optimizer->name();
    compare_trials(optimized.baseline, optimized.best, report_);
    report_.seconds = optimized.seconds;
    report_.usage += optimized.usage;
    report_.money += optimized.money;
    report_.trials = optimized.trials.size();
    report_.best_origin = optimized.best.origin;
    report_.goals = prepared_.task.goals;
    report_.front = front_rows(optimized);
    if (optimized.best.excess > 0)
      progress_.notice("no trial stayed within the limits; the one least beyond them is kept");
    for (const std::string& formula : report_.goals.without_value(optimized.best.measures)) {
      progress_.notice("\"" + formula +
                       "\" has no value for the winner either: it did not help to choose it");
    }
    report_.stop_reason = optimized.stop_reason;
    report_.out = prepared_.out;
    report_.next = next_command(prepared_, prepared_.splits.of(Split::val).front());
    for (const Trial& trial : optimized.trials) report_.failures += trial.failures;
  }

  void measure(const Program& program, const std::optional<Evaluation>& before) {
    const Examples& test = prepared_.splits.of(Split::test);
    if (test.empty()) {
      const Examples& val = prepared_.splits.of(Split::val);
      const Evaluation shown =
          evaluate(program, Examples(val.begin(), val.begin() + 1), signals_.token());
      if (!signals_.requested()) report_.prompt = winning_prompt(shown.rollouts.front());
      return;
    }
    progress_.phase("test after");
    const Evaluation after = evaluate_afresh(program, test, signals_.token());
    count(after);
    if (signals_.requested()) return;  // part of the examples would be another score
    report_.test_after = split_score(after);
    const std::size_t shown = example_to_show(after);
    report_.prompt = winning_prompt(after.rollouts[shown]);
    report_.next = next_command(prepared_, test[shown]);
    compare(test, *before, after, report_);
  }

  void count(const Evaluation& evaluation) {
    report_.usage += evaluation.usage();
    const Prices prices = search_options().budget.prices_of(*models_.main, models_.named);
    // A step may have asked a named model; the measure is of a thousand runs.
    for (const Rollout& rollout : evaluation.rollouts)
      report_.money += measures_of(rollout, prices).money / 1000;
    report_.failures += evaluation.failures();
    report_.parse_failures += evaluation.parse_failures();
  }

  Result<void> save(const Program& program) const {
    Value model = Value::object(
        {{"identity", models_.main->info().identity}, {"spec", prepared_.model.text}});
    Value::Object named;
    for (const Predictor& predictor : program.predictors()) {
      const auto spec = prepared_.named.find(predictor.options().model);
      if (spec == prepared_.named.end()) continue;
      const bool is_known = std::any_of(named.begin(), named.end(), [&](const auto& known) {
        return known.first == spec->first;
      });
      if (!is_known) named.emplace_back(spec->first, spec->second.text);
    }
    std::sort(named.begin(), named.end(),
              [](const auto& a, const auto& b) { return a.first < b.first; });
    if (!named.empty()) model = model.with("models", Value::object(std::move(named)));
    if (!program.embedder().empty()) model = model.with("embedder", prepared_.embedder->text);
    const SavedProgram saved{
        .program = program, .score = saved_score(report_), .model = std::move(model)};
    Result<void> written = save_program(prepared_.out, saved);
    if (written) return written;
    // A disk that is full is the caller's to mend.
    return bad_request(written.error().where,
                       written.error().message + " (what was there before is untouched)");
  }

  const Prepared& prepared_;
  const Models& store_;
  const OpenedModels& models_;
  Progress& progress_;
  const StopOnSignal& signals_;
  bool is_quiet_;
  std::vector<std::unique_ptr<CachedLm>> kept_;
  std::vector<std::unique_ptr<ObservedLm>> watched_;
  const Lm* measured_ = nullptr;
  std::map<std::string, const Lm*, std::less<>> measured_named_;
  SystemClock clock_;
  Report report_;
};

// All, or the named one with its options.
int list_optimizers(const std::optional<std::string>& name) {
  if (name) {
    if (const auto made = make_optimizer(*name); !made) return fail(made.error());
  }
  for (const OptimizerInfo& info : optimizers()) {
    if (name && info.name != *name) continue;
    std::printf("%s: %s; for %s\n", info.name.c_str(), info.summary.c_str(), info.suits.c_str());
    if (!name) continue;
    for (const std::string& option : info.options) std::printf("  %s\n", option.c_str());
  }
  return kOk;
}

}  // namespace

int run_optimize(const OptimizeFlags& flags) {
  if (flags.list) return list_optimizers(flags.optimizer);
  const Console console = standard_error();
  const SystemClock clock;
  Progress progress(console, clock, flags.quiet);
  const StopOnSignal signals(
      [&] { progress.notice("stopping: the best so far will be saved (again: end at once)"); });

  Result<TaskSpec> task = task_from(flags);
  if (!task) return fail(task.error());
  // Without prefixes of earlier calls, what a run that goes on computes does not differ in a bit
  // from what an uninterrupted one did.
  task->model_settings.keep_prefixes = !task->log;
  Result<Prepared> prepared = prepare(*std::move(task), flags.dry_run);
  if (!prepared) return fail(prepared.error());
  for (const std::string& notice : prepared->splits.notices) progress.notice(notice);

  progress.phase("loading " + prepared->model.text);
  Models models(prepared->task.model_settings,
                [&](const std::string& what) { progress.notice(what); });
  const Result<OpenedModels> opened = open_all(*prepared, models);
  progress.clear();
  if (!opened) return fail(opened.error());
  Run run(*prepared, models, *opened, progress, signals, flags.quiet);
  if (flags.dry_run) {
    const Result<Estimate> expected = run.rehearse();
    progress.clear();
    if (!expected) return fail(expected.error());
    const bool race = prepared->task.race != Racing::off;
    const std::string text =
        flags.json ? estimate_json(*expected, race) + "\n" : estimate_text(*expected, race);
    std::fwrite(text.data(), 1, text.size(), stdout);
    return std::fflush(stdout) == 0 ? kOk : kFailed;
  }
  const Result<Report> report = run();
  progress.clear();
  if (!report) return fail(report.error());
  const std::string text = flags.json ? report_json(*report) + "\n" : report_text(*report);
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 ? kOk : kFailed;
}

}  // namespace hone::cli
