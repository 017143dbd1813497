// `hone space`: what can be tuned.
#include "hone/optimize/space.hpp"

#include <cstdio>

#include "hone/exit_code.hpp"
#include "hone/loading.hpp"
#include "hone/options.hpp"

namespace hone::cli {

int run_space(const SpaceFlags& flags) {
  const Result<TaskSpec> task = read_task_file(flags.file);
  if (!task) return fail(task.error());
  // The space does not depend on the model being here.
  const bool remote = task->model && task->model->starts_with("openai:");
  const Result<SavedProgram> loaded =
      task_program(*task, remote ? Format::chat : Format::completion);
  if (!loaded) return fail(loaded.error());
  const std::string text = Space::of(loaded->program).describe();
  std::fwrite(text.data(), 1, text.size(), stdout);
  if (!text.ends_with("\n")) std::fputc('\n', stdout);
  return kOk;
}

}  // namespace hone::cli
