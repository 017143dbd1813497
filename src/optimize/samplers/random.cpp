#include <utility>

#include "hone/optimize/samplers/sampler.hpp"

#include "optimize/samplers/axis.hpp"

namespace hone {
namespace {

class RandomSampler final : public Sampler {
 public:
  RandomSampler(Space space, std::vector<Axis> axes, std::uint64_t seed)
      : space_(std::move(space)), axes_(std::move(axes)), rng_(seed, "random sampler") {}
  std::string_view name() const override { return "random"; }

  std::optional<Candidate> ask() override {
    Candidate candidate;
    for (const Axis& axis : axes_) {
      if (!space_.is_active(axis.param(), candidate)) continue;
      candidate = candidate.with(axis.param().path, axis.value(axis.draw(rng_)));
    }
    return candidate;
  }
  void tell(const Candidate& /*candidate*/, std::optional<double> /*score*/) override {}

 private:
  Space space_;
  std::vector<Axis> axes_;
  Rng rng_;
};

}  // namespace

Result<std::unique_ptr<Sampler>> make_random_sampler(const Space& space, std::uint64_t seed) {
  Result<std::vector<Axis>> axes = axes_of(space);
  if (!axes) return axes.error();
  return std::make_unique<RandomSampler>(space, *std::move(axes), seed);
}

}  // namespace hone
