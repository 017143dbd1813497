#include "hone/task_spec.hpp"

#include <charconv>
#include <set>
#include <utility>

#include "hone/base/text.hpp"

namespace hone::cli {
namespace {

Result<std::size_t> count_from(std::string_view text, const std::string& where) {
  std::size_t count = 0;
  const auto [end, fault] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (fault != std::errc() || end != text.data() + text.size() || count == 0) {
    return bad_request(where, "expected a whole number from 1, got \"" + std::string(text) + "\"");
  }
  return count;
}

// "100", or "train=100,val=50".
Result<void> apply_limit(const std::string& text, TaskSpec& task) {
  const std::string where = "--limit";
  if (text.find('=') == std::string::npos) {
    const Result<std::size_t> count = count_from(text, where);
    if (!count) return count.error();
    for (const Split split : kSplits) task.split(split).limit = *count;
    return {};
  }
  std::set<std::string> said;
  for (const std::string& part : split(text, ',')) {
    const std::size_t equals = part.find('=');
    const std::string name(trim(part.substr(0, equals)));
    if (!said.insert(name).second)
      return bad_request(where, "the split \"" + name + "\" is named twice; give it one number");
    bool known = false;
    for (const Split which : kSplits) {
      if (name != to_string(which)) continue;
      known = true;
      const Result<std::size_t> count = count_from(
          equals == std::string::npos ? "" : trim(std::string_view(part).substr(equals + 1)),
          where);
      if (!count) return count.error();
      task.split(which).limit = *count;
    }
    if (!known) {
      static const std::vector<std::string> names = {"train", "val", "test"};
      return bad_request(where, "no split is called \"" + name + "\"" + did_you_mean(name, names) +
                                    " (train, val, test)");
    }
  }
  return {};
}

Result<void> apply_option(const std::string& text, Value& options) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0) {
    return bad_request("--option", "expected key=value, got \"" + text + "\"");
  }
  const std::string value = text.substr(equals + 1);
  const Result<Value> json = Value::parse_json(value);
  options = options.with(text.substr(0, equals), json ? *json : Value(value));
  return {};
}

template <class T>
void take(std::optional<T>& target, const std::optional<T>& flag) {
  if (flag) target = flag;
}

}  // namespace

const char* to_string(Split split) {
  switch (split) {
    case Split::train:
      return "train";
    case Split::val:
      return "val";
    case Split::test:
      return "test";
  }
  return "";
}

Result<TaskSpec> task_from(const TaskFlags& flags) {
  TaskSpec task;
  if (flags.file) {
    Result<TaskSpec> read = read_task_file(*flags.file);
    if (!read) return read.error();
    task = *std::move(read);
  }
  const std::array<std::pair<const char*, const std::optional<std::string>*>, 4> words = {
      {{"signature", &flags.signature},
       {"instructions", &flags.instructions},
       {"module", &flags.module},
       {"format", &flags.format}}};
  for (const auto& [key, flag] : words) {
    if (!*flag) continue;
    if (task.saved_program) {
      return bad_request(std::string("--") + key,
                         "does not go with a tuned program, which has its own");
    }
    task.program = task.program.with(key, **flag);
    task.program_flags.push_back(std::string("--") + key);
  }
  const std::array<const std::vector<std::filesystem::path>*, 3> files = {&flags.train, &flags.val,
                                                                          &flags.test};
  for (const Split split : kSplits) {
    const auto& given = *files[static_cast<std::size_t>(split)];
    if (!given.empty()) task.split(split).files = given;
  }
  if (flags.limit) {
    const Result<void> applied = apply_limit(*flags.limit, task);
    if (!applied) return applied.error();
  }
  take(task.metric, flags.metric);
  take(task.model, flags.model);
  if (flags.seed) task.seed = *flags.seed;
  if (flags.threads) task.threads = *flags.threads;
  take(task.embedder, flags.model_settings.embedder);
  task.model_settings = flags.model_settings;
  task.model_settings.parallel = task.threads;
  return task;
}

Result<Goals> goals_from(const std::vector<std::string>& goals,
                         const std::vector<std::string>& within) {
  Goals out;
  std::vector<std::string> faults;
  for (const std::string& text : goals) {
    Result<Goal> goal = Goal::parse(text);
    if (goal) {
      out.goals.push_back(*std::move(goal));
    } else {
      faults.push_back(goal.error().text());
    }
  }
  for (const std::string& text : within) {
    Result<GoalLimit> limit = GoalLimit::parse(text);
    if (limit) {
      out.within.push_back(*std::move(limit));
    } else {
      faults.push_back(limit.error().text());
    }
  }
  if (!faults.empty()) return bad_request("", join(faults, "; "));
  return out;
}

