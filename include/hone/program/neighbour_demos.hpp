// Demos chosen for each input: those of the most similar known examples.
#pragma once

#include <cstddef>
#include <map>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/lm/embedder.hpp"
#include "hone/program/program.hpp"

namespace hone {

// What is known of one example: its inputs to the program, and a demo for some of its predictors.
struct KnownExample {
  Value inputs;
  std::map<std::string, Value> demos;  // by predictor path
};

// `inner` with, at every run, the demos of the `k` examples of the pool whose inputs are nearest to
// the run's, nearest last (KNNFewShot of DSPy; Liu et al. 2022, "What Makes Good In-Context
// Examples for GPT-3?"). Near is by shared words, rare ones counting more (BM25: Robertson,
// Zaragoza 2009), and examples that share no word come last, in the pool's order; or, with an
// embedder, by the cosine of their points: the pool's are computed now and kept with the program,
// the run's input is embedded by the call's embedder, which has to be the same one. An example
// with exactly the run's inputs is left out: it would give its answer away.
//
// Parameters: those of `inner` without the demos of predictors that the pool has demos for (others
// keep their own), and "neighbours.k" from 0 to the pool's size. The program is saved with its
// pool. A run costs one ranking (the pool's words) and rendering the demos anew, and shares no
// prompt beginning with other runs. bad_request for an empty pool and for a demo of an unknown
// predictor or that does not fit it; else what the embedder failed with.
Result<Program> with_neighbour_demos(const Program& inner, std::vector<KnownExample> pool,
                                     std::size_t k, const Embedder* embedder = nullptr,
                                     std::stop_token stop = {});

}  // namespace hone
