// From the words of a task to its values: program, examples, models. Everything that can be wrong
// with the input is found here, before a model is loaded.
#pragma once

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/example.hpp"
#include "hone/lm/embedder.hpp"
#include "hone/lm/lm.hpp"
#include "hone/model_spec.hpp"
#include "hone/optimize/space.hpp"
#include "hone/program/saved_program.hpp"
#include "hone/task_spec.hpp"

namespace hone::cli {

// The model a task runs on: its own word, else that of a tuned program. Checked, not opened.
Result<ModelSpec> task_model(const TaskSpec& task);

// In words, that a tuned program is to run on another model than it was tuned on; empty where it is
// the same, or none is known.
std::string other_model_notice(const SavedProgram& saved, const ModelSpec& model, const Lm& lm);

// The program of a task, or of a file of either kind. Steps that name no format get the model's.
Result<SavedProgram> task_program(const TaskSpec& task, Format default_format);
Result<SavedProgram> program_from_file(const std::filesystem::path& file, Format default_format);

struct Splits {
  std::array<Examples, 3> examples;  // by Split; empty where the task has no files
  std::vector<std::string> notices;  // what a reader of the scores should know

  const Examples& of(Split split) const { return examples[static_cast<std::size_t>(split)]; }
  Examples& of(Split split) { return examples[static_cast<std::size_t>(split)]; }
};

Result<Examples> load_split(const TaskSpec& task, Split split, const Signature& signature);
// Train and validation must be there, or train alone, which is then cut 70/30 by the task's seed.
Result<Splits> load_splits(const TaskSpec& task, const Signature& signature);

// Opened models; each spec once.
class Models {
 public:
  Models(ModelSettings settings, Notify tell)
      : settings_(std::move(settings)), tell_(std::move(tell)) {}
  Result<const Lm*> open(const ModelSpec& spec);
  // Null without a spec; bad_request unless it is the one the program's points are of.
  Result<const Embedder*> open_embedder(const std::optional<ModelSpec>& spec,
                                        const Program& program);
  // Local models forget the prompt beginnings they keep. What a local model computes together with
  // what decides how it rounds, so scores that two commands report can only agree when both begin
  // from nothing.
  void forget() const;

 private:
  ModelSettings settings_;
  Notify tell_;
  std::map<std::string, OpenedModel> opened_;
  std::map<std::string, std::shared_ptr<const Embedder>> embedders_;
};

// The embedder a task gives, else the one a tuned program was saved with; none when there is none
// to be had and the program needs none.
Result<std::optional<ModelSpec>> task_embedder(const TaskSpec& task, const SavedProgram& saved);

// What the task lets a search change: the program's parameters under narrow, keep and freeze.
Result<Space> task_space(const TaskSpec& task, const SavedProgram& saved);

// The models a program's predictors name, and those a search may choose among where there is a
// space: of those the task gives, else of those a tuned program was saved with.
Result<std::map<std::string, ModelSpec>> named_models(const TaskSpec& task,
                                                      const SavedProgram& saved,
                                                      const Space* space = nullptr);

// A folder a file can be written to.
Result<void> check_output(const std::filesystem::path& path,
                          std::span<const std::filesystem::path> inputs = {});

}  // namespace hone::cli
