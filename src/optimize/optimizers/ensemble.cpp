#include "hone/program/ensemble.hpp"

#include <algorithm>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "optimize/optimizers/optimizers.hpp"
#include "optimize/ranking.hpp"

namespace hone {
namespace {

std::vector<std::string> possible_bases() {
  std::vector<std::string> names = optimizer_names();
  std::erase(names, "ensemble");
  return names;
}

// Ensemble of DSPy: several programs answer as one. Here the members are the best trials of another
// optimizer that runs first, sizes compete on the validation examples (their runs are cached, so
// that this costs nothing), and votes may weigh by validation score.
class EnsembleOptimizer final : public Optimizer {
 public:
  explicit EnsembleOptimizer(OptionReader& options)
      : size_(options.get("size", std::size_t{5},
                          "members at most; 3, 5, 7 … up to it, and it, are tried", {.least = 2})),
        weighted_(options.get("weighted", true, "votes weigh by validation score")),
        reduce_(options.get("reduce", "vote", "vote, or mean for numbers", {"vote", "mean"})) {
    const std::string name =
        options.get("base", "bootstrap_random_search",
                    "the optimizer whose best trials become members", possible_bases());
    const Value base_options =
        options.forwarded("base.", "an option of the base: base.candidates = 4");
    Result<std::unique_ptr<Optimizer>> base = make_optimizer(name, base_options);
    if (!base) {
      options.fault(base.error().message);
      base = make_optimizer(name);
    }
    base_ = *std::move(base);
  }

  std::string_view name() const override { return "ensemble"; }
  bool handles(const Param& param) const override { return base_->handles(param); }
  std::string_view needs() const override { return base_->needs(); }
  Result<void> check(const SearchSetting& setting) const override {
    if (const Result<Program> fits = ensemble({setting.student}, voting({})); !fits)
      return fits.error();
    return base_->check(setting);
  }

  Result<void> run(Search& search) const override {
    search.phase(std::string(base_->name()));
    if (Result<void> ran = base_->run(search); !ran) return ran.error();

    const std::vector<const Trial*> members = best_first(search);
    std::vector<Proposal> proposals;
    for (const std::size_t size : sizes(std::min(size_, members.size()))) {
      std::vector<Program> programs;
      std::vector<double> weights;
      for (std::size_t i = 0; i < size; ++i) {
        programs.push_back(program_of(search, *members[i]));
        weights.push_back(
            weighted_ ? std::max(1e-6, comparable_mean(*members[i], search.baseline())) : 1.0);
      }
      Result<Program> joined = ensemble(std::move(programs), voting(std::move(weights)));
      if (!joined) return joined.error();
      proposals.push_back({Candidate(), "ensemble of " + std::to_string(size), *std::move(joined)});
    }
    if (search.done()) {
      search.notice("nothing is left for an ensemble: " + search.stop_reason());
      return {};
    }
    if (proposals.empty()) {
      search.notice("too few trials for an ensemble");
      return {};
    }
    search.phase("ensembles");
    const Result<std::vector<Trial>> trials = search.evaluate(proposals);
    if (!trials) return trials.error();
    return {};
  }

 private:
  static Program program_of(const Search& search, const Trial& trial) {
    const Program& base = trial.program ? *trial.program : search.student();
    return base.with(trial.candidate).value();
  }

  // Equal for one program, however a candidate says it: what it leaves open is as in the student.
  static Hash identity_of(const Search& search, const Trial& trial) {
    Hasher hasher;
    hasher.add(program_of(search, trial).candidate().hash());
    if (trial.program)
      hasher.add(trial.program->structure_hash()).add(trial.program->to_json().hash());
    return hasher.finish();
  }

  // Different programs. Those that a race stopped count too once they met a quarter of the
  // examples: a race leaves few to the end, and one that just fell behind is a better member than
  // the student.
  static std::vector<const Trial*> best_first(const Search& search) {
    std::vector<const Trial*> members;
    std::set<Hash> known;
    for (const Trial& trial : search.trials()) {
      if (4 * trial.examples < search.val().size()) continue;
      if (known.insert(identity_of(search, trial)).second) members.push_back(&trial);
    }
    std::ranges::stable_sort(members, std::ranges::greater(), [&](const Trial* trial) {
      return comparable_mean(*trial, search.baseline());
    });
    return members;
  }

  static std::vector<std::size_t> sizes(std::size_t most) {
    std::vector<std::size_t> out;
    for (std::size_t size = 3; size < most; size += 2) out.push_back(size);
    if (most > 1) out.push_back(most);
    return out;
  }

  EnsembleOptions voting(std::vector<double> weights) const {
    EnsembleOptions options;
    options.weights = std::move(weights);
    options.reduce = reduce_;
    return options;
  }

  std::unique_ptr<Optimizer> base_;
  std::size_t size_;
  bool weighted_;
  std::string reduce_;
};

}  // namespace

std::unique_ptr<Optimizer> make_ensemble(OptionReader& options) {
  return std::make_unique<EnsembleOptimizer>(options);
}

}  // namespace hone
