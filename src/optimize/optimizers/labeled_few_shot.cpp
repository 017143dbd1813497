#include <algorithm>

#include "optimize/demo_sets.hpp"
#include "optimize/domains.hpp"
#include "optimize/optimizers/optimizers.hpp"

namespace hone {
namespace {

// LabeledFewShot of DSPy: one random set of labelled demos for each predictor.
class LabeledFewShot final : public Optimizer {
 public:
  explicit LabeledFewShot(OptionReader& options)
      : count_(options.get("max_labeled", std::size_t{16}, "demos for each predictor, at most")),
        balanced_(options.get("balanced", true, "let labels take turns among the demos")) {}

  std::string_view name() const override { return "labeled_few_shot"; }
  bool handles(const Param& param) const override { return is_demos(param); }
  std::string_view needs() const override { return "*.demos"; }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> paths = tunable_demo_paths(search);
    if (!paths) return paths.error();
    DemoSets sets;
    for (const Predictor& predictor : search.student().predictors()) {
      if (std::find(paths->begin(), paths->end(), predictor.path()) == paths->end()) continue;
      Rng rng = search.rng("labeled_few_shot " + predictor.path());
      sets[predictor.path()] = draw_labeled(predictor, search.train(), count_, balanced_, rng);
    }
    // Where no example fits a step, its own demos stay. Too many for the context is an error told
    // to whoever asked for so many: this is the only candidate.
    std::erase_if(sets, [](const auto& entry) { return entry.second.empty(); });
    const Result<Trial> trial = search.evaluate(with_demos(Candidate(), sets), "labelled demos");
    if (!trial) return trial.error();
    return {};
  }

 private:
  std::size_t count_;
  bool balanced_;
};

}  // namespace

std::unique_ptr<Optimizer> make_labeled_few_shot(OptionReader& options) {
  return std::make_unique<LabeledFewShot>(options);
}

}  // namespace hone
