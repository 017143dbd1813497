#include <algorithm>
#include <map>
#include <numeric>
#include <optional>
#include <set>
#include <utility>

#include "hone/base/text.hpp"

#include "optimize/bad_cases.hpp"
#include "optimize/domains.hpp"
#include "optimize/joint_choice.hpp"
#include "optimize/optimizers/optimizers.hpp"
#include "optimize/paired_gate.hpp"
#include "optimize/proposers/reflection.hpp"
#include "optimize/ranking.hpp"

namespace hone {
namespace {

constexpr std::size_t kMergeTries = 10;

struct Member {
  Candidate candidate;
  std::vector<std::size_t> parents;
  std::vector<std::optional<double>> scores;  // by validation example
  double mean = 0;                            // comparable_mean()
  std::size_t next_part = 0;                  // whose turn it is to be rewritten
};

// Best candidates of each validation example, those left out that others cover; how many examples
// each still leads.
std::map<std::size_t, std::size_t> pareto_leads(const std::vector<Member>& pool) {
  std::vector<std::set<std::size_t>> fronts;
  for (std::size_t e = 0; e < pool.front().scores.size(); ++e) {
    std::set<std::size_t> front;
    double best = -1e300;
    for (std::size_t m = 0; m < pool.size(); ++m) {
      const std::optional<double>& score = pool[m].scores[e];
      if (!score || *score < best) continue;
      if (*score > best) front.clear();
      best = *score;
      front.insert(m);
    }
    if (!front.empty()) fronts.push_back(std::move(front));
  }
  std::vector<std::size_t> order(pool.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return pool[a].mean < pool[b].mean; });
  for (const std::size_t m : order) {
    const bool is_covered = std::all_of(fronts.begin(), fronts.end(), [&](const auto& front) {
      return !front.contains(m) || front.size() > 1;
    });
    if (!is_covered) continue;
    for (std::set<std::size_t>& front : fronts) front.erase(m);
  }
  std::map<std::size_t, std::size_t> leads;
  for (const std::set<std::size_t>& front : fronts) {
    for (const std::size_t m : front) ++leads[m];
  }
  return leads;
}

// Train examples in shuffled passes.
class Passes {
 public:
  Passes(const Examples& examples, Rng rng) : examples_(&examples), rng_(rng) {}
  Examples next(std::size_t count) {
    Examples out;
    std::set<std::size_t> taken;
    while (out.size() < std::min(count, examples_->size())) {
      if (waiting_.empty()) waiting_ = rng_.sample(examples_->size(), examples_->size());
      const std::size_t index = waiting_.back();
      waiting_.pop_back();
      if (taken.insert(index).second) out.push_back((*examples_)[index]);
    }
    return out;
  }

 private:
  const Examples* examples_;
  Rng rng_;
  std::vector<std::size_t> waiting_;
};

// GEPA (Agrawal et al. 2025; package gepa 0.1.4): instructions rewritten by reflection on traces
// and feedback, parents drawn from those that are best on some validation example. Here several
// parents are rewritten at once, a child must win a paired gate that looks further when three
// examples do not decide, and its full evaluation races the best so far.
class Gepa final : public Optimizer {
 public:
  explicit Gepa(OptionReader& options)
      : iterations_(options.get("iterations", std::size_t{10}, "rounds of rewriting", kAtLeastOne)),
        parallel_(options.get("parallel", std::size_t{4}, "rewrites a round", kAtLeastOne)),
        minibatch_(
            options.get("minibatch", std::size_t{4}, "train examples reflected on", kAtLeastOne)),
        gate_(options.get("gate", std::size_t{16},
                          "train examples parent and child may meet before the full evaluation")),
        gate_risk_(
            options.get("gate_risk", 0.1, "of an early verdict at the gate being luck", kShare)),
        perfect_(options.get("perfect_score", 1.0, "runs this good leave nothing to reflect on")),
        all_parts_(options.get("all_parts", false, "rewrite every instruction at once")),
        merge_(options.get("merge", false, "also join two candidates of one ancestor")),
        limit_(options.get("max_instruction", std::size_t{1000}, "bytes of an instruction",
                           {.least = 20})),
        temperature_(options.get("temperature", 1.0, "of the reflecting model", kTemperature)) {}

  std::string_view name() const override { return "gepa"; }
  bool handles(const Param& param) const override { return is_text(param); }
  std::string_view needs() const override { return "*.instructions"; }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> paths = tunable_instruction_paths(search);
    if (!paths) return paths.error();
    std::vector<Member> pool;
    const Result<Trial> seed = search.evaluate(Candidate(), "the instructions as they are");
    if (!seed) return seed.error();
    pool.push_back({{}, {}, seed->scores, comparable_mean(*seed, search.baseline()), 0});
    Rng rng = search.rng("gepa parents");
    Passes passes(search.train(), search.rng("gepa minibatches"));
    bool accepted = false;
    std::set<std::pair<std::size_t, std::size_t>> merged;
    for (std::size_t i = 0; i < iterations_ && !search.done(); ++i) {
      const std::string round = "round " + std::to_string(i + 1);
      search.phase(round);
      if (merge_ && accepted && try_merge(search, *paths, pool, passes, rng, merged)) {
        accepted = false;
        continue;
      }
      const std::size_t count = affordable_rewrites(search, paths->size());
      if (count == 0) {
        search.notice("the budget reaches for " + std::to_string(i) + " of " +
                      std::to_string(iterations_) + " rounds");
        break;
      }
      const Result<bool> grown = rewrite(search, *paths, pool, passes, rng, round, i, count);
      if (!grown) return grown.error();
      accepted = *grown;
    }
    return {};
  }

