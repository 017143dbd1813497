#include <algorithm>
#include <set>

#include "optimize/bad_cases.hpp"
#include "optimize/domains.hpp"
#include "optimize/joint_choice.hpp"
#include "optimize/optimizers/optimizers.hpp"
#include "optimize/proposers/instruction.hpp"
#include "optimize/ranking.hpp"

namespace hone {
namespace {

// COPRO of DSPy (Khattab et al. 2024; after OPRO, Yang et al. 2023): instructions by coordinate
// ascent, each round proposed from the scored attempts before it. Here the attempts of a round race
// each other on the validation examples, and the proposer also sees where the best one goes wrong.
class Copro final : public Optimizer {
 public:
  explicit Copro(OptionReader& options)
      : breadth_(
            options.get("breadth", std::size_t{8}, "instructions proposed a round", kAtLeastOne)),
        depth_(options.get("depth", std::size_t{3}, "rounds for each predictor", kAtLeastOne)),
        temperature_(options.get("temperature", 1.2, "of the proposer", kTemperature)),
        history_(options.get("history", std::size_t{8}, "scored attempts the proposer sees")),
        bad_cases_(options.get("bad_cases", std::size_t{3}, "failures the proposer sees")),
        looked_at_(options.get("bad_case_pool", std::size_t{16},
                               "train examples run to look for failures")) {}

  std::string_view name() const override { return "copro"; }
  bool handles(const Param& param) const override { return is_text(param); }
  std::string_view needs() const override { return "*.instructions"; }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> paths = tunable_instruction_paths(search);
    if (!paths) return paths.error();
    Candidate best;
    Result<Trial> start = search.evaluate(best, "the instruction as it is");
    if (!start) return start.error();
    Measures best_measures = comparable(search, *start);
    std::map<std::string, std::vector<Attempt>> attempts;
    for (const std::string& path : *paths)
      attempts[path].push_back({instruction_of(search, best, path), best_measures.score});

    for (std::size_t round = 0; round < depth_; ++round) {
      for (const std::string& path : *paths) {
        if (search.done()) return {};
        const std::string place = path + " round " + std::to_string(round + 1);
        search.phase("proposals for " + place);
        const std::vector<std::string> proposed =
            propose(search, best, path, place, round, attempts[path]);
        if (proposed.empty()) continue;
        std::vector<Proposal> proposals;
        for (std::size_t i = 0; i < proposed.size(); ++i) {
          proposals.push_back({best.with(path + ".instructions", proposed[i]),
                               place + ", proposal " + std::to_string(i + 1)});
        }
        search.phase("trials of " + place);
        const Result<std::vector<Trial>> trials = search.evaluate(proposals);
        if (!trials) return trials.error();
        if (trials->size() != proposals.size()) return {};
        for (std::size_t i = 0; i < trials->size(); ++i) {
          const Trial& trial = (*trials)[i];
          const Measures measures = comparable(search, trial);
          if (told_score(search, trial)) attempts[path].push_back({proposed[i], measures.score});
          if (trial.complete && search.goals().is_better(measures, best_measures)) {
            best = proposals[i].candidate;
            best_measures = measures;
          }
        }
      }
    }
    return {};
  }

 private:
  // Which examples a trial has a score of must not make it better than another.
  static Measures comparable(const Search& search, const Trial& trial) {
    Measures measures = trial.measures;
    measures.score = comparable_mean(trial, search.baseline());
    return measures;
  }

  std::vector<std::string> propose(Search& search, const Candidate& best, const std::string& path,
                                   const std::string& place, std::size_t round,
                                   const std::vector<Attempt>& attempts) const {
    Grounding grounding;
    grounding.program = shortened_description(search);
    grounding.current = instruction_of(search, best, path);
    grounding.history = round == 0 ? std::string() : history_text(attempts, history_);
    grounding.bad_cases = find_bad_cases(search, best, looked_at_, bad_cases_, place);
    const std::vector<Grounding> groundings(breadth_, grounding);
    Asking asking;
    asking.temperature = temperature_;
    asking.sample = round * breadth_;
    std::set<std::string> known;
    for (const Attempt& attempt : attempts) known.insert(attempt.instruction);
    std::vector<std::string> out;
    for (std::optional<std::string>& text : propose_instructions(search, groundings, asking)) {
      if (text && known.insert(*text).second) out.push_back(*std::move(text));
    }
    return out;
  }

  static std::string shortened_description(const Search& search) {
    return search.student().predictors().size() > 1 ? search.student().describe()
                                                    : search.student().signature().to_string();
  }

  std::size_t breadth_;
  std::size_t depth_;
  double temperature_;
  std::size_t history_;
  std::size_t bad_cases_;
  std::size_t looked_at_;
};

}  // namespace

std::unique_ptr<Optimizer> make_copro(OptionReader& options) {
  return std::make_unique<Copro>(options);
}

}  // namespace hone
