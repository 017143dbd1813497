// What `hone optimize` is given, checked part by part before a model is loaded, and the models it
// names.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "hone/base/result.hpp"
#include "hone/loading.hpp"
#include "hone/optimize/optimizer.hpp"
#include "hone/store/study_log.hpp"

namespace hone::cli {

// A task whose every part is known to be good.
struct Prepared {
  TaskSpec task;
  Program student;
  Splits splits;
  Metric metric;
  std::unique_ptr<Optimizer> optimizer;
  Space space;
  ModelSpec model;
  std::map<std::string, ModelSpec> named;
  std::optional<ModelSpec> teacher_model;
  std::optional<ModelSpec> proposer_model;
  std::optional<ModelSpec> embedder;
  std::optional<Program> teacher;
  std::filesystem::path out;
  std::unique_ptr<StudyLog> log;
};

// bad_request at the first part that is none; nothing is written, but for the study log, which is
// made unless this is a dry run.
Result<Prepared> prepare(TaskSpec task, bool dry_run);

struct OpenedModels {
  const Lm* main = nullptr;
  const Lm* teacher = nullptr;   // null = the main one
  const Lm* proposer = nullptr;  // null = the main one
  const Embedder* embedder = nullptr;
  std::map<std::string, const Lm*, std::less<>> named;
  std::map<std::string, Price, std::less<>> prices;  // by identity
};

// They live in `models`.
Result<OpenedModels> open_all(const Prepared& prepared, Models& models);

}  // namespace hone::cli
