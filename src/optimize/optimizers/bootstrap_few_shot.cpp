#include "optimize/demo_sets.hpp"
#include "optimize/domains.hpp"
#include "optimize/optimizers/optimizers.hpp"

namespace hone {

namespace {

// BootstrapFewShot of DSPy (Khattab et al. 2023): one demo set, the examples in their given order.
class BootstrapFewShot final : public Optimizer {
 public:
  explicit BootstrapFewShot(OptionReader& options) : options_(read_bootstrap_options(options)) {}
  std::string_view name() const override { return "bootstrap_few_shot"; }
  bool handles(const Param& param) const override { return is_demos(param); }
  std::string_view needs() const override { return "*.demos"; }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> paths = tunable_demo_paths(search);
    if (!paths) return paths.error();
    Rng rng = search.rng("bootstrap_few_shot");
    const BootstrapOptions options = keep_measurement(search, options_);
    const DemoSets sets = keep_tunable(bootstrap(search, search.train(), options, rng), *paths);
    const bool is_cut =
        search.done() ||
        (options.kept_calls && affordable_teacher_runs(search, 1, *options.kept_calls) == 0);
    if (sets.empty() && is_cut) {
      search.notice(
          "the budget does not reach for the teacher's runs and for measuring their demos");
      return {};
    }
    if (sets.empty())
      return bad_request("bootstrap_few_shot",
                         "no run of the teacher succeeded and no example fits");
    const Result<Trial> trial =
        search.evaluate(with_demos(Candidate(), sets), "bootstrapped demos");
    if (!trial) return trial.error();
    return {};
  }

 private:
  BootstrapOptions options_;
};

}  // namespace

std::unique_ptr<Optimizer> make_bootstrap_few_shot(OptionReader& options) {
  return std::make_unique<BootstrapFewShot>(options);
}

}  // namespace hone
