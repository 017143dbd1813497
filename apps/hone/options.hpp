// What the command line says: one struct a subcommand, filled by CLI11 in options.cpp alone.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "hone/model_spec.hpp"

namespace hone::cli {

// Flags that stand in for parts of a task file; each one given wins over the file.
struct TaskFlags {
  std::optional<std::filesystem::path> file;
  std::optional<std::string> signature;
  std::optional<std::string> instructions;
  std::optional<std::string> module;
  std::optional<std::string> format;
  std::vector<std::filesystem::path> train;
  std::vector<std::filesystem::path> val;
  std::vector<std::filesystem::path> test;
  std::optional<std::string> limit;  // "train=100,val=100" or one number for all
  std::optional<std::string> metric;
  std::optional<std::string> model;
  std::optional<std::uint64_t> seed;
  std::optional<std::size_t> threads;
  ModelSettings model_settings;
};

struct OptimizeFlags {
  TaskFlags task;
  bool list = false;
  std::optional<std::string> teacher_model;
  std::optional<std::filesystem::path> teacher_program;
  std::optional<std::string> proposer_model;
  std::optional<std::string> optimizer;
  std::vector<std::string> optimizer_options;  // "key=value"
  std::optional<std::size_t> candidates;
  std::optional<std::int64_t> budget_calls;
  std::optional<std::int64_t> budget_tokens;
  std::optional<double> budget_seconds;
  std::optional<double> budget_money;
  std::optional<double> price_prompt;
  std::optional<double> price_generated;
  std::optional<std::string> race;
  std::vector<std::string> goals;
  std::vector<std::string> within;
  std::vector<std::string> keep;
  std::vector<std::string> freeze;
  std::vector<std::string> narrow;  // "GLOB=value,value"
  std::optional<std::filesystem::path> out;
  std::optional<std::filesystem::path> log;
  bool dry_run = false;
  bool json = false;
  bool quiet = false;
};

struct EvalFlags {
  TaskFlags task;
  std::optional<std::filesystem::path> program;
  std::vector<std::filesystem::path> data;
  std::string split = "test";
  std::optional<std::filesystem::path> out;
  bool json = false;
  bool quiet = false;
};

struct RunFlags {
  std::filesystem::path program;
  std::optional<std::string> input;
  std::optional<std::string> model;
  ModelSettings model_settings;
  std::optional<std::size_t> threads;  // without them, those of the task file
  std::optional<std::uint64_t> seed;
  bool scores = false;
};

enum class ModelsAction { list, pull, path, tune };

struct ModelsFlags {
  ModelsAction action = ModelsAction::list;
  std::string name;
};

struct SpaceFlags {
  std::filesystem::path file;
  std::vector<std::string> keep;
  std::vector<std::string> freeze;
  std::vector<std::string> narrow;
  bool all = false;
  bool json = false;
};

enum class StudyAction { list, show, trials, diff, write };

struct StudyFlags {
  StudyAction action = StudyAction::list;
  std::vector<std::filesystem::path> places;  // of list: files, and folders of them
  std::filesystem::path file;                 // of the others
  std::size_t a = 0;                          // trials of diff
  std::size_t b = 0;
  std::string format = "json";  // of write: csv, json, svg
  std::optional<std::filesystem::path> out;
  bool json = false;
};

using Command =
    std::variant<OptimizeFlags, EvalFlags, RunFlags, ModelsFlags, SpaceFlags, StudyFlags>;

// A command to carry out, or the exit code when all is said already (help, version, a bad option).
std::variant<Command, int> parse_command_line(int argc, char** argv);

int run_optimize(const OptimizeFlags& flags);
int run_eval(const EvalFlags& flags);
int run_program(const RunFlags& flags);
int run_models(const ModelsFlags& flags);
int run_space(const SpaceFlags& flags);
int run_study(const StudyFlags& flags);

}  // namespace hone::cli
