#include "optimize/demo_sets.hpp"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {
namespace {

constexpr std::size_t kBytesPerToken = 3;  // English has about four

// The fields of `signature` an object holds, in the signature's order.
Value pick_fields(const Signature& signature, const Value& object) {
  Value::Object fields;
  for (const std::vector<Field>* part : {&signature.inputs(), &signature.outputs()}) {
    for (const Field& field : *part) {
      const Value* value = object.find(field.name);
      if (value && field.type.check(*value, field.name)) fields.emplace_back(field.name, *value);
    }
  }
  return Value::object(std::move(fields));
}

bool has_input_and_output(const Signature& signature, const Value& demo) {
  const auto any = [&](const std::vector<Field>& fields) {
    return std::any_of(fields.begin(), fields.end(),
                       [&](const Field& field) { return demo.find(field.name); });
  };
  return (signature.inputs().empty() || any(signature.inputs())) && any(signature.outputs());
}

// A teacher that shows an example its own answer would be copied from is no teacher: the program
// without it.
Program without_demo(const Program& program, const Example& example) {
  Candidate candidate;
  for (const Predictor& predictor : program.predictors()) {
    const std::vector<Value>& demos = predictor.options().demos;
    Value::List others;
    for (const Value& demo : demos) {
      if (!(pick_fields(predictor.signature(), demo) ==
            pick_fields(predictor.signature(), example.fields()))) {
        others.push_back(demo);
      }
    }
    if (others.size() != demos.size())
      candidate = candidate.with(predictor.path() + ".demos", Value(std::move(others)));
  }
  return candidate.empty() ? program : program.with(candidate).value_or(program);
}

bool is_shown(const Program& program, const Example& example) {
  for (const Predictor& predictor : program.predictors()) {
    for (const Value& demo : predictor.options().demos) {
      if (pick_fields(predictor.signature(), demo) ==
          pick_fields(predictor.signature(), example.fields()))
        return true;
    }
  }
  return false;
}

// Demos for each of the student's predictors out of one successful run: of several calls of a
// predictor the last, or with a random stream half the time an earlier one.
void add_demos(const Program& student, const Example& example, const Rollout& rollout, Rng* rng,
               DemoSets& sets) {
  for (const Predictor& predictor : student.predictors()) {
    const Signature& signature = predictor.effective_signature();
    std::vector<Value> own;  // calls of the predictor of the same path
    for (const TraceStep& step : rollout.trace.steps) {
      if (std::optional<Value> demo = demo_of_step(predictor, step))
        own.push_back(*std::move(demo));
    }
    if (own.empty()) {
      // Another structure: everything the run knew, by name.
      Value object = example.inputs(signature);
      for (const TraceStep& step : rollout.trace.steps) {
        // What a metric asked, and was told, is not the program's work.
        if (step.path.starts_with("metric.")) continue;
        for (const Value* part : {&step.inputs, &step.outputs}) {
          if (!part->is_object()) continue;
          for (const auto& [name, value] : part->as_object()) object = object.with(name, value);
        }
      }
      const Value demo = pick_fields(signature, object);
      if (has_input_and_output(signature, demo)) own.push_back(demo);
    }
    if (own.empty()) continue;
    // Earlier calls too, so that demos of a loop show its middle.
    const bool last = !rng || own.size() == 1 || rng->uniform() < 0.5;
    sets[predictor.path()].push_back(last ? own.back() : own[rng->below(own.size() - 1)]);
  }
}

}  // namespace

Result<std::vector<std::string>> tunable_demo_paths(const Search& search, Structure structure) {
  std::vector<std::string> paths;
  for (const Predictor& predictor : structure == Structure::any
                                        ? search.student().predictors()
                                        : predictors_in_use(search.student())) {
    if (search.space().find(predictor.path() + ".demos")) paths.push_back(predictor.path());
  }
  if (paths.empty()) {
    return bad_request("search space",
                       "has no demos to choose; this optimizer needs a parameter '*.demos'");
  }
  return paths;
}

