// What every sampler must keep; for one's own too.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hone/optimize/samplers/sampler.hpp"

namespace hone::testing {

using SamplerMaker =
    std::function<Result<std::unique_ptr<Sampler>>(const Space& space, std::uint64_t seed)>;

struct SamplerConformance {
  bool is_random = true;  // other seeds ask for other candidates
  bool learns = false;    // does better than random sampling on a bowl
  bool ends = false;      // a space of finitely many points is asked through once, then it ends
};

// What the sampler broke, in words; empty when all holds: values lie in their domains, exist just
// when their condition holds, are the same for the same seed and tellings; candidates never asked
// for and candidates without a score may be told; spaces it cannot draw from are refused with the
// parameter's name; and what `expected` says.
std::vector<std::string> check_sampler(const SamplerMaker& make,
                                       const SamplerConformance& expected = {});

}  // namespace hone::testing
