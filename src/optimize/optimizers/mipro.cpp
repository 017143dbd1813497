#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <optional>
#include <set>
#include <span>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/optimize/samplers/tpe.hpp"

#include "optimize/bad_cases.hpp"
#include "optimize/demo_pool.hpp"
#include "optimize/domains.hpp"
#include "optimize/joint_choice.hpp"
#include "optimize/optimizers/optimizers.hpp"
#include "optimize/proposers/instruction.hpp"

namespace hone {
namespace {

constexpr std::size_t kShownDemos = 3;
// Of so many examples each, that a summary of the data is made of.
constexpr std::size_t kNotes = 4;
constexpr std::size_t kNoted = 6;
constexpr std::size_t kHistory = 8;
// The data's notes and their sum, and the program.
constexpr std::size_t kDescribing = kNotes + 2;

// MIPROv2 (Opsahl-Ong et al. 2024; DSPy): demo sets and grounded instruction proposals, then TPE
// over their combinations on minibatches of the validation examples, with a full evaluation of the
// most promising one now and then. Here the combinations between two full evaluations share one
// minibatch, so that they are compared on the same examples; the full evaluation races the best so
// far; and a second round of proposals sees how the first one did and where the best goes wrong.
class Mipro final : public Optimizer {
 public:
  explicit Mipro(OptionReader& options)
      : candidates_(
            options.get("candidates", std::size_t{8}, "instructions, and demo sets", kAtLeastOne)),
        trials_(options.get("trials", std::size_t{0},
                            "combinations tried; 0: by the number of choices")),
        zero_shot_(options.get("zero_shot", false, "instructions only, no demos")),
        minibatch_(options.get("minibatch", std::size_t{35},
                               "validation examples of a trial; 0: always all")),
        full_every_(options.get("full_every", std::size_t{5}, "trials between full evaluations",
                                kAtLeastOne)),
        rounds_(options.get("proposal_rounds", std::size_t{2}, "rounds of proposals", kAtLeastOne)),
        temperature_(options.get("temperature", 1.0, "of the proposer", kTemperature)),
        dataset_aware_(options.get("dataset_aware", true, "show a summary of the data")),
        program_aware_(options.get("program_aware", true, "show what the program and step do")),
        demo_aware_(options.get("demo_aware", true, "show demos of the task")),
        tip_aware_(options.get("tip_aware", true, "ask for a random kind of instruction")),
        bad_cases_(options.get("bad_cases", std::size_t{3}, "failures a later round sees")),
        also_(options.get("also", "", "globs of settings chosen too: \"*.format *.module\"")) {
    bootstrap_.max_labeled = 4;
    bootstrap_ = read_bootstrap_options(options, bootstrap_);
  }

  std::string_view name() const override { return "mipro"; }
  bool handles(const Param& param) const override {
    return is_text(param) || (!zero_shot_ && is_demos(param)) || is_drawable(param);
  }

  Result<void> check(const SearchSetting& setting) const override {
    return JointChoice().add_matching(setting.space, also_);
  }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> known =
        tunable_instruction_paths(search, Structure::any);
    const std::vector<std::string> paths = known.value_or(std::vector<std::string>());
    const std::vector<std::string> demo_paths =
        tunable_demo_paths(search, Structure::any).value_or(std::vector<std::string>());
    JointChoice choice;
    for (const std::string& path : paths)
      choice.add(search.space(), path + ".instructions", {Value()});
    if (!zero_shot_) {
      for (const std::string& path : demo_paths)
        choice.add(search.space(), path + ".demos", {Value()});
    }
    if (Result<void> added = choice.add_matching(search.space(), also_); !added)
      return added.error();
    choice.add_asked(search.space(), search.student());
    if (choice.empty()) return known.error();
    if (Result<std::unique_ptr<Sampler>> early = make_tpe_sampler(choice.space(), 0); !early)
      return early.error();

