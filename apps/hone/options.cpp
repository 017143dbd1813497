#include "hone/options.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdint>
#include <cstdio>
#include <memory>
#include <string_view>
#include <type_traits>
#include <utility>

#include <CLI/CLI.hpp>

#include "hone/base/text.hpp"
#include "hone/base/version.hpp"
#include "hone/exit_code.hpp"

namespace hone::cli {
namespace {

constexpr const char* kOptimizeExamples = R"x(Examples:
  hone optimize triage.toml
  hone optimize triage.toml --optimizer bootstrap_few_shot --budget-seconds 60
  hone optimize triage.toml --dry-run
  hone optimize --signature "text -> label: enum(positive, negative)" --instructions "Is the review good?" \
    --train train.jsonl --val dev.jsonl --test test.jsonl --metric exact_match:label --model smollm2 --out reviews.hone.json
  hone optimize triage.toml --goal 'score - 0.1*prompt_tokens/1000' --within 'generated_tokens < 50'
  hone optimize --list
  hone optimize --list --optimizer mipro
)x";

constexpr const char* kEvalExamples = R"x(Examples:
  hone eval triage.toml
  hone eval triage.toml --program triage.hone.json --split val
  hone eval triage.hone.json --data new.jsonl --out results.jsonl
)x";

constexpr const char* kRunExamples = R"x(Examples:
  hone run triage.hone.json --input '{"ticket": "My invoice is wrong"}'
  hone run triage.hone.json --scores < tickets.jsonl
)x";

constexpr const char* kModelsExamples = R"x(Examples:
  hone models list
  hone models pull smollm2
  hone models path smollm2
  hone models tune smollm2
)x";

constexpr const char* kSpaceExamples = R"x(Examples:
  hone space triage.toml
  hone space triage.toml --keep '*.demos' --narrow '*.format=completion,json' --json
  hone optimize triage.toml --optimizer bootstrap_tpe --keep '*.demos' --narrow '*.format=completion,json'
)x";

constexpr const char* kStudyExamples = R"x(Examples:
  hone study list studies/
  hone study show triage.db
  hone study trials triage.db
  hone study diff triage.db 0 7
  hone study export triage.db --format svg --out triage.svg
)x";

constexpr const char* kExamples = R"x(Examples:
  hone models pull smollm2
  hone optimize triage.toml
  hone run triage.hone.json --input '{"ticket": "My invoice is wrong"}'
`hone COMMAND --help` says more.
)x";

constexpr const char* kModelHelp =
    "smollm2 (or another name of `hone models list`), gguf:PATH, or openai:URL#MODEL";

// Refuses what is no number of a kind, in plainer words than the parser's. As a transform, it gives
// the parser whole numbers without leading zeros, which it would take for octal ones.
template <class Number>
CLI::Validator number(const char* kind) {
  return CLI::Validator(
      [kind](std::string& text) {
        Number value{};
        const char* end = text.data() + text.size();
        const auto [read, fault] = std::from_chars(text.data(), end, value);
        if (fault != std::errc() || read != end)
          return "expected " + std::string(kind) + ", got \"" + text + "\"";
        if constexpr (std::is_integral_v<Number>) text = std::to_string(value);
        return std::string();
      },
      "");
}

CLI::Validator whole_number() {
  return number<std::int64_t>("a whole number");
}
CLI::Validator any_number() {
  return number<double>("a number");
}
CLI::Validator natural_number() {
  return number<std::uint64_t>("a whole number from 0");
}

// The parser takes an empty path for a flag that was not given.
CLI::Validator some_path() {
  return CLI::Validator(
      [](std::string& text) { return std::string(text.empty() ? "names no file" : ""); }, "");
}

void add_model_settings(CLI::App& app, ModelSettings& settings) {
  app.add_option("--retries", settings.retries, "More tries of a call a server failed (default 5)")
      ->transform(natural_number())
      ->check(CLI::Range(0, 100));
  app.add_option("--context", settings.context, "Tokens a local model's cache holds (default 8192)")
      ->transform(natural_number())
      ->check(CLI::Range(std::size_t{0}, std::size_t{1} << 24U));
  app.add_option(
      "--embedder", settings.embedder,
      "Model whose embeddings say what is near, for programs that look things up by them; " +
          std::string(kModelHelp));
  app.add_option("--cache", settings.cache, "File that keeps replies between runs")
      ->check(some_path());
}

