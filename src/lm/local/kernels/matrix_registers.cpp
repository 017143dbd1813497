#include "lm/local/kernels/matrix_registers.hpp"

#if defined(__linux__) && defined(__x86_64__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

namespace hone::local {

bool may_use_matrix_registers() {
#if defined(__linux__) && defined(__x86_64__)
  // arch_prctl(ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) of Linux 5.16; older headers lack the
  // names.
  constexpr long kRequest = 0x1023, kTileData = 18;
  static const bool is_granted = ::syscall(SYS_arch_prctl, kRequest, kTileData) == 0;
  return is_granted;
#else
  return false;
#endif
}

}  // namespace hone::local
