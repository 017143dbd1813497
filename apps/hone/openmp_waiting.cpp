#include "hone/openmp_waiting.hpp"

#include <sys/auxv.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace hone::cli {

void shorten_openmp_waiting(char** arguments) {
  if (std::getenv("GOMP_SPINCOUNT") != nullptr || std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  // Begun by the dynamic loader as its argument: then the loader is what would begin anew.
  if (getauxval(AT_BASE) == 0) return;
  std::error_code error;
  // Not the link itself: it would become the name under which the system lists the process.
  const std::filesystem::path program = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error) return;
  setenv("GOMP_SPINCOUNT", "1000", 1);  // a turn takes some ten nanoseconds
  execv(program.c_str(), arguments);
}

}  // namespace hone::cli