void add_task(CLI::App& app, TaskFlags& task) {
  app.add_option("--signature", task.signature,
                 "What goes in and out: \"text -> label: enum(good, bad)\"");
  app.add_option("--instructions", task.instructions, "What the model is to do");
  app.add_option("--module", task.module, "predict or chain_of_thought");
  app.add_option("--format", task.format, "chat, completion, json or xml");
  app.add_option("--train", task.train, "Examples to learn from (.jsonl, .json, .csv)");
  app.add_option("--val", task.val, "Examples candidates are compared on");
  app.add_option("--test", task.test, "Untouched examples for the score before and after");
  app.add_option("--limit", task.limit,
                 "First so many of a split: train=100,val=100,test=200, or one number for all");
  app.add_option("--metric", task.metric, "exact_match:FIELD, f1:FIELD, command:PROGRAM …");
  app.add_option("--model", task.model, kModelHelp);
  app.add_option("--seed", task.seed, "Of everything random (default 0)")
      ->transform(natural_number());
  app.add_option("--threads", task.threads,
                 "Runs at once on a server; local models take more (default 8)")
      ->transform(natural_number())
      ->check(CLI::Range(1, 1024));
  add_model_settings(app, task.model_settings);
}

void add_globs(CLI::App& app, std::vector<std::string>& keep, std::vector<std::string>& freeze,
               std::vector<std::string>& narrow) {
  app.add_option("--keep", keep, "Tune only these parameters (globs, see `hone space`)")
      ->allow_extra_args(false);
  app.add_option("--freeze", freeze, "Tune all but these parameters")->allow_extra_args(false);
  app.add_option("--narrow", narrow, "Tune these among a few values: '*.format=completion,json'")
      ->allow_extra_args(false);
}

void add_optimize(CLI::App& root, OptimizeFlags& flags) {
  CLI::App* app = root.add_subcommand("optimize", "Find the prompt that does a task best");
  app->footer(kOptimizeExamples);
  app->add_option("FILE", flags.task.file,
                  "Task file (TOML), or a tuned program (*.hone.json); flags win over it");
  add_task(*app, flags.task);
  app->add_flag("--list", flags.list,
                "Names the optimizers, or the options of the one named, and ends");
  app->add_option("--optimizer", flags.optimizer, "How to search (see --list)");
  app->add_option("--option", flags.optimizer_options, "Option of the optimizer: key=value")
      ->allow_extra_args(false);
  app->add_option("--candidates", flags.candidates, "Short for --option candidates=N")
      ->transform(natural_number());
  app->add_option("--teacher-model", flags.teacher_model,
                  "Model that writes demos; " + std::string(kModelHelp));
  app->add_option("--teacher-program", flags.teacher_program,
                  "Program that writes demos (.hone.json or .toml)");
  app->add_option("--proposer-model", flags.proposer_model, "Model that writes instructions");
  app->add_option("--budget-calls", flags.budget_calls, "LM calls the search may make")
      ->transform(whole_number());
  app->add_option("--budget-tokens", flags.budget_tokens, "Tokens it may use")
      ->transform(whole_number());
  app->add_option("--budget-seconds", flags.budget_seconds, "Seconds it may take")
      ->check(any_number());
  app->add_option("--budget-money", flags.budget_money, "Money it may cost, by the prices below")
      ->check(any_number());
  app->add_option("--price-prompt", flags.price_prompt, "Of a million prompt tokens")
      ->check(any_number());
  app->add_option("--price-generated", flags.price_generated, "Of a million generated tokens")
      ->check(any_number());
  app->add_option(
         "--race", flags.race,
         "on (clear losers stop early), fast (by rank: half the work, a less sure winner) or off")
      ->check(CLI::IsMember({"on", "fast", "off"}));
  app->add_option("--goal", flags.goals,
                  "What to reach: 'score - 0.1*prompt_tokens/1000'; the next one breaks ties")
      ->allow_extra_args(false);
  app->add_option("--within", flags.within, "Limit on what wins: 'latency_ms < 200'")
      ->allow_extra_args(false);
  add_globs(*app, flags.keep, flags.freeze, flags.narrow);
  app->add_option("--out", flags.out, "Where the tuned program goes (*.hone.json)")
      ->check(some_path());
  app->add_option("--log", flags.log,
                  "Study log: keeps every trial and reply; the same command goes on after a kill")
      ->check(some_path());
  app->add_flag("--dry-run", flags.dry_run,
                "Says what it would take, after a handful of calls, and ends");
  app->add_flag("--json", flags.json, "Report as one JSON object on standard output");
  app->add_flag("--quiet", flags.quiet, "No progress");
}

