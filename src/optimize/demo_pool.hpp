// Several demo sets to choose among.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "optimize/demo_sets.hpp"

namespace hone {

struct DemoPool {
  std::vector<DemoSets> sets;  // by predictor path; the first is empty: the student's own demos
  std::vector<std::string> names;
};

// `count` different sets besides the empty one, as DSPy's random search makes them: labelled
// examples only, bootstrapped in the given order, then bootstrapped in random orders and sizes. A
// set that came up before is drawn again, so that the pool does not shrink below what the data can
// give. Ends early when the search is done.
DemoPool make_demo_pool(Search& search, const std::vector<std::string>& paths, std::size_t count,
                        const BootstrapOptions& options);

}  // namespace hone