    search.phase("bootstrap");
    DemoPool pool;
    if (!demo_paths.empty() && (!zero_shot_ || demo_aware_)) {
      pool = make_demo_pool(
          search, demo_paths, zero_shot_ ? std::min<std::size_t>(3, candidates_) : candidates_,
          keep_measurement(search, bootstrap_, calls_before_measuring(search, paths.size())));
    }
    if (!zero_shot_) {
      for (std::size_t i = 1; i < pool.sets.size(); ++i) {
        for (const auto& [path, demos] : pool.sets[i])
          choice.extend(path + ".demos", Value(Value::List(demos)));
      }
    }

    Study study{search, choice, paths, pool, {}, {}, search.rng("mipro trials"), {}};
    // Without instructions to propose there is nothing to describe, and one round is all.
    const Shared shared = paths.empty() ? Shared() : describe(search, paths);
    const std::size_t rounds = paths.empty() ? 1 : rounds_;
    for (std::size_t round = 0; round < rounds && !search.done(); ++round) {
      search.phase("proposals");
      propose(study, shared, round, rounds);
      search.phase("trials");
      const std::size_t all = trials_ > 0 ? trials_ : default_trials(study);
      const std::size_t until = all * (round + 1) / rounds;
      const Result<bool> tried = try_combinations(study, until);
      if (!tried) return tried.error();
      if (!*tried) break;
    }
    return {};
  }

 private:
  struct Shared {
    std::string dataset;
    std::string program;
    std::vector<std::string> steps;  // by tunable path
  };
  struct Sum {
    double total = 0;
    std::size_t count = 0;
    void add(double number) {
      total += number;
      ++count;
    }
    double mean() const { return count == 0 ? 0 : total / static_cast<double>(count); }
  };
  struct Tried {
    Candidate point;
    Sum told;    // what the sampler was told
    Sum scores;  // what a proposer is shown
    bool full = false;
  };
  struct Study {
    Search& search;
    JointChoice choice;
    std::vector<std::string> paths;
    DemoPool pool;
    std::map<Hash, Tried> tried;  // by point
    std::vector<std::pair<Candidate, double>> told;
    Rng rng;
    std::vector<std::size_t> waiting;  // validation examples of the present pass
    std::size_t trials = 0;
  };

  Shared describe(Search& search, const std::vector<std::string>& paths) const {
    Asking asking;
    asking.temperature = temperature_;
    Shared shared;
    if (dataset_aware_) shared.dataset = summarize_dataset(search, kNotes, kNoted, asking);
    if (!program_aware_) return shared;
    shared.program = describe_program(search, asking);
    if (paths.size() > 1) {
      std::vector<Predictor> steps;
      for (const Predictor& predictor : search.student().predictors()) {
        if (std::find(paths.begin(), paths.end(), predictor.path()) != paths.end())
          steps.push_back(predictor);
      }
      shared.steps = describe_steps(search, steps, shared.program, asking);
    }
    return shared;
  }

  // Mean score of each instruction of a predictor over all combinations it was tried in.
  static std::vector<Attempt> attempts(const Study& study, const std::string& path) {
    std::map<std::size_t, Sum> by_index;
    for (const auto& [key, tried] : study.tried) {
      const std::optional<std::size_t> index =
          study.choice.index(tried.point, path + ".instructions");
      if (!index || tried.scores.count == 0) continue;
      by_index[*index].add(tried.scores.mean());
    }
    std::vector<Attempt> out;
    for (const auto& [index, sum] : by_index) {
      Candidate point = study.choice.first().with(path + ".instructions", Value(index));
      out.push_back(
          {instruction_of(study.search, study.choice.candidate(point), path), sum.mean()});
    }
    return out;
  }

  static Candidate best_point(const Study& study) {
    Candidate best = study.choice.first();
    double best_mean = -std::numeric_limits<double>::infinity();
    for (const auto& [key, tried] : study.tried) {
      if (tried.told.count == 0 || tried.told.mean() <= best_mean) continue;
      best = tried.point;
      best_mean = tried.told.mean();
    }
    return best;
  }

