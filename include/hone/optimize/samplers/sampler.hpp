// Samplers choose points of a space of choices and numbers, learning from the scores of earlier
// ones.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/optimize/space.hpp"

namespace hone {

// Asked for a candidate, told its score: higher is better. The answers are a function of the seed
// and of the calls so far, never of time. Several candidates may be asked for before any is told;
// candidates nobody asked for may be told too (a warm start). Not thread safe.
class Sampler {
 public:
  virtual ~Sampler() = default;
  virtual std::string_view name() const = 0;
  // A value for every parameter whose condition holds, and for no other; nullopt when nothing is
  // left to try.
  virtual std::optional<Candidate> ask() = 0;
  // No score: the candidate could not be measured, which says nothing about it.
  virtual void tell(const Candidate& candidate, std::optional<double> score) = 0;
};

// Each parameter uniformly over its domain (over its logarithm on a log scale), repeats included.
//
// All makers refuse, with a bad_request that names the parameter: free text and demo sets (narrow
// them to choices first), empty domains, a log scale from 0 or below, conditions in a circle, and a
// space with nothing to choose. Learned parameters are skipped.
Result<std::unique_ptr<Sampler>> make_random_sampler(const Space& space, std::uint64_t seed);

struct GridOptions {
  std::size_t steps = 5;  // points of a number's range, ends included; at most what there is
  bool shuffle = true;    // in the seed's order, so that a search cut short has seen all corners
};
// Every combination once; parameters whose condition does not hold make no extra combinations. A
// grid of more than 100,000 points is a bad_request.
Result<std::unique_ptr<Sampler>> make_grid_sampler(const Space& space, std::uint64_t seed,
                                                   GridOptions options = {});

}  // namespace hone
