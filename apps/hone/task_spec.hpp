// Everything a task file and the flags over it say, before anything is loaded.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/eval/goal.hpp"
#include "hone/optimize/budget.hpp"
#include "hone/options.hpp"

namespace hone::cli {

enum class Split { train, val, test };

inline constexpr std::array<Split, 3> kSplits = {Split::train, Split::val, Split::test};

const char* to_string(Split split);

// Goals and limits out of their texts; all faults at once.
Result<Goals> goals_from(const std::vector<std::string>& goals,
                         const std::vector<std::string>& within);

// Parameters that are to be one of a few values.
struct Narrowing {
  std::string glob;
  std::vector<Value> choices;
};

struct SplitSpec {
  std::vector<std::filesystem::path> files;
  std::optional<std::size_t> limit;  // of the first so many examples
};

enum class Racing { off, on, fast };

// A task file (TOML):
//   metric = "exact_match:queue"   model = "smollm2"   out = "triage.hone.json"   seed = 1 threads
//   = 8 teacher_model, teacher_program, proposer_model, embedder, race = true (or false, or
//   "fast"), goals = ["score"], within = ["latency_ms < 200"], keep = ["*.demos"], freeze = […],
//   narrow = {"*.format" = ["completion", "json"]} [program]     see hone/program/program_file.hpp
//   [data]        train, val, test = a file or a list of files; limit = 100, or {train = 100, …}
//   [optimizer]   name, and its options [budget] calls, tokens, seconds, money, price_prompt,
//   price_generated (of a million tokens) [models] name = a model, for steps that ask for one by
//   name [prices] model = {prompt = …, generated = …}
// Paths are relative to the file. A *.hone.json stands for a task that has its program alone.
struct TaskSpec {
  std::filesystem::path file;              // empty when all is from flags
  Value program;                           // for program_from_config; or
  std::vector<std::string> program_flags;  // which of its parts are from flags
  std::optional<std::filesystem::path> saved_program;
  std::array<SplitSpec, 3> data;  // by Split
  std::optional<std::string> metric;
  std::optional<std::string> model;
  std::map<std::string, std::string> models;
  std::optional<std::string> teacher_model;
  std::optional<std::filesystem::path> teacher_program;
  std::optional<std::string> proposer_model;
  std::optional<std::string> embedder;
  std::string optimizer = "bootstrap_random_search";
  Value optimizer_options = Value::object();
  std::uint64_t seed = 0;
  std::size_t threads = 8;
  Budget budget;
  std::map<std::string, Price> prices;  // by model spec, or by a name of [models]
  Racing race = Racing::on;
  Goals goals;
  std::vector<std::string> keep;
  std::vector<std::string> freeze;
  std::vector<Narrowing> narrow;
  std::optional<std::filesystem::path> out;
  std::optional<std::filesystem::path> log;  // of the study; kept and gone on with
  ModelSettings model_settings;

  SplitSpec& split(Split which) { return data[static_cast<std::size_t>(which)]; }
  const SplitSpec& split(Split which) const { return data[static_cast<std::size_t>(which)]; }

  bool has_prices() const { return budget.has_prices() || !prices.empty(); }
};

// All faults of a file at once.
Result<TaskSpec> read_task_file(const std::filesystem::path& file);
// The file, if there is one, with the flags over it.
Result<TaskSpec> task_from(const TaskFlags& flags);
Result<TaskSpec> task_from(const OptimizeFlags& flags);
// "*.format=completion,json": values as JSON where they are JSON, else as texts; or one JSON list.
Result<std::vector<Narrowing>> narrowings_from(const std::vector<std::string>& flags);

}  // namespace hone::cli