std::vector<Value> draw_labeled(const Predictor& predictor, const Examples& examples,
                                std::size_t count, bool balanced, Rng& rng,
                                std::span<const Value> shown) {
  const Signature& signature = predictor.effective_signature();
  std::vector<Value> pool;
  for (const Example& example : examples) {
    Value demo = pick_fields(signature, example.fields());
    if (has_input_and_output(signature, demo)) pool.push_back(std::move(demo));
  }
  rng.shuffle(pool);
  const auto label =
      std::find_if(signature.outputs().begin(), signature.outputs().end(), [](const Field& field) {
        return field.type.kind() == TypeKind::enumeration || field.type.kind() == TypeKind::boolean;
      });
  if (balanced && label != signature.outputs().end()) {
    // Round robin over the labels: the i-th demo of each label before the (i+1)-th of any.
    std::map<std::string, std::size_t> seen;
    for (const Value& demo : shown) ++seen[demo.get(label->name).text()];
    std::vector<std::pair<std::size_t, Value>> ranked;
    for (Value& demo : pool) {
      const std::size_t rank = seen[demo.get(label->name).text()]++;
      ranked.emplace_back(rank, std::move(demo));
    }
    std::stable_sort(ranked.begin(), ranked.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    pool.clear();
    for (auto& [rank, demo] : ranked) pool.push_back(std::move(demo));
    if (pool.size() > count) pool.resize(count);
    // Labels in a fixed turn would be a pattern of their own to go on with.
    rng.shuffle(pool);
    return pool;
  }
  if (pool.size() > count) pool.resize(count);
  return pool;
}

BootstrapOptions read_bootstrap_options(OptionReader& options, BootstrapOptions defaults) {
  BootstrapOptions out = defaults;
  out.max_bootstrapped = options.get("max_bootstrapped", out.max_bootstrapped,
                                     "demos from the teacher's runs, at most");
  out.max_labeled =
      options.get("max_labeled", out.max_labeled, "demos in all, filled up with labelled examples");
  out.rounds = options.get("rounds", out.rounds,
                           "tries an example gets; later ones at temperature 1", kAtLeastOne);
  out.threshold =
      options.get("threshold", out.threshold, "least metric score of a run worth showing");
  out.balanced =
      options.get("balanced", out.balanced, "let labels take turns among the labelled demos");
  return out;
}

double measurement_calls(const Search& search) {
  return std::max(1.0, search.calls_per_run(search.student())) *
         static_cast<double>(search.val().size());
}

std::size_t affordable_teacher_runs(const Search& search, std::size_t wanted, double kept) {
  const std::optional<double> left = search.calls_left();
  const double each = std::max(1.0, search.calls_per_run(search.teacher()));
  while (left && wanted > 0 && *left < each * static_cast<double>(wanted) + kept) --wanted;
  return wanted;
}

BootstrapOptions keep_measurement(const Search& search, BootstrapOptions options, double further) {
  const double kept = measurement_calls(search) + further;
  const std::optional<double> left = search.calls_left();
  if (left && *left >= kept) options.kept_calls = kept;
  return options;
}

namespace {

// In their order, but those that the teacher shows after all others.
std::vector<const Example*> shown_last(const Program& teacher, const Examples& order) {
  std::vector<const Example*> waiting;
  for (const bool shown : {false, true}) {
    for (const Example& example : order) {
      if (is_shown(teacher, example) == shown) waiting.push_back(&example);
    }
  }
  return waiting;
}

// The teacher's runs, all at once; on an example that it shows, without that demo.
std::vector<Rollout> teach(Search& search, std::span<const Example* const> examples,
                           std::size_t round) {
  const Program& teacher = search.teacher();
  std::vector<Program> programs;
  programs.reserve(examples.size());
  std::vector<RolloutTask> tasks;
  for (const Example* example : examples) {
    const bool shown = is_shown(teacher, *example);
    if (shown) programs.push_back(without_demo(teacher, *example));
    tasks.push_back({shown ? &programs.back() : &teacher, example, 0, std::nullopt});
  }
  RunOptions run;
  run.teacher_model = true;
  run.sample = round;
  if (round > 0) run.temperature = 1.0;
  return search.run(tasks, run);
}

// Demos of the teacher's successful runs; the examples of these go into `used`.
DemoSets taught_demos(Search& search, const Examples& order, const BootstrapOptions& options,
                      Rng& rng, std::set<Hash>& used) {
  DemoSets demos;
  const std::vector<const Example*> waiting = shown_last(search.teacher(), order);
  const std::size_t block = std::max<std::size_t>(8, options.max_bootstrapped * 2);
  for (std::size_t round = 0; round < options.rounds; ++round) {
    std::size_t start = 0;
    while (start < waiting.size() && used.size() < options.max_bootstrapped && !search.done()) {
      std::size_t count = std::min(block, waiting.size() - start);
      if (options.kept_calls) count = affordable_teacher_runs(search, count, *options.kept_calls);
      if (count == 0) return demos;
      std::vector<const Example*> tried;
      for (std::size_t i = start; i < start + count; ++i) {
        if (!used.contains(waiting[i]->id())) tried.push_back(waiting[i]);
      }
      start += count;
      const std::vector<Rollout> rollouts = teach(search, tried, round);
      for (std::size_t i = 0; i < rollouts.size() && used.size() < options.max_bootstrapped; ++i) {
        if (!rollouts[i].score || *rollouts[i].score < options.threshold || rollouts[i].error)
          continue;
        add_demos(search.student(), *tried[i], rollouts[i], &rng, demos);
        used.insert(tried[i]->id());
      }
    }
  }
  return demos;
}

}  // namespace

DemoSets bootstrap(Search& search, const Examples& order, const BootstrapOptions& options,
                   Rng& rng) {
  std::set<Hash> used;
  DemoSets bootstrapped = taught_demos(search, order, options, rng, used);
  Examples unused;
  std::copy_if(order.begin(), order.end(), std::back_inserter(unused),
               [&](const Example& example) { return !used.contains(example.id()); });
  DemoSets sets;
  for (const Predictor& predictor : search.student().predictors()) {
    std::vector<Value> demos = bootstrapped[predictor.path()];
    const std::size_t room =
        options.max_labeled > demos.size() ? options.max_labeled - demos.size() : 0;
    for (Value& demo : draw_labeled(predictor, unused, room, options.balanced, rng, demos))
      demos.push_back(std::move(demo));
    if (!demos.empty()) sets.emplace(predictor.path(), std::move(demos));
  }
  return sets;
}

DemoSets labelled_sets(Search& search, const std::vector<std::string>& paths,
                       const BootstrapOptions& options) {
  Rng rng = search.rng("labelled demos");
  DemoSets sets;
  for (const Predictor& predictor : search.student().predictors()) {
    std::vector<Value> demos =
        draw_labeled(predictor, search.train(), options.max_labeled, options.balanced, rng);
    if (!demos.empty()) sets[predictor.path()] = std::move(demos);
  }
  return fit_context(keep_tunable(std::move(sets), paths), search.model());
}

namespace {

DemoSets first_halves(DemoSets sets) {
  for (auto& [path, demos] : sets) {
    if (demos.size() > 1) demos.resize(demos.size() / 2);
  }
  return sets;
}

}  // namespace

DemoSets numbered_bootstrap(Search& search, const std::vector<std::string>& paths,
                            std::size_t number, const BootstrapOptions& options,
                            const DemoSets& before) {
  if (number > 0 && number % kFamily == 0) return first_halves(before);
  Rng rng = search.rng("bootstrap " + std::to_string(number));
  Examples order = search.train();
  BootstrapOptions drawn = options;
  if (number > 0) {
    rng.shuffle(order);
    if (drawn.max_bootstrapped > 1) drawn.max_bootstrapped = 1 + rng.below(drawn.max_bootstrapped);
  }
  return fit_context(keep_tunable(bootstrap(search, order, drawn, rng), paths), search.model());
}

DemoSets demos_of_run(const Program& student, const Example& example, const Rollout& rollout) {
  DemoSets sets;
  add_demos(student, example, rollout, nullptr, sets);
  return sets;
}

std::optional<Value> demo_of_step(const Predictor& predictor, const TraceStep& step) {
  if (step.path != predictor.path() || !step.outputs.is_object()) return std::nullopt;
  Value object = step.inputs;
  for (const auto& [name, value] : step.outputs.as_object()) object = object.with(name, value);
  Value demo = pick_fields(predictor.effective_signature(), object);
  if (!has_input_and_output(predictor.effective_signature(), demo)) return std::nullopt;
  return demo;
}

namespace {

// How many of the first demos take no more than half of the model's context.
std::size_t fitting(const std::vector<Value>& demos, const LmInfo& model) {
  if (model.context_tokens == 0) return demos.size();
  const std::size_t most = model.context_tokens / 2 * kBytesPerToken;
  std::size_t bytes = 0;
  std::size_t count = 0;
  while (count < demos.size() && bytes + demos[count].to_json().size() <= most)
    bytes += demos[count++].to_json().size();
  return count;
}

}  // namespace

bool fits_context(const std::vector<Value>& demos, const LmInfo& model) {
  return fitting(demos, model) == demos.size();
}

DemoSets fit_context(DemoSets sets, const LmInfo& model) {
  for (auto& [path, demos] : sets) demos.resize(fitting(demos, model));
  std::erase_if(sets, [](const auto& entry) { return entry.second.empty(); });
  return sets;
}

DemoSets keep_tunable(DemoSets sets, const std::vector<std::string>& paths) {
  std::erase_if(sets, [&](const auto& entry) {
    return std::find(paths.begin(), paths.end(), entry.first) == paths.end();
  });
  return sets;
}

Candidate with_demos(const Candidate& base, const DemoSets& sets) {
  Candidate candidate = base;
  for (const auto& [path, demos] : sets)
    candidate = candidate.with(path + ".demos", Value(Value::List(demos)));
  return candidate;
}

}  // namespace hone
