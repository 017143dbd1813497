#include <algorithm>
#include <optional>
#include <set>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/program/neighbour_demos.hpp"

#include "optimize/demo_sets.hpp"
#include "optimize/domains.hpp"
#include "optimize/optimizers/optimizers.hpp"

namespace hone {
namespace {

// Runs of the teacher between two looks at a budget.
constexpr std::size_t kTeacherBlock = 64;

// KNNFewShot of DSPy: demos are the train examples most similar to each input. Here similarity is
// by words (BM25) or by an embedding, the number of neighbours is chosen on the validation
// examples, and where a step's fields are not in the data the teacher is run once over the train
// examples that need it, while optimizing, instead of again for every input.
class KnnFewShot final : public Optimizer {
 public:
  explicit KnnFewShot(OptionReader& options)
      : max_k_(options.get("max_k", std::size_t{16},
                           "neighbours at most; 1, 2, 4 … up to it, and it, are tried",
                           kAtLeastOne)),
        pool_(options.get("pool", std::size_t{2000}, "train examples to choose among, at most",
                          kAtLeastOne)),
        by_(options.get("by", "bm25", "what is near: bm25 (shared words) or embedding",
                        {"bm25", "embedding"})),
        bootstrap_(options.get("bootstrap", false,
                               "demos from the teacher's runs also where the data has them")),
        threshold_(options.get("threshold", 1.0, "least metric score of a run worth showing")) {}

  std::string_view name() const override { return "knn_few_shot"; }
  bool handles(const Param& param) const override { return is_demos(param); }
  std::string_view needs() const override { return "*.demos"; }

  Result<void> check(const SearchSetting& setting) const override {
    if (!is_by_embedding() || setting.has_embedder) return {};
    return bad_request("knn_few_shot",
                       "by = embedding needs an embedder (--embedder, SearchOptions::embedder)");
  }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> paths = tunable_demo_paths(search);
    if (!paths) return paths.error();
    const Embedder* embedder = is_by_embedding() ? search.options().embedder : nullptr;
    search.phase("pool");
    bool is_cut = false;
    std::vector<KnownExample> pool = make_pool(search, *paths, is_cut);
    if (pool.empty() && (is_cut || search.done())) return {};
    if (pool.empty())
      return bad_request("knn_few_shot",
                         "no example has the fields of a demo and no run of the teacher succeeded");
    std::vector<Proposal> proposals;
    for (const std::size_t k : counts(std::min(max_k_, pool.size()))) {
      Result<Program> program =
          with_neighbour_demos(search.student(), pool, k, embedder, search.options().stop);
      if (!program) return program.error();
      proposals.push_back({Candidate(), "nearest " + std::to_string(k), *std::move(program)});
    }
    search.phase("trials");
    const Result<std::vector<Trial>> trials = search.evaluate(proposals);
    if (!trials) return trials.error();
    return {};
  }

 private:
  static std::vector<std::size_t> counts(std::size_t most) {
    std::vector<std::size_t> out;
    for (std::size_t k = 1; k < most; k *= 2) out.push_back(k);
    out.push_back(most);
    return out;
  }

  bool is_by_embedding() const { return by_ == "embedding"; }

  // `is_cut`: whether the budget did not reach for all runs of the teacher.
  std::vector<KnownExample> make_pool(Search& search, const std::vector<std::string>& paths,
                                      bool& is_cut) const {
    const Signature& signature = search.student().signature();
    Examples examples;
    Rng rng = search.rng("knn_few_shot pool");
    std::vector<std::size_t> chosen = rng.sample(search.train().size(), pool_);
    std::sort(chosen.begin(), chosen.end());
    for (const std::size_t i : chosen) examples.push_back(search.train()[i]);

    std::vector<KnownExample> pool;
    std::vector<std::size_t> missing;  // places of examples without one of their demos
    for (const Example& example : examples) {
      KnownExample known{example.inputs(signature), {}};
      bool is_whole = !bootstrap_;
      for (const Predictor& predictor : search.student().predictors()) {
        if (std::find(paths.begin(), paths.end(), predictor.path()) == paths.end()) continue;
        Rng unused(0);
        const std::vector<Value> demos =
            draw_labeled(predictor, {example}, 1, /*balanced=*/false, unused);
        if (!bootstrap_ && !demos.empty() && has_all_outputs(predictor, demos.front())) {
          known.demos.emplace(predictor.path(), demos.front());
        } else {
          is_whole = false;
        }
      }
      if (!is_whole) missing.push_back(pool.size());
      pool.push_back(std::move(known));
    }
    for (std::size_t start = 0; start < missing.size() && !search.done();) {
      const std::size_t count = affordable_runs(search, missing.size() - start);
      if (count == 0) {
        is_cut = true;
        search.notice("the budget reaches for " + std::to_string(start) + " of " +
                      std::to_string(missing.size()) + " runs of the teacher");
        break;
      }
      Examples block;
      for (std::size_t i = start; i < start + count; ++i) block.push_back(examples[missing[i]]);
      RunOptions options;
      options.teacher_model = true;
      const std::vector<Rollout> rollouts = search.run(search.teacher(), block, options);
      for (std::size_t i = 0; i < rollouts.size(); ++i) {
        if (!rollouts[i].score || *rollouts[i].score < threshold_) continue;
        DemoSets demos = demos_of_run(search.student(), block[i], rollouts[i]);
        for (auto& [path, found] : keep_tunable(std::move(demos), paths)) {
          if (!found.empty()) pool[missing[start + i]].demos.try_emplace(path, found.front());
        }
      }
      start += count;
    }
    std::erase_if(pool, [](const KnownExample& known) { return known.demos.empty(); });
    return pool;
  }

  // Of so many runs of the teacher, those at once that leave enough to measure one k.
  static std::size_t affordable_runs(const Search& search, std::size_t wanted) {
    if (!search.calls_left()) return wanted;
    return affordable_teacher_runs(search, std::min(wanted, kTeacherBlock),
                                   measurement_calls(search));
  }

  static bool has_all_outputs(const Predictor& predictor, const Value& demo) {
    const std::vector<Field>& outputs = predictor.signature().outputs();
    return std::all_of(outputs.begin(), outputs.end(),
                       [&](const Field& field) { return demo.find(field.name); });
  }

  std::size_t max_k_;
  std::size_t pool_;
  std::string by_;
  bool bootstrap_;
  double threshold_;
};

}  // namespace

std::unique_ptr<Optimizer> make_knn_few_shot(OptionReader& options) {
  return std::make_unique<KnnFewShot>(options);
}

}  // namespace hone
