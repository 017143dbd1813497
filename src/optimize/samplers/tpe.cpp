#include "hone/optimize/samplers/tpe.hpp"

#include <algorithm>
#include <cmath>
#include <set>
#include <utility>
#include <vector>

#include "optimize/samplers/axis.hpp"
#include "optimize/samplers/mixture.hpp"

namespace hone {
namespace {

// Spaces up to this size are counted out, so that ask() knows its end.
constexpr std::size_t kMostCounted = 10'000;
constexpr std::size_t kTries = 64;  // for a point that was not asked for before

// Axes that exist under one condition.
struct Group {
  std::vector<const Axis*> axes;
};

class TpeSampler final : public Sampler {
 public:
  TpeSampler(Space space, std::vector<Axis> axes, std::uint64_t seed, TpeOptions options)
      : space_(std::move(space)),
        axes_(std::move(axes)),
        options_(options),
        rng_(seed, "tpe sampler") {
    const bool finite = std::all_of(axes_.begin(), axes_.end(), [](const Axis& axis) {
      return axis.size() && *axis.size() <= kMostCounted;
    });
    skips_repeats_ = finite && options_.skip_repeats;
    if (skips_repeats_) {
      points_ = combinations(space_, axes_, kMostCounted, kMostCounted);
      if (points_.size() > kMostCounted) points_.clear();
    }
    for (const Axis& axis : axes_) {
      const auto same = std::find_if(groups_.begin(), groups_.end(), [&](const Group& group) {
        const auto& a = group.axes.front()->param().condition;
        const auto& b = axis.param().condition;
        if (!a || !b) return !a && !b;
        return a->path == b->path && a->equals == b->equals;
      });
      if (same == groups_.end()) {
        groups_.push_back({{&axis}});
      } else {
        same->axes.push_back(&axis);
      }
    }
  }
  // The groups point at the axes.
  TpeSampler(const TpeSampler&) = delete;
  TpeSampler& operator=(const TpeSampler&) = delete;

  std::string_view name() const override { return "tpe"; }

  std::optional<Candidate> ask() override {
    const bool counted = !points_.empty();
    std::optional<Candidate> chosen;
    const std::size_t tries = counted ? kTries : 2 * kTries;
    for (std::size_t i = 0; i < tries && !chosen; ++i) {
      // Where the model knows no more that is new, chance does, unless all can be counted.
      const bool is_random = told_.size() < options_.startup || i >= kTries;
      Candidate drawn = is_random ? draw_randomly() : draw_modelled();
      if (!skips_repeats_ || !seen_.contains(drawn.hash())) chosen = std::move(drawn);
    }
    if (!chosen) chosen = counted ? any_unseen() : draw_randomly();
    if (!chosen) return std::nullopt;
    seen_.insert(chosen->hash());
    pending_.push_back(*chosen);
    return chosen;
  }

  void tell(const Candidate& candidate, std::optional<double> score) override {
    seen_.insert(candidate.hash());
    if (const auto asked = std::find(pending_.begin(), pending_.end(), candidate);
        asked != pending_.end())
      pending_.erase(asked);
    if (score && std::isfinite(*score)) told_.push_back({candidate, *score});
  }

 private:
  struct Told {
    Candidate candidate;
    double score;
  };

  Candidate draw_randomly() {
    Candidate candidate;
    for (const Axis& axis : axes_) {
      if (space_.is_active(axis.param(), candidate))
        candidate = candidate.with(axis.param().path, axis.value(axis.draw(rng_)));
    }
    return candidate;
  }

  // The group's coordinates of a candidate, when it has them all.
  static std::optional<Point> point_of(const Group& group, const Candidate& candidate) {
    Point point;
    for (const Axis* axis : group.axes) {
      const Value* value = candidate.find(axis->param().path);
      const std::optional<double> x = value ? axis->point(*value) : std::nullopt;
      if (!x) return std::nullopt;
      point.push_back(*x);
    }
    return point;
  }