  std::string shown_demos(const Study& study, const std::string& path, std::size_t number) const {
    if (!demo_aware_ || study.pool.sets.size() < 2) return {};
    const DemoSets& sets = study.pool.sets[1 + number % (study.pool.sets.size() - 1)];
    const auto found = sets.find(path);
    if (found == sets.end()) return {};
    std::vector<std::string> shown;
    for (std::size_t i = 0; i < std::min(kShownDemos, found->second.size()); ++i)
      shown.push_back(fields_text(found->second[i]));
    return numbered(shown);
  }

  void propose(Study& study, const Shared& shared, std::size_t round, std::size_t rounds) const {
    const std::size_t count = std::max<std::size_t>(1, candidates_ / rounds);
    const Candidate best = study.choice.candidate(best_point(study));
    const std::string bad_cases =
        round == 0 ? std::string()
                   : find_bad_cases(study.search, best, minibatch_ > 0 ? minibatch_ : 35,
                                    bad_cases_, "mipro " + std::to_string(round));
    std::vector<Grounding> groundings;
    for (std::size_t p = 0; p < study.paths.size(); ++p) {
      const std::string& path = study.paths[p];
      for (std::size_t i = 0; i < count; ++i) {
        Rng rng = study.search.rng("mipro tip " + path + " " + std::to_string(round * count + i));
        Grounding grounding;
        grounding.dataset = shared.dataset;
        grounding.program = shared.program;
        if (p < shared.steps.size()) grounding.step = shared.steps[p];
        grounding.demos = shown_demos(study, path, round * count + i);
        grounding.current = instruction_of(study.search, best, path);
        if (round > 0) grounding.history = history_text(attempts(study, path), kHistory);
        grounding.bad_cases = bad_cases;
        if (tip_aware_) grounding.tip = draw_tip(rng);
        groundings.push_back(std::move(grounding));
      }
    }
    Asking asking;
    asking.temperature = temperature_;
    asking.sample = round * count;
    const std::vector<std::optional<std::string>> texts =
        propose_instructions(study.search, groundings, asking);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (texts[i]) study.choice.extend(study.paths[i / count] + ".instructions", *texts[i]);
    }
  }

  // The rule of DSPy: 2 · variables · log2(candidates), at least 1.5 · candidates.
  std::size_t default_trials(const Study& study) const {
    const auto n = static_cast<double>(std::max<std::size_t>(2, candidates_));
    return static_cast<std::size_t>(
        std::max(2.0 * static_cast<double>(study.choice.axes()) * std::log2(n), 1.5 * n));
  }

  // The next validation examples of a shuffled pass over all of them, each once.
  static std::vector<std::size_t> minibatch(Study& study, std::size_t size) {
    std::vector<std::size_t> places;
    std::set<std::size_t> taken;
    while (places.size() < std::min(size, study.search.val().size())) {
      if (study.waiting.empty())
        study.waiting = study.rng.sample(study.search.val().size(), study.search.val().size());
      const std::size_t place = study.waiting.back();
      study.waiting.pop_back();
      if (taken.insert(place).second) places.push_back(place);
    }
    return places;
  }

  // In calls: a first round of proposals for so many instructions, and one minibatch.
  double calls_before_measuring(const Search& search, std::size_t instructions) const {
    // What is said of each step, and what is proposed for it.
    const std::size_t each = 1 + std::max<std::size_t>(1, candidates_ / rounds_);
    const std::size_t asked = instructions == 0 ? 0 : kDescribing + instructions * each;
    const std::size_t runs = minibatch_ < search.val().size() ? minibatch_ : 0;
    return static_cast<double>(asked) +
           search.calls_per_run(search.student()) * static_cast<double>(runs);
  }

  // Of so many combinations those whose minibatch leaves enough to measure one in full: without
  // that none can win.
  std::size_t affordable_group(const Search& search, std::size_t wanted) const {
    const std::optional<double> left = search.calls_left();
    const double each = search.calls_per_run(search.student());
    const auto cost = [&](std::size_t count) {
      return each * static_cast<double>(count * minibatch_ + search.val().size());
    };
    while (left && wanted > 0 && *left < cost(wanted)) --wanted;
    return wanted;
  }