void add_eval(CLI::App& root, EvalFlags& flags) {
  CLI::App* app = root.add_subcommand("eval", "Measure a program on examples");
  app->footer(kEvalExamples);
  app->add_option("FILE", flags.task.file, "Task file (TOML) or tuned program (*.hone.json)")
      ->required();
  add_task(*app, flags.task);
  app->add_option("--program", flags.program, "Tuned program to use in place of the task file's");
  app->add_option("--data", flags.data, "Examples (.jsonl, .json, .csv)");
  app->add_option("--split", flags.split, "train, val or test of the task file (default test)")
      ->check(CLI::IsMember({"train", "val", "test"}));
  app->add_option("--out", flags.out, "Where each example's result goes (JSON lines)")
      ->check(some_path());
  app->add_flag("--json", flags.json, "Report as one JSON object on standard output");
  app->add_flag("--quiet", flags.quiet, "No progress");
}

void add_run(CLI::App& root, RunFlags& flags) {
  CLI::App* app = root.add_subcommand("run", "Run a tuned program");
  app->footer(kRunExamples);
  app->add_option("FILE", flags.program, "Tuned program (*.hone.json) or task file (TOML)")
      ->required();
  app->add_option("--input", flags.input,
                  "One JSON object; without it, JSON lines from standard input");
  app->add_option("--model", flags.model, kModelHelp);
  app->add_option("--threads", flags.threads,
                  "Runs at once on a server; local models take more (default 8)")
      ->transform(natural_number())
      ->check(CLI::Range(1, 1024));
  app->add_option("--seed", flags.seed, "Of sampling (default 0)")->transform(natural_number());
  app->add_flag("--scores", flags.scores, "Also the probability of every label");
  add_model_settings(*app, flags.model_settings);
}

void add_models(CLI::App& root, ModelsFlags& flags) {
  CLI::App* app = root.add_subcommand("models", "List, fetch and tune local models");
  app->footer(kModelsExamples);
  app->require_subcommand(1);
  const char* const known = "A name of `hone models list`";
  const auto action = [&](const char* name, const char* help, ModelsAction value,
                          const char* which) {
    CLI::App* sub = app->add_subcommand(name, help);
    if (which) sub->add_option("NAME", flags.name, which)->required();
    sub->callback([&flags, value] { flags.action = value; });
  };
  action("list", "Models that can be pulled, and which are here", ModelsAction::list, nullptr);
  action("pull", "Fetch a model, check it and prepare it", ModelsAction::pull, known);
  action("path", "Print the file of a pulled model", ModelsAction::path, known);
  action("tune", "Measure the fastest engine settings on this machine", ModelsAction::tune,
         "A name of `hone models list`, or gguf:PATH");
}

void add_space(CLI::App& root, SpaceFlags& flags) {
  CLI::App* app = root.add_subcommand("space", "Print what can be tuned in a program");
  app->footer(kSpaceExamples);
  app->add_option("FILE", flags.file, "Task file (TOML) or tuned program (*.hone.json)")
      ->required();
  add_globs(*app, flags.keep, flags.freeze, flags.narrow);
  app->add_flag("--all", flags.all, "Everything there is, whatever the file keeps");
  app->add_flag("--json", flags.json, "As one JSON list on standard output");
}

void add_study(CLI::App& root, StudyFlags& flags) {
  CLI::App* app = root.add_subcommand("study", "Look at the log of an optimization");
  app->footer(kStudyExamples);
  app->require_subcommand(1);
  const auto action = [&](const char* name, const char* help, StudyAction value) {
    CLI::App* sub = app->add_subcommand(name, help);
    sub->callback([&flags, value] { flags.action = value; });
    return sub;
  };
  const auto with_json = [&](CLI::App* sub) {
    sub->add_flag("--json", flags.json, "One JSON value on standard output");
    return sub;
  };
  const auto with_file = [&](CLI::App* sub) {
    sub->add_option("FILE", flags.file, "Study log (of `hone optimize --log`)")->required();
    return sub;
  };
  with_json(action("list", "One line a study", StudyAction::list))
      ->add_option("PLACE", flags.places, "Study logs, or folders of them (default: this folder)");
  with_json(with_file(
      action("show", "What was asked, how far it is, the best, a picture", StudyAction::show)));
  with_json(with_file(action("trials", "One line a trial", StudyAction::trials)));
  CLI::App* diff = with_file(action("diff", "What two trials differ in", StudyAction::diff));
  diff->add_option("A", flags.a, "Number of a trial")->required()->transform(natural_number());
  diff->add_option("B", flags.b, "Number of another")->required()->transform(natural_number());
  with_json(diff);
  CLI::App* write = with_file(
      action("export", "Everything as JSON, trials as CSV, a picture as SVG", StudyAction::write));
  write->add_option("--format", flags.format, "json (default), csv or svg")
      ->check(CLI::IsMember({"json", "csv", "svg"}));
  write->add_option("--out", flags.out, "Where it goes; without it, standard output")
      ->check(some_path());
}

