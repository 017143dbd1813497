#include "hone/program/ensemble.hpp"

#include <algorithm>

#include "optimize/optimizers/optimizers.hpp"

namespace hone {
namespace {

// Ensemble of DSPy: several programs answer as one. Here the members are the best trials of another
// optimizer that runs first, sizes compete on the validation examples (their runs are cached, so
// that this costs nothing), and votes may weigh by validation score.
class EnsembleOptimizer final : public Optimizer {
 public:
  explicit EnsembleOptimizer(OptionReader& options)
      : base_(options.get("base", "bootstrap_random_search",
                          "the optimizer whose best trials become members")),
        size_(options.get("size", std::size_t{5}, "members at most; 3, 5, 7 … up to it are tried")),
        weighted_(options.get("weighted", true, "votes weigh by validation score")),
        reduce_(options.get("reduce", "vote", "vote, or mean for numbers")) {}

  std::string_view name() const override { return "ensemble"; }
  bool handles(const Param& param) const override {
    const Result<std::unique_ptr<Optimizer>> base = make_base();
    return base && (*base)->handles(param);
  }
  std::string_view needs() const override {
    // The names of the built-in optimizers' needs outlive them.
    const Result<std::unique_ptr<Optimizer>> base = make_base();
    return base ? (*base)->needs() : std::string_view();
  }

  Result<void> run(Search& search) const override {
    const Result<std::unique_ptr<Optimizer>> base = make_base();
    if (!base) return base.error();
    if (const Result<Program> fits = ensemble({search.student()}, settings({})); !fits)
      return fits.error();
    search.phase(base_);
    if (Result<void> ran = (*base)->run(search); !ran) return ran.error();

    std::vector<const Trial*> members;
    for (const Trial& trial : search.trials()) {
      if (trial.complete) members.push_back(&trial);
    }
    std::stable_sort(members.begin(), members.end(),
                     [](const Trial* a, const Trial* b) { return a->mean > b->mean; });
    std::vector<Proposal> proposals;
    for (std::size_t size = std::min<std::size_t>(3, size_);
         size > 1 && size <= std::min(size_, members.size()); size += 2) {
      std::vector<Program> programs;
      std::vector<double> weights;
      for (std::size_t i = 0; i < size; ++i) {
        const Program& own = members[i]->program ? *members[i]->program : search.student();
        programs.push_back(own.with(members[i]->candidate).value());
        weights.push_back(weighted_ ? std::max(1e-6, members[i]->mean) : 1.0);
      }
      Result<Program> joined = ensemble(std::move(programs), settings(std::move(weights)));
      if (!joined) return joined.error();
      proposals.push_back({Candidate(), "ensemble of " + std::to_string(size), *std::move(joined)});
    }
    if (proposals.empty() || search.done()) {
      search.notice("too few complete trials for an ensemble");
      return {};
    }
    search.phase("ensembles");
    const Result<std::vector<Trial>> trials = search.evaluate(proposals);
    if (!trials) return trials.error();
    return {};
  }

 private:
  Result<std::unique_ptr<Optimizer>> make_base() const {
    if (base_ == name()) return bad_request("ensemble", "its base cannot be itself");
    return make_optimizer(base_);
  }

  EnsembleOptions settings(std::vector<double> weights) const {
    EnsembleOptions options;
    options.weights = std::move(weights);
    options.reduce = reduce_;
    return options;
  }

  std::string base_;
  std::size_t size_;
  bool weighted_;
  std::string reduce_;
};

}  // namespace

std::unique_ptr<Optimizer> make_ensemble(OptionReader& options) {
  return std::make_unique<EnsembleOptimizer>(options);
}

}  // namespace hone
