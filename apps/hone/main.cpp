#include <csignal>
#include <exception>
#include <variant>

#include "hone/base/result.hpp"
#include "hone/console.hpp"
#include "hone/exit_code.hpp"
#include "hone/openmp_waiting.hpp"
#include "hone/options.hpp"

namespace {

using namespace hone::cli;

struct Carry {
  int operator()(const OptimizeFlags& flags) const { return run_optimize(flags); }
  int operator()(const EvalFlags& flags) const { return run_eval(flags); }
  int operator()(const RunFlags& flags) const { return run_program(flags); }
  int operator()(const ModelsFlags& flags) const { return run_models(flags); }
  int operator()(const SpaceFlags& flags) const { return run_space(flags); }
  int operator()(const StudyFlags& flags) const { return run_study(flags); }
};

}  // namespace

int main(int argc, char** argv) {
  // A reader that went away, or a limit on file sizes, is an error of the write and not the end of
  // the process.
  std::signal(SIGPIPE, SIG_IGN);
  std::signal(SIGXFSZ, SIG_IGN);
  try {
    const auto parsed = parse_command_line(argc, argv);
    const int* parsed_code = std::get_if<int>(&parsed);
    if (parsed_code == nullptr) shorten_openmp_waiting(argv);
    const int code = parsed_code ? *parsed_code : std::visit(Carry{}, std::get<Command>(parsed));
    const hone::Result<void> written = flush_output();
    return written ? code : fail(written.error());
  } catch (const hone::Exception& error) {
    return fail(error.error());
  } catch (const std::exception& error) {
    return fail(hone::internal_error("", error.what()));
  }
}
