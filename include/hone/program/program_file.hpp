// Program files (TOML): a program without C++.
#pragma once

#include <filesystem>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/program/program.hpp"

namespace hone {

// A TOML file as an object; a fault names file, line and column. Dates come as strings.
Result<Value> read_toml(const std::filesystem::path& path);

// A program from an object such as the [program] table of a TOML file. One step:
//   signature = "ticket -> queue: enum(billing, technical)"
//   instructions = "…"            module = "predict" | "chain_of_thought"
//   format = "completion"         calibration = "batch"        model = "…"
//   [program.lm]  temperature = 0.7, …                          demos = [{ticket = "…", queue =
//   "…"}]
// Several steps, wired by field names:
//   [[program.steps]]  name = "query"  signature = "question -> query"  …
// A step that looks passages up (hone/program/retrieve.hpp); the corpus is a path from `folder`:
//   module = "retrieve"  signature = "query -> context: list[str]"  corpus = "passages.jsonl"
//   k = 3                k_range = [1, 10]
// Several structures to choose among, each a program as above with a name:
//   [program.alternatives]  name = "answer"  choice = "direct"
//   [[program.alternatives.programs]]  name = "direct"  signature = …
// Unknown keys are errors with near names. `defaults` fills what a step leaves open (format).
// `folder` is that of the file; without one paths are from the working directory.
Result<Program> program_from_config(const Value& config, std::string_view where,
                                    const PredictorOptions& defaults = {},
                                    const std::filesystem::path& folder = {});

}  // namespace hone