Result<std::vector<Narrowing>> narrowings_from(const std::vector<std::string>& flags) {
  std::vector<Narrowing> out;
  for (const std::string& flag : flags) {
    const std::size_t equals = flag.find('=');
    if (equals == std::string::npos || equals == 0) {
      return bad_request("--narrow", "expected GLOB=value,value, got \"" + flag + "\"");
    }
    Narrowing narrowing{std::string(trim(flag.substr(0, equals))), {}};
    const std::string values = flag.substr(equals + 1);
    const Result<Value> list = Value::parse_json(values);
    if (list && list->is_list()) {
      narrowing.choices = list->as_list();
    } else {
      for (const std::string& part : split(values, ',')) {
        const std::string text(trim(part));
        const Result<Value> json = Value::parse_json(text);
        narrowing.choices.push_back(json ? *json : Value(text));
      }
    }
    out.push_back(std::move(narrowing));
  }
  return out;
}

namespace {

// Not below `least`, which NaN never is.
template <class Number>
void at_least(Number least, const std::optional<Number>& value, const std::string& name,
              std::string& faults) {
  if (!value || (*value >= least && *value <= std::numeric_limits<Number>::max())) return;
  faults += (faults.empty() ? "" : "; ") + name + " has to be at least " + Value(least).to_json();
}

Result<void> check_budget(const TaskSpec& task) {
  const Budget& budget = task.budget;
  std::string faults;
  at_least<std::int64_t>(1, budget.lm_calls, "--budget-calls", faults);
  at_least<std::int64_t>(1, budget.tokens, "--budget-tokens", faults);
  at_least<double>(0, budget.seconds, "--budget-seconds", faults);
  at_least<double>(0, budget.money, "--budget-money", faults);
  at_least<double>(0, budget.price.prompt, "--price-prompt", faults);
  at_least<double>(0, budget.price.generated, "--price-generated", faults);
  if (faults.empty() && budget.money && !task.has_prices()) {
    faults = "--budget-money needs prices: --price-prompt, --price-generated, or [prices]";
  }
  if (faults.empty()) return {};
  return bad_request("budget", faults);
}

}  // namespace

Result<TaskSpec> task_from(const OptimizeFlags& flags) {
  Result<TaskSpec> merged = task_from(flags.task);
  if (!merged) return merged;
  TaskSpec& task = *merged;
  if (flags.optimizer && *flags.optimizer != task.optimizer) {
    // The file's options belong to the file's optimizer.
    task.optimizer = *flags.optimizer;
    task.optimizer_options = Value::object();
  }
  for (const std::string& option : flags.optimizer_options) {
    const Result<void> applied = apply_option(option, task.optimizer_options);
    if (!applied) return applied.error();
  }
  if (flags.candidates)
    task.optimizer_options = task.optimizer_options.with("candidates", *flags.candidates);
  take(task.teacher_model, flags.teacher_model);
  take(task.teacher_program, flags.teacher_program);
  take(task.proposer_model, flags.proposer_model);
  take(task.budget.lm_calls, flags.budget_calls);
  take(task.budget.tokens, flags.budget_tokens);
  take(task.budget.seconds, flags.budget_seconds);
  take(task.budget.money, flags.budget_money);
  if (flags.price_prompt) task.budget.price.prompt = *flags.price_prompt;
  if (flags.price_generated) task.budget.price.generated = *flags.price_generated;
  if (flags.race) {
    task.race = *flags.race == "off"    ? Racing::off
                : *flags.race == "fast" ? Racing::fast
                                        : Racing::on;
  }
  if (!flags.goals.empty() || !flags.within.empty()) {
    Result<Goals> goals = goals_from(flags.goals, flags.within);
    if (!goals) return goals.error();
    if (!flags.goals.empty()) task.goals.goals = std::move(goals->goals);
    if (!flags.within.empty()) task.goals.within = std::move(goals->within);
  }
  if (!flags.keep.empty()) task.keep = flags.keep;
  if (!flags.freeze.empty()) task.freeze = flags.freeze;
  if (!flags.narrow.empty()) {
    Result<std::vector<Narrowing>> narrow = narrowings_from(flags.narrow);
    if (!narrow) return narrow.error();
    task.narrow = *std::move(narrow);
  }
  if (const Result<void> fits = check_budget(task); !fits) return fits.error();
  take(task.out, flags.out);
  take(task.log, flags.log);
  return merged;
}

}  // namespace hone::cli