  // False when the budget reaches for no further combination.
  Result<bool> try_combinations(Study& study, std::size_t until) const {
    Search& search = study.search;
    Result<std::unique_ptr<Sampler>> sampler =
        make_tpe_sampler(study.choice.space(), study.rng.next());
    if (!sampler) return sampler.error();
    for (const auto& [point, score] : study.told) (*sampler)->tell(point, score);
    const bool is_full = minibatch_ == 0 || minibatch_ >= search.val().size();
    while (study.trials < until && !search.done()) {
      std::vector<Candidate> points;
      std::vector<Proposal> proposals;
      const std::size_t most = std::min(full_every_, until - study.trials);
      const std::size_t wanted = is_full ? most : affordable_group(search, most);
      if (wanted == 0) {
        search.notice("the budget reaches for " + std::to_string(study.trials) +
                      " combinations and for no further one");
        if (Result<void> measured = measure_most_promising(study, **sampler); !measured)
          return measured.error();
        return false;
      }
      while (points.size() < wanted) {
        std::optional<Candidate> point = (*sampler)->ask();
        if (!point) break;
        proposals.push_back(proposal_of(study, *point));
        points.push_back(*std::move(point));
      }
      if (points.empty()) break;
      const std::vector<std::size_t> places =
          is_full ? std::vector<std::size_t>() : minibatch(study, minibatch_);
      Examples examples;
      for (const std::size_t place : places) examples.push_back(search.val()[place]);
      Result<std::vector<Trial>> trials =
          is_full ? search.evaluate(proposals) : search.evaluate_on(proposals, examples);
      if (!trials) return trials.error();
      if (trials->size() != points.size()) break;
      for (std::size_t i = 0; i < points.size(); ++i)
        note(study, **sampler, points[i], (*trials)[i], places);
      study.trials += points.size();
      if (!is_full) {
        if (Result<void> measured = measure_most_promising(study, **sampler); !measured)
          return measured.error();
      }
    }
    return true;
  }

  // The program as it came is what is left when no new instruction and no demo set helps.
  static Proposal proposal_of(const Study& study, const Candidate& point) {
    Candidate candidate = study.choice.candidate(point);
    const bool is_student = candidate.empty();
    return {std::move(candidate), study.choice.origin(point), std::nullopt, is_student};
  }

  // `places` of a minibatch; none of a trial on all examples.
  static void note(Study& study, Sampler& sampler, const Candidate& point, const Trial& trial,
                   std::span<const std::size_t> places) {
    const std::optional<double> score = told_score(study.search, trial, places);
    sampler.tell(point, score);
    Tried& tried = study.tried[point.hash()];
    tried.point = point;
    tried.full = tried.full || places.empty();
    if (!score) return;
    study.told.emplace_back(point, *score);
    tried.told.add(*score);
    tried.scores.add(study.search.goals().is_score() ? *score : trial.mean);
  }

  Result<void> measure_most_promising(Study& study, Sampler& sampler) const {
    const Tried* best = nullptr;
    for (const auto& [key, tried] : study.tried) {
      if (tried.full || tried.told.count == 0) continue;
      if (!best || tried.told.mean() > best->told.mean()) best = &tried;
    }
    if (!best || study.search.done()) return {};
    const Candidate point = best->point;
    const std::vector<Proposal> proposals = {proposal_of(study, point)};
    const Result<std::vector<Trial>> trials = study.search.evaluate(proposals);
    if (!trials) return trials.error();
    if (!trials->empty()) note(study, sampler, point, trials->front(), {});
    return {};
  }

  BootstrapOptions bootstrap_;
  std::size_t candidates_;
  std::size_t trials_;
  bool zero_shot_;
  std::size_t minibatch_;
  std::size_t full_every_;
  std::size_t rounds_;
  double temperature_;
  bool dataset_aware_;
  bool program_aware_;
  bool demo_aware_;
  bool tip_aware_;
  std::size_t bad_cases_;
  std::string also_;
};

}  // namespace

std::unique_ptr<Optimizer> make_mipro(OptionReader& options) {
  return std::make_unique<Mipro>(options);
}

}  // namespace hone
