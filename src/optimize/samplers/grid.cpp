#include <utility>
#include <vector>

#include "hone/optimize/samplers/sampler.hpp"

#include "optimize/samplers/axis.hpp"

namespace hone {
namespace {

constexpr std::size_t kMostPoints = 100'000;

class GridSampler final : public Sampler {
 public:
  explicit GridSampler(std::vector<Candidate> points) : points_(std::move(points)) {}
  std::string_view name() const override { return "grid"; }

  std::optional<Candidate> ask() override {
    if (next_ == points_.size()) return std::nullopt;
    return points_[next_++];
  }
  void tell(const Candidate& /*candidate*/, std::optional<double> /*score*/) override {}

 private:
  std::vector<Candidate> points_;
  std::size_t next_ = 0;
};

}  // namespace

Result<std::unique_ptr<Sampler>> make_grid_sampler(const Space& space, std::uint64_t seed,
                                                   GridOptions options) {
  Result<std::vector<Axis>> axes = axes_of(space);
  if (!axes) return axes.error();
  if (options.steps == 0) return bad_request("grid", "needs at least one step");
  std::vector<Candidate> points = combinations(space, *axes, options.steps, kMostPoints);
  if (points.size() > kMostPoints) {
    return bad_request("grid", "has more than " + std::to_string(kMostPoints) +
                                   " points; take fewer steps or parameters");
  }
  if (options.shuffle) {
    Rng rng(seed, "grid sampler");
    rng.shuffle(points);
  }
  return std::make_unique<GridSampler>(std::move(points));
}

}  // namespace hone
