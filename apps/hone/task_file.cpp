#include <functional>
#include <string>
#include <utility>

#include "hone/base/file.hpp"
#include "hone/base/text.hpp"
#include "hone/program/program_file.hpp"
#include "hone/table_reader.hpp"
#include "hone/task_spec.hpp"

namespace hone::cli {
namespace {

namespace fs = std::filesystem;

// Faults of a whole file, gathered table by table.
class FileFaults {
 public:
  void add(TableReader& table) {
    for (std::string& fault : table.finish()) faults_.push_back(std::move(fault));
  }
  bool empty() const { return faults_.empty(); }
  std::string text() const { return join(faults_, "; "); }

 private:
  std::vector<std::string> faults_;
};

Racing racing_from(TableReader& table) {
  if (table.raw("race") == Value("fast")) return Racing::fast;
  return table.flag("race").value_or(true) ? Racing::on : Racing::off;
}

// None where nothing or a fault stands.
std::optional<std::size_t> limit_from(TableReader& table, const std::string& key,
                                      const std::string& place) {
  const std::optional<std::int64_t> count = table.whole(key);
  if (!count) return std::nullopt;
  if (*count == 0) {
    table.fault(place + ": expected a whole number from 1, got 0");
    return std::nullopt;
  }
  return static_cast<std::size_t>(*count);
}

void read_data(const Value& table, const fs::path& folder, TaskSpec& task, FileFaults& faults) {
  TableReader data(table, "data");
  const Value limit = data.raw("limit");
  TableReader limits(limit.is_object() ? limit : Value(), "data.limit");
  if (limit.is_int()) {
    const std::optional<std::size_t> all = limit_from(data, "limit", "data.limit");
    for (const Split split : kSplits) task.split(split).limit = all;
  } else if (!limit.is_null() && !limit.is_object()) {
    data.fault("data.limit: expected a number or a table such as {train = 100}");
  }
  for (const Split split : kSplits) {
    for (const std::string& file : data.texts(to_string(split))) {
      task.split(split).files.push_back(folder / file);
    }
    const char* name = to_string(split);
    if (const auto count = limit_from(limits, name, "data.limit." + std::string(name)))
      task.split(split).limit = count;
  }
  faults.add(limits);
  faults.add(data);
}

void read_optimizer(const Value& value, TaskSpec& task, FileFaults& faults) {
  if (value.is_string()) {
    task.optimizer = value.as_string();
    return;
  }
  if (value.is_object()) task.optimizer_options = value.without("name");
  TableReader optimizer(value.is_object() ? Value::object({{"name", value.get("name")}}) : value,
                        "optimizer");
  if (const auto name = optimizer.text("name")) task.optimizer = *name;
  faults.add(optimizer);
}

void read_budget(const Value& table, Budget& budget, FileFaults& faults) {
  TableReader reader(table, "budget");
  budget.lm_calls = reader.whole("calls");
  budget.tokens = reader.whole("tokens");
  budget.seconds = reader.number("seconds");
  budget.money = reader.number("money");
  budget.price.prompt = reader.number("price_prompt").value_or(0);
  budget.price.generated = reader.number("price_generated").value_or(0);
  faults.add(reader);
}

// A table of lists of values by glob.
void read_narrow(TableReader& top, TaskSpec& task) {
  const Value table = top.raw("narrow");
  if (table.is_null()) return;
  if (!table.is_object()) {
    top.fault("narrow: expected a table such as {\"*.format\" = [\"completion\", \"json\"]}");
    return;
  }
  for (const auto& [glob, values] : table.as_object()) {
    if (values.is_list() && values.size() > 0) {
      task.narrow.push_back({glob, values.as_list()});
    } else {
      top.fault("narrow." + glob + ": expected a list of values");
    }
  }
}

void read_prices(const Value& table, const std::function<std::string(const std::string&)>& model,
                 TaskSpec& task, TableReader& top, FileFaults& faults) {
  if (table.is_null()) return;
  if (!table.is_object()) {
    top.fault("prices: expected a table such as {smollm2 = {prompt = 0.1, generated = 0.4}}");
    return;
  }
  for (const auto& [name, value] : table.as_object()) {
    TableReader reader(value, "prices." + name);
    task.prices[model(name)] = {reader.number("prompt").value_or(0),
                                reader.number("generated").value_or(0)};
    faults.add(reader);
  }
}

// "exact_match:label", or a table: name with field, criterion, or command.
std::optional<std::string> read_metric(const Value& value, FileFaults& faults) {
  if (!value.is_object()) {
    TableReader reader(Value::object({{"metric", value}}), "");
    std::optional<std::string> spec = reader.text("metric");
    faults.add(reader);
    return spec;
  }
  TableReader reader(value, "metric");
  std::optional<std::string> spec;
  const auto command = reader.text("command");
  const auto name = reader.text("name");
  const auto field = reader.text("field");
  const auto criterion = reader.text("criterion");
  if (command) {
    spec = "command:" + *command;
  } else if (name) {
    spec = *name + (field ? ":" + *field : "") + (criterion ? ":" + *criterion : "");
  } else {
    reader.fault("metric: needs a name or a command");
  }
  faults.add(reader);
  return spec;
}

// A gguf:PATH is relative to the file that says it.
std::string model_from(const std::string& spec, const fs::path& folder) {
  constexpr std::string_view kFile = "gguf:";
  if (!spec.starts_with(kFile)) return spec;
  return std::string(kFile) + (folder / spec.substr(kFile.size())).string();
}

}  // namespace

Result<TaskSpec> read_task_file(const fs::path& file) {
  TaskSpec task;
  task.file = file;
  if (file.extension() == ".json") {
    task.saved_program = file;
    return task;
  }
  const Result<Value> read = read_toml(file);
  if (!read) return read.error();
  const fs::path folder = file.parent_path();
  FileFaults faults;
  TableReader top(*read, "");
  task.program = top.raw("program");
  if (!task.program.is_null() && !task.program.is_object()) top.fault("program: expected a table");
  read_data(top.raw("data"), folder, task, faults);
  read_optimizer(top.raw("optimizer"), task, faults);
  read_budget(top.raw("budget"), task.budget, faults);
  task.metric = read_metric(top.raw("metric"), faults);
  const auto model = [&](const char* key) -> std::optional<std::string> {
    const std::optional<std::string> spec = top.text(key);
    if (!spec) return std::nullopt;
    return model_from(*spec, folder);
  };
  task.model = model("model");
  task.teacher_model = model("teacher_model");
  task.proposer_model = model("proposer_model");
  task.embedder = model("embedder");
  if (const auto path = top.text("teacher_program")) task.teacher_program = folder / *path;
  if (const auto path = top.text("out")) task.out = folder / *path;
  if (const auto path = top.text("log")) task.log = folder / *path;
  task.seed = static_cast<std::uint64_t>(top.whole("seed").value_or(0));
  task.threads = static_cast<std::size_t>(top.whole("threads").value_or(8));
  if (task.threads == 0 || task.threads > 1024) top.fault("threads: must be 1 to 1024");
  task.race = racing_from(top);
  Result<Goals> goals = goals_from(top.texts("goals"), top.texts("within"));
  if (goals) {
    task.goals = *std::move(goals);
  } else {
    top.fault(goals.error().text());
  }
  read_prices(
      top.raw("prices"), [&](const std::string& spec) { return model_from(spec, folder); }, task,
      top, faults);
  task.keep = top.texts("keep");
  task.freeze = top.texts("freeze");
  read_narrow(top, task);
  const Value models = top.raw("models");
  if (models.is_object()) {
    for (const auto& [name, spec] : models.as_object()) {
      if (spec.is_string()) task.models[name] = model_from(spec.as_string(), folder);
      if (!spec.is_string()) top.fault("models." + name + ": expected a string");
    }
  } else if (!models.is_null()) {
    top.fault("models: expected a table");
  }
  faults.add(top);
  if (!faults.empty()) return bad_request(file.string(), faults.text());
  return task;
}

}  // namespace hone::cli