 private:
  // One rewrite on its way.
  struct Draft {
    std::size_t parent;
    Examples examples;
    std::vector<std::string> parts;
    Candidate child;
  };

  // The rewrites of a round, `parallel` at most, that leave enough to measure a child in full:
  // without that none can win. In calls, the gate's runs at most; the parent's runs that are
  // reflected on are among them.
  std::size_t affordable_rewrites(const Search& search, std::size_t parts) const {
    const std::optional<double> left = search.calls_left();
    const double each = search.calls_per_run(search.student());
    const std::size_t asked = all_parts_ ? parts : 1;
    const auto cost = [&](std::size_t count) {
      const std::size_t runs = 2 * count * std::max(minibatch_, gate_) + search.val().size();
      return each * static_cast<double>(runs) + static_cast<double>(count * asked);
    };
    std::size_t count = parallel_;
    while (left && count > 0 && *left < cost(count)) --count;
    return count;
  }

  // `count` rewrites at most.
  Result<bool> rewrite(Search& search, const std::vector<std::string>& paths,
                       std::vector<Member>& pool, Passes& passes, Rng& rng,
                       const std::string& round, std::size_t iteration, std::size_t count) const {
    const std::map<std::size_t, std::size_t> leads = pareto_leads(pool);
    std::vector<std::size_t> members;
    std::vector<double> weights;
    for (const auto& [member, led] : leads) {
      members.push_back(member);
      weights.push_back(static_cast<double>(led));
    }
    std::vector<Draft> drafts;
    for (std::size_t k = 0; k < count; ++k) {
      const std::size_t parent = members.empty() ? 0 : members[rng.weighted(weights)];
      Draft draft{parent, passes.next(std::max(minibatch_, gate_)), {}, pool[parent].candidate};
      if (all_parts_) {
        draft.parts = paths;
      } else {
        draft.parts = {paths[pool[parent].next_part++ % paths.size()]};
      }
      drafts.push_back(std::move(draft));
    }
    if (!reflect(search, pool, drafts, iteration)) return false;

    std::vector<GateCase> cases;
    for (const Draft& draft : drafts) {
      cases.push_back({search.student().with(pool[draft.parent].candidate).value(),
                       search.student().with(draft.child).value(), draft.examples});
    }
    const std::vector<bool> passed =
        pass_gate(search, cases, {minibatch_, std::max(minibatch_, gate_), gate_risk_});
    std::vector<Proposal> proposals;
    std::vector<const Draft*> sources;
    for (std::size_t k = 0; k < drafts.size(); ++k) {
      if (!passed[k]) continue;
      proposals.push_back({drafts[k].child, round + ", from " + std::to_string(drafts[k].parent)});
      sources.push_back(&drafts[k]);
    }
    if (proposals.empty() || search.done()) return false;
    const Result<std::vector<Trial>> trials = search.evaluate(proposals);
    if (!trials) return trials.error();
    if (trials->size() != proposals.size()) return false;
    for (std::size_t k = 0; k < trials->size(); ++k) {
      pool.push_back({sources[k]->child,
                      {sources[k]->parent},
                      (*trials)[k].scores,
                      comparable_mean((*trials)[k], search.baseline()),
                      pool[sources[k]->parent].next_part});
    }
    return true;
  }

