#include <algorithm>
#include <optional>
#include <utility>

#include "hone/optimize/samplers/tpe.hpp"

#include "optimize/demo_pool.hpp"
#include "optimize/domains.hpp"
#include "optimize/joint_choice.hpp"
#include "optimize/optimizers/optimizers.hpp"

namespace hone {
namespace {

// BootstrapFewShotWithOptuna of DSPy chooses single demos; here TPE (Bergstra et al. 2011) chooses
// whole demo sets, one for each predictor, and may choose settings along with them.
class BootstrapTpe final : public Optimizer {
 public:
  explicit BootstrapTpe(OptionReader& options)
      : bootstrap_(read_bootstrap_options(options, {.max_labeled = kMostDemos})),
        candidates_(options.get("candidates", std::size_t{16}, "demo sets to choose among, at most",
                                kAtLeastOne)),
        trials_(options.get("trials", std::size_t{24}, "combinations tried", kAtLeastOne)),
        batch_(options.get("batch", std::size_t{4}, "combinations measured together", kAtLeastOne)),
        also_(options.get("also", "", "globs of settings chosen too: \"*.format *.module\"")) {}

  std::string_view name() const override { return "bootstrap_tpe"; }
  bool handles(const Param& param) const override { return is_demos(param) || is_drawable(param); }

  Result<void> check(const SearchSetting& setting) const override {
    return JointChoice().add_matching(setting.space, also_);
  }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> known = tunable_demo_paths(search, Structure::any);
    const std::vector<std::string> paths = known.value_or(std::vector<std::string>());
    JointChoice choice;
    for (const std::string& path : paths) choice.add(search.space(), path + ".demos", {Value()});
    if (Result<void> added = choice.add_matching(search.space(), also_); !added)
      return added.error();
    choice.add_asked(search.space(), search.student());
    if (choice.empty()) return known.error();
    Rng rng = search.rng("bootstrap_tpe");
    if (Result<std::unique_ptr<Sampler>> early = make_tpe_sampler(choice.space(), 0); !early)
      return early.error();

    search.phase("bootstrap");
    const DemoPool pool = make_demo_pool(search, paths, paths.empty() ? 0 : candidates_,
                                         keep_measurement(search, bootstrap_));
    for (std::size_t i = 1; i < pool.sets.size(); ++i) {
      for (const std::string& path : paths) {
        const auto demos = pool.sets[i].find(path);
        if (demos != pool.sets[i].end())
          choice.extend(path + ".demos", Value(Value::List(demos->second)));
      }
    }

    search.phase("trials");
    Result<std::unique_ptr<Sampler>> sampler = make_tpe_sampler(choice.space(), rng.next());
    if (!sampler) return sampler.error();
    for (std::size_t tried = 0; tried < trials_ && !search.done();) {
      std::vector<Candidate> points;
      std::vector<Proposal> proposals;
      while (points.size() < std::min(batch_, trials_ - tried)) {
        std::optional<Candidate> point = (*sampler)->ask();
        if (!point) break;
        Candidate candidate = choice.candidate(*point);
        const bool is_student = candidate.empty();
        proposals.push_back(
            {std::move(candidate), choice.origin(*point), std::nullopt, is_student});
        points.push_back(*std::move(point));
      }
      if (points.empty()) break;
      const Result<std::vector<Trial>> trials = search.evaluate(proposals);
      if (!trials) return trials.error();
      if (trials->size() != points.size()) break;
      for (std::size_t i = 0; i < points.size(); ++i)
        (*sampler)->tell(points[i], told_score(search, (*trials)[i]));
      tried += points.size();
    }
    return {};
  }

 private:
  BootstrapOptions bootstrap_;
  std::size_t candidates_;
  std::size_t trials_;
  std::size_t batch_;
  std::string also_;
};

}  // namespace

std::unique_ptr<Optimizer> make_bootstrap_tpe(OptionReader& options) {
  return std::make_unique<BootstrapTpe>(options);
}

}  // namespace hone