// The innermost subcommand that was reached.
const CLI::App& reached(const CLI::App& root) {
  const CLI::App* app = &root;
  while (!app->get_subcommands().empty()) app = app->get_subcommands().front();
  return *app;
}

std::vector<std::string> known_words(const CLI::App& app) {
  std::vector<std::string> names;
  for (const CLI::Option* option : app.get_options()) {
    for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
  }
  for (const CLI::App* sub : app.get_subcommands([](const CLI::App*) { return true; })) {
    names.push_back(sub->get_name());
  }
  return names;
}

// Names the first word the parser did not know, with near ones.
int refuse_word(const CLI::App& app, const std::string& word) {
  const bool is_option = word.starts_with("-");
  const std::string kind = is_option                     ? "option"
                           : app.get_parent() == nullptr ? "command"
                                                         : "argument";
  const std::string name = word.substr(0, word.find('='));
  return fail(bad_request(
      "", "unknown " + kind + " \"" + name + "\"" + did_you_mean(name, known_words(app)) + " (`" +
              (app.get_parent() == nullptr ? "hone" : "hone " + app.get_name()) +
              " --help` lists them)"));
}

// CLI11 says of a misspelt command that one is required; near names help more.
std::optional<int> refuse_command(const std::vector<std::string>& words) {
  static const std::vector<std::string> commands = {"optimize", "eval",  "run",
                                                    "models",   "space", "study"};
  static const std::vector<std::string> models = {"list", "pull", "path", "tune"};
  static const std::vector<std::string> study = {"list", "show", "trials", "diff", "export"};
  const std::vector<std::string>* nested = words[0] == "models"  ? &models
                                           : words[0] == "study" ? &study
                                                                 : nullptr;
  if (nested != nullptr && words.size() == 1) {
    return fail(bad_request("", "hone " + words[0] + " needs one of " + join(*nested, ", ") +
                                    " (`hone " + words[0] + " --help` says what each does)"));
  }
  const bool is_nested = words.size() > 1 && nested != nullptr;
  const std::string& word = words[is_nested ? 1 : 0];
  const std::vector<std::string>& known = is_nested ? *nested : commands;
  if (word.starts_with("-") || std::find(known.begin(), known.end(), word) != known.end()) {
    return std::nullopt;
  }
  return fail(bad_request("", "unknown command \"" + word + "\"" + did_you_mean(word, known) +
                                  " (commands: " + join(known, ", ") + ")"));
}

}  // namespace

std::variant<Command, int> parse_command_line(int argc, char** argv) {
  const std::vector<std::string> words(argv + 1, argv + argc);
  if (words == std::vector<std::string>{"--version"}) {
    std::printf("hone %s\n", std::string(version).c_str());
    return kOk;
  }
  OptimizeFlags optimize;
  EvalFlags eval;
  RunFlags run;
  ModelsFlags models;
  SpaceFlags space;
  StudyFlags study;

  CLI::App root(
      "hone finds the prompts, demonstrations and settings that make a language model do a task "
      "well.",
      "hone");
  root.footer(kExamples);
  root.require_subcommand(1);
  root.set_version_flag("--version", "hone " + std::string(version));
  add_optimize(root, optimize);
  add_eval(root, eval);
  add_run(root, run);
  add_models(root, models);
  add_space(root, space);
  add_study(root, study);

  if (words.empty()) {
    std::fputs(root.help().c_str(), stderr);
    return kBadInput;
  }
  if (const std::optional<int> refused = refuse_command(words)) return *refused;
  try {
    root.parse(argc, argv);
  } catch (const CLI::ExtrasError&) {
    const CLI::App& app = reached(root);
    const std::vector<std::string> extra = root.remaining(true);
    return refuse_word(app, extra.empty() ? "" : extra.front());
  } catch (const CLI::Success& wanted) {
    return root.exit(wanted);
  } catch (const CLI::ParseError& fault) {
    return fail(bad_request("", fault.what()));
  }
  const std::string name = root.get_subcommands().front()->get_name();
  if (name == "optimize") return Command(std::move(optimize));
  if (name == "eval") return Command(std::move(eval));
  if (name == "run") return Command(std::move(run));
  if (name == "models") return Command(std::move(models));
  if (name == "space") return Command(std::move(space));
  return Command(std::move(study));
}

}  // namespace hone::cli
