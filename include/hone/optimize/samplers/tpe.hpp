// The tree-structured Parzen estimator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "hone/base/result.hpp"
#include "hone/optimize/samplers/sampler.hpp"
#include "hone/optimize/space.hpp"

namespace hone {

struct TpeOptions {
  std::size_t startup = 10;     // random candidates before the model is trusted
  std::size_t candidates = 24;  // drawn from the density of the good ones, the best ratio is taken
  double good_share = 0.1;      // of the told candidates, rounded up
  std::size_t most_good = 25;
  bool skip_repeats = true;  // in a space of finitely many points no point is asked for twice, and
                             // ask() ends when all were
};

// TPE (Bergstra et al. 2011, "Algorithms for Hyper-Parameter Optimization") in its multivariate
// form (Falkner, Klein, Hutter 2018, BOHB): told candidates are split into few good ones and the
// rest; each set becomes a density with one joint kernel a candidate and a flat one, and the
// candidate with the largest ratio of good to rest is asked for. Parameters under one condition are
// modelled together, from the candidates in which they existed. Candidates asked for and not told
// yet count among the rest, so that a batch does not cluster.
//
// Cost of ask(): candidates × told × parameters. For its errors see make_random_sampler.
Result<std::unique_ptr<Sampler>> make_tpe_sampler(const Space& space, std::uint64_t seed,
                                                  TpeOptions options = {});

}  // namespace hone
