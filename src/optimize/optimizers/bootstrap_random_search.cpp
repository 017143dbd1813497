#include "optimize/demo_sets.hpp"
#include "optimize/domains.hpp"
#include "optimize/optimizers/optimizers.hpp"

namespace hone {
namespace {

// BootstrapFewShotWithRandomSearch of DSPy (Khattab et al. 2023): no demos, labelled demos only,
// bootstrapped in the given order, then random sets. All are measured together,
// so that what their prompts have in common is computed once and the weak ones stop early.
class BootstrapRandomSearch final : public Optimizer {
 public:
  explicit BootstrapRandomSearch(OptionReader& options)
      : options_(read_bootstrap_options(options, {.max_labeled = kMostDemos})),
        candidates_(options.get("candidates", std::size_t{16},
                                "random demo sets, besides the three fixed ones")) {}

  std::string_view name() const override { return "bootstrap_random_search"; }
  bool handles(const Param& param) const override { return is_demos(param); }
  std::string_view needs() const override { return "*.demos"; }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> paths = tunable_demo_paths(search);
    if (!paths) return paths.error();
    std::vector<Proposal> proposals;
    proposals.push_back({Candidate(), "no demos", std::nullopt, true});
    proposals.push_back(
        {with_demos(Candidate(), labelled_sets(search, *paths, options_)), "labelled demos"});
    search.phase("bootstrap");
    const BootstrapOptions options = keep_measurement(search, options_);
    DemoSets sets;
    for (std::size_t i = 0; i <= candidates_ && !search.done(); ++i) {
      sets = numbered_bootstrap(search, *paths, i, options, sets);
      proposals.push_back({with_demos(Candidate(), sets), "bootstrap " + std::to_string(i)});
    }
    search.phase("trials");
    const Result<std::vector<Trial>> trials = search.evaluate(proposals);
    if (!trials) return trials.error();
    search.run_off();
    return {};
  }

 private:
  BootstrapOptions options_;
  std::size_t candidates_;
};

}  // namespace

std::unique_ptr<Optimizer> make_bootstrap_random_search(OptionReader& options) {
  return std::make_unique<BootstrapRandomSearch>(options);
}

}  // namespace hone
