// `hone space`: what can be tuned.
#include "hone/optimize/space.hpp"

#include <cstdio>
#include <utility>

#include "hone/exit_code.hpp"
#include "hone/loading.hpp"
#include "hone/options.hpp"

namespace hone::cli {
namespace {

Result<Space> space_from(const SpaceFlags& flags) {
  Result<TaskSpec> task = read_task_file(flags.file);
  if (!task) return task.error();
  Result<std::vector<Narrowing>> narrow = narrowings_from(flags.narrow);
  if (!narrow) return narrow.error();
  if (flags.all || !narrow->empty()) task->narrow = *std::move(narrow);
  if (flags.all || !flags.keep.empty()) task->keep = flags.keep;
  if (flags.all || !flags.freeze.empty()) task->freeze = flags.freeze;
  // The space does not depend on the model being here.
  const bool remote = task->model && task->model->starts_with("openai:");
  const Result<SavedProgram> loaded =
      task_program(*task, remote ? Format::chat : Format::completion);
  if (!loaded) return loaded.error();
  return task_space(*task, *loaded);
}

}  // namespace

int run_space(const SpaceFlags& flags) {
  const Result<Space> space = space_from(flags);
  if (!space) return fail(space.error());
  std::string text = flags.json ? space->to_json().to_json() : space->describe();
  if (!text.ends_with("\n")) text += "\n";
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 ? kOk : kFailed;
}

}  // namespace hone::cli