  Candidate draw_modelled() {
    Candidate candidate;
    // A group stands after the one its condition is about, as the axes do.
    for (const Group& group : groups_) {
      if (!space_.is_active(group.axes.front()->param(), candidate)) continue;
      const Point point = draw_group(group);
      for (std::size_t a = 0; a < group.axes.size(); ++a) {
        candidate = candidate.with(group.axes[a]->param().path, group.axes[a]->value(point[a]));
      }
    }
    return candidate;
  }

  Point draw_group(const Group& group) {
    struct Seen {
      Point point;
      double score;
      std::size_t when;
    };
    std::vector<Seen> known;
    for (std::size_t i = 0; i < told_.size(); ++i) {
      if (std::optional<Point> point = point_of(group, told_[i].candidate))
        known.push_back({*std::move(point), told_[i].score, i});
    }
    std::stable_sort(known.begin(), known.end(),
                     [](const Seen& a, const Seen& b) { return a.score > b.score; });
    const std::size_t good_count =
        std::min({static_cast<std::size_t>(
                      std::ceil(options_.good_share * static_cast<double>(known.size()))),
                  options_.most_good, known.size()});
    const auto by_time = [](const Seen& a, const Seen& b) { return a.when < b.when; };
    const auto border = known.begin() + static_cast<std::ptrdiff_t>(good_count);
    std::sort(known.begin(), border, by_time);
    std::sort(border, known.end(), by_time);
    std::vector<Point> good;
    std::vector<Point> rest;
    for (std::size_t i = 0; i < known.size(); ++i)
      (i < good_count ? good : rest).push_back(std::move(known[i].point));
    for (const Candidate& asked : pending_) {
      if (std::optional<Point> point = point_of(group, asked)) rest.push_back(*std::move(point));
    }
    const Mixture likely(group.axes, std::move(good));
    const Mixture unlikely(group.axes, std::move(rest));
    Point best;
    double best_ratio = 0;
    for (std::size_t i = 0; i < std::max<std::size_t>(1, options_.candidates); ++i) {
      Point point = likely.draw(rng_);
      if (was_seen(group, point)) continue;
      const double ratio = likely.log_density(point) - unlikely.log_density(point);
      if (best.empty() || ratio > best_ratio) {
        best = std::move(point);
        best_ratio = ratio;
      }
    }
    return best.empty() ? likely.draw(rng_) : best;
  }

  // Only where the group is the whole candidate: of several groups each may repeat.
  bool was_seen(const Group& group, const Point& point) const {
    if (points_.empty() || groups_.size() > 1) return false;
    Candidate candidate;
    for (std::size_t a = 0; a < group.axes.size(); ++a)
      candidate = candidate.with(group.axes[a]->param().path, group.axes[a]->value(point[a]));
    return seen_.contains(candidate.hash());
  }

  std::optional<Candidate> any_unseen() {
    std::vector<const Candidate*> left;
    for (const Candidate& point : points_) {
      if (!seen_.contains(point.hash())) left.push_back(&point);
    }
    if (left.empty()) return std::nullopt;
    return *left[rng_.below(left.size())];
  }

  Space space_;
  std::vector<Axis> axes_;
  TpeOptions options_;
  Rng rng_;
  std::vector<Group> groups_;
  std::vector<Candidate> points_;  // all there are, when they can be counted
  std::vector<Told> told_;
  std::vector<Candidate> pending_;
  bool skips_repeats_ = false;
  std::set<Hash> seen_;
};

}  // namespace

Result<std::unique_ptr<Sampler>> make_tpe_sampler(const Space& space, std::uint64_t seed,
                                                  TpeOptions options) {
  Result<std::vector<Axis>> axes = axes_of(space);
  if (!axes) return axes.error();
  return std::make_unique<TpeSampler>(space, *std::move(axes), seed, options);
}

}  // namespace hone