  // Runs the parents on their minibatches and asks for new instructions; drafts that have nothing
  // to reflect on, or got no new text, are dropped. False when none is left.
  bool reflect(Search& search, const std::vector<Member>& pool, std::vector<Draft>& drafts,
               std::size_t iteration) const {
    std::vector<Program> programs;
    programs.reserve(drafts.size());
    std::vector<RolloutTask> tasks;
    for (const Draft& draft : drafts) {
      programs.push_back(search.student().with(pool[draft.parent].candidate).value());
      for (std::size_t i = 0; i < std::min(minibatch_, draft.examples.size()); ++i)
        tasks.push_back({&programs.back(), &draft.examples[i], 0, std::nullopt});
    }
    const std::vector<Rollout> rollouts = search.run(tasks);
    std::vector<Question> questions;
    std::vector<std::pair<std::size_t, std::string>> targets;  // draft and part
    std::size_t at = 0;
    for (std::size_t k = 0; k < drafts.size(); ++k) {
      const std::size_t count = std::min(minibatch_, drafts[k].examples.size());
      const std::size_t first = at;
      at += count;
      const bool is_perfect =
          std::all_of(rollouts.begin() + static_cast<std::ptrdiff_t>(first),
                      rollouts.begin() + static_cast<std::ptrdiff_t>(at),
                      [&](const Rollout& r) { return !r.score || *r.score >= perfect_; });
      if (is_perfect) continue;
      for (const std::string& part : drafts[k].parts) {
        std::vector<std::string> records;
        for (std::size_t i = 0; i < count; ++i) {
          const std::string record = reflection_record(drafts[k].examples[i], rollouts[first + i],
                                                       search.student().signature(), part);
          if (!record.empty()) records.push_back(record);
        }
        if (records.empty()) continue;
        questions.push_back(
            reflection_question(instruction_of(search, pool[drafts[k].parent].candidate, part),
                                numbered(records, 2 * kPartLimit), limit_));
        targets.emplace_back(k, part);
      }
    }
    Asking asking;
    asking.temperature = temperature_;
    asking.sample = iteration * std::max<std::size_t>(1, parallel_);
    const std::vector<std::optional<std::string>> texts = ask_texts(search, questions, asking);
    for (std::size_t q = 0; q < texts.size(); ++q) {
      if (!texts[q]) continue;
      Draft& draft = drafts[targets[q].first];
      draft.child = draft.child.with(targets[q].second + ".instructions", *texts[q]);
    }
    std::set<Hash> known;
    for (const Member& member : pool) known.insert(member.candidate.hash());
    std::erase_if(drafts,
                  [&](const Draft& draft) { return !known.insert(draft.child.hash()).second; });
    return !drafts.empty();
  }

  static std::set<std::size_t> ancestors(const std::vector<Member>& pool, std::size_t member) {
    std::set<std::size_t> out;
    std::vector<std::size_t> waiting = pool[member].parents;
    while (!waiting.empty()) {
      const std::size_t next = waiting.back();
      waiting.pop_back();
      if (!out.insert(next).second) continue;
      waiting.insert(waiting.end(), pool[next].parents.begin(), pool[next].parents.end());
    }
    return out;
  }

  // Joins two leading candidates: of each part the side that changed since their ancestor; of two
  // changed ones that of the better candidate. False when no pair offers itself.
  bool try_merge(Search& search, const std::vector<std::string>& paths, std::vector<Member>& pool,
                 Passes& passes, Rng& rng,
                 std::set<std::pair<std::size_t, std::size_t>>& merged) const {
    std::vector<std::size_t> leaders;
    for (const auto& [member, count] : pareto_leads(pool)) leaders.push_back(member);
    if (leaders.size() < 2) return false;
    for (std::size_t tries = 0; tries < kMergeTries; ++tries) {
      const std::vector<std::size_t> pair = rng.sample(leaders.size(), 2);
      const std::size_t a = std::min(leaders[pair[0]], leaders[pair[1]]);
      const std::size_t b = std::max(leaders[pair[0]], leaders[pair[1]]);
      if (merged.contains({a, b})) continue;
      const std::set<std::size_t> above_a = ancestors(pool, a);
      const std::set<std::size_t> above_b = ancestors(pool, b);
      if (above_a.contains(b) || above_b.contains(a)) continue;
      std::vector<std::size_t> common;
      std::set_intersection(above_a.begin(), above_a.end(), above_b.begin(), above_b.end(),
                            std::back_inserter(common));
      std::erase_if(common, [&](std::size_t c) {
        return pool[c].mean > std::min(pool[a].mean, pool[b].mean);
      });
      if (common.empty()) continue;
      const Member& origin = pool[common.back()];
      const Member& better = pool[a].mean >= pool[b].mean ? pool[a] : pool[b];
      Candidate child;
      bool complementary = false;
      for (const std::string& path : paths) {
        const std::string before = instruction_of(search, origin.candidate, path);
        const std::string in_a = instruction_of(search, pool[a].candidate, path);
        const std::string in_b = instruction_of(search, pool[b].candidate, path);
        complementary = complementary || ((in_a == before) != (in_b == before));
        const std::string chosen = in_a == before ? in_b
                                   : in_b == before
                                       ? in_a
                                       : instruction_of(search, better.candidate, path);
        child = child.with(path + ".instructions", chosen);
      }
      if (!complementary) continue;
      merged.insert({a, b});
      const std::vector<GateCase> cases = {{search.student().with(better.candidate).value(),
                                            search.student().with(child).value(),
                                            passes.next(std::max(minibatch_, gate_))}};
      if (!pass_gate(search, cases, {minibatch_, std::max(minibatch_, gate_), gate_risk_}).front())
        return true;
      const Result<Trial> trial =
          search.evaluate(child, "merge of " + std::to_string(a) + " and " + std::to_string(b));
      if (trial) {
        const double mean = comparable_mean(*trial, search.baseline());
        pool.push_back({child, {a, b}, trial->scores, mean, better.next_part});
      }
      return true;
    }
    return false;
  }

  std::size_t iterations_;
  std::size_t parallel_;
  std::size_t minibatch_;
  std::size_t gate_;
  double gate_risk_;
  double perfect_;
  bool all_parts_;
  bool merge_;
  std::size_t limit_;
  double temperature_;
};

}  // namespace

std::unique_ptr<Optimizer> make_gepa(OptionReader& options) {
  return std::make_unique<Gepa>(options);
}

}  // namespace hone
