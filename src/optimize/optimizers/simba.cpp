#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <tuple>
#include <utility>

#include "hone/base/text.hpp"

#include "optimize/bad_cases.hpp"
#include "optimize/demo_sets.hpp"
#include "optimize/domains.hpp"
#include "optimize/joint_choice.hpp"
#include "optimize/optimizers/optimizers.hpp"
#include "optimize/proposers/reflection.hpp"
#include "optimize/ranking.hpp"

namespace hone {
namespace {

// SIMBA of DSPy: runs each train example of a batch several times, and where runs differ most adds
// the best run as a demo or a rule that tells the worse from the better. Here a strategy that has
// nothing to add makes no candidate, batches may be smaller than asked for, runs that failed for no
// fault of the program are left out of the comparison, and the winners race on the validation
// examples.
class Simba final : public Optimizer {
 public:
  explicit Simba(OptionReader& options)
      : batch_(options.get("batch", std::size_t{32}, "train examples a step", kAtLeastOne)),
        candidates_(options.get("candidates", std::size_t{6}, "programs and runs of each example",
                                kAtLeastOne)),
        steps_(options.get("steps", std::size_t{6}, "steps", kAtLeastOne)),
        max_demos_(options.get("max_demos", std::size_t{4}, "demos of a predictor, about")),
        pick_temperature_(options.get(
            "pick_temperature", 0.2, "how freely a weaker program is picked for runs and sources")),
        temperature_(options.get("temperature", 1.0, "of the runs and of the advising model",
                                 kTemperature)) {}

  std::string_view name() const override { return "simba"; }
  bool handles(const Param& param) const override {
    return is_text(param) || (max_demos_ > 0 && is_demos(param));
  }

  Result<void> run(Search& search) const override {
    std::vector<std::string> demo_paths =
        tunable_demo_paths(search).value_or(std::vector<std::string>());
    if (max_demos_ == 0) demo_paths.clear();
    const Result<std::vector<std::string>> rule_paths = tunable_instruction_paths(search);
    if (demo_paths.empty() && !rule_paths) return rule_paths.error();
    const std::vector<std::string> rules = rule_paths.value_or(std::vector<std::string>());

    std::vector<Member> pool = {{Candidate(), 0, 0}};
    std::vector<Candidate> winners;
    Rng rng = search.rng("simba");
    std::vector<std::size_t> waiting;
    const std::size_t wanted = std::min(batch_, search.train().size());
    const std::size_t size = affordable_batch(search, wanted);
    if (size == 0) {
      search.notice("the budget does not reach for a step and for measuring its winner");
      return {};
    }
    if (size < wanted)
      search.notice("the budget reaches for batches of " + std::to_string(size) + ", not " +
                    std::to_string(wanted));
    for (std::size_t step = 0; step < steps_ && !search.done(); ++step) {
      // A winner has to meet the validation examples: what no further step is to spend.
      const std::optional<double> left = search.calls_left();
      if (left && step > 0 && *left < step_cost(search, size) + measurement_calls(search)) {
        search.notice("the budget reaches for " + std::to_string(step) + " of " +
                      std::to_string(steps_) + " steps");
        break;
      }
      search.phase("step " + std::to_string(step + 1));
      if (waiting.size() < size) waiting = rng.sample(search.train().size(), search.train().size());
      Examples batch;
      for (std::size_t i = 0; i < size; ++i) {
        batch.push_back(search.train()[waiting.back()]);
        waiting.pop_back();
      }
      const std::vector<Bucket> buckets = explore(search, pool, batch, step, rng);
      if (search.done()) break;
      const std::vector<Candidate> drafts =
          draft(search, pool, batch, buckets, demo_paths, rules, step, rng);
      if (drafts.empty()) continue;
      const std::optional<std::size_t> best = score(search, pool, drafts, batch);
      if (best) winners.push_back(drafts[*best]);
    }
    if (winners.empty() || search.done()) return {};
    search.phase("winners");
    std::vector<Proposal> proposals;
    for (const std::size_t i : spread(winners.size()))
      proposals.push_back({winners[i], "winner of step " + std::to_string(i + 1)});
    const Result<std::vector<Trial>> trials = search.evaluate(proposals);
    if (!trials) return trials.error();
    return {};
  }

 private:
  // In calls: what one step on `size` examples takes at most.
  double step_cost(const Search& search, std::size_t size) const {
    const std::size_t drafts = candidates_ + 1;
    const std::size_t runs = (candidates_ + drafts) * size;
    // Every draft may ask for advice to each predictor.
    const std::size_t asked = drafts * predictors_in_use(search.student()).size();
    return search.calls_per_run(search.student()) * static_cast<double>(runs) +
           static_cast<double>(asked);
  }

  // The examples of a batch, `wanted` at most, with which a step and its winner can be paid.
  std::size_t affordable_batch(const Search& search, std::size_t wanted) const {
    const std::optional<double> left = search.calls_left();
    while (left && wanted > 0 && *left < step_cost(search, wanted) + measurement_calls(search))
      --wanted;
    return wanted;
  }

  struct Member {
    Candidate candidate;
    double total = 0;
    std::size_t count = 0;
    double mean() const { return count == 0 ? 0 : total / static_cast<double>(count); }
  };
  // The runs of one example that have a score, best first.
  struct Bucket {
    std::size_t example = 0;
    std::vector<Rollout> runs;
    double best() const { return *runs.front().score; }
    double worst() const { return *runs.back().score; }
    double average() const {
      double sum = 0;
      for (const Rollout& run : runs) sum += *run.score;
      return sum / static_cast<double>(runs.size());
    }
  };

  std::size_t pick(const std::vector<Member>& pool, Rng& rng) const {
    // The student and the best programs so far.
    std::vector<std::size_t> order(pool.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::stable_sort(order.begin() + 1, order.end(),
                     [&](std::size_t a, std::size_t b) { return pool[a].mean() > pool[b].mean(); });
    order.resize(std::min(order.size(), candidates_));
    double highest = pool[order.front()].mean();
    for (const std::size_t i : order) highest = std::max(highest, pool[i].mean());
    std::vector<double> weights;
    for (const std::size_t i : order)
      weights.push_back(std::exp((pool[i].mean() - highest) / std::max(1e-3, pick_temperature_)));
    return order[rng.weighted(weights)];
  }

  std::vector<Bucket> explore(Search& search, const std::vector<Member>& pool,
                              const Examples& batch, std::size_t step, Rng& rng) const {
    std::map<std::size_t, Program> programs;
    std::map<std::size_t, Candidate> values;  // all of the programs' own
    std::vector<RolloutTask> tasks;
    std::vector<std::size_t> places;  // by task: its example's
    const std::size_t runs = candidates_;
    for (std::size_t r = 0; r < runs; ++r) {
      for (std::size_t place = 0; place < batch.size(); ++place) {
        const std::size_t picked = pick(pool, rng);
        auto program = programs.find(picked);
        if (program == programs.end()) {
          program =
              programs.emplace(picked, search.student().with(pool[picked].candidate).value()).first;
          values.emplace(picked, program->second.candidate());
        }
        // Who shows the example as a demo copies its answer: that run would teach nothing.
        if (shows(values.at(picked), search.student().signature(), batch[place])) continue;
        RolloutTask task{&program->second, &batch[place], step * runs + r, std::nullopt};
        // The first run of each example is the program's own; the others explore.
        if (r > 0) task.temperature = temperature_;
        tasks.push_back(task);
        places.push_back(place);
      }
    }
    std::vector<Rollout> rollouts = search.run(tasks);
    std::vector<Bucket> buckets(batch.size());
    for (std::size_t i = 0; i < rollouts.size(); ++i) {
      Bucket& bucket = buckets[places[i]];
      bucket.example = places[i];
      if (rollouts[i].score) bucket.runs.push_back(std::move(rollouts[i]));
    }
    std::erase_if(buckets, [](const Bucket& bucket) { return bucket.runs.empty(); });
    for (Bucket& bucket : buckets) {
      std::stable_sort(bucket.runs.begin(), bucket.runs.end(),
                       [](const Rollout& a, const Rollout& b) { return *a.score > *b.score; });
    }
    std::stable_sort(buckets.begin(), buckets.end(), [](const Bucket& a, const Bucket& b) {
      const auto key = [](const Bucket& x) {
        return std::tuple(x.best() - x.worst(), x.best(), x.best() - x.average());
      };
      return key(a) > key(b);
    });
    return buckets;
  }

  std::vector<Candidate> draft(Search& search, const std::vector<Member>& pool,
                               const Examples& batch, const std::vector<Bucket>& buckets,
                               const std::vector<std::string>& demo_paths,
                               const std::vector<std::string>& rule_paths, std::size_t step,
                               Rng& rng) const {
    std::vector<double> all;
    for (const Bucket& bucket : buckets) {
      for (const Rollout& run : bucket.runs) all.push_back(*run.score);
    }
    if (all.empty()) return {};
    std::sort(all.begin(), all.end());
    const double low = all[all.size() / 10];
    const double high = all[(all.size() * 9) / 10];

    std::vector<Candidate> drafts;
    std::vector<Question> questions;
    std::vector<std::pair<std::size_t, std::string>> targets;  // draft and predictor
    for (const Bucket& bucket : buckets) {
      if (drafts.size() > candidates_) break;
      const std::size_t source = pick(pool, rng);
      const bool wants_demo = rule_paths.empty() || (!demo_paths.empty() && rng.uniform() < 0.5);
      const Example& example = batch[bucket.example];
      Candidate candidate = drop_demos(search, pool[source].candidate, demo_paths, rng);
      // A run no better than the weakest tenth is no model to follow.
      if (bucket.best() <= low && bucket.best() < high) continue;
      if (wants_demo) {
        std::optional<Candidate> with = add_demo(search, candidate, bucket, demo_paths);
        if (with) drafts.push_back(*std::move(with));
        continue;
      }
      if (bucket.worst() >= high && bucket.worst() > low) continue;
      drafts.push_back(candidate);
      const Program program = search.student().with(candidate).value();
      for (const std::string& path : rule_paths) {
        const Signature& signature = search.student().signature();
        const Rollout& worse = bucket.runs.back();
        const bool differ = bucket.best() > bucket.worst();
        questions.push_back(advice_question(
            program.describe(), path, case_text(example, bucket.runs.front(), signature),
            differ ? case_text(example, worse, signature) : std::string()));
        targets.emplace_back(drafts.size() - 1, path);
      }
    }
    Asking asking;
    asking.temperature = temperature_;
    asking.sample = step * (candidates_ + 1);
    const std::vector<std::optional<std::string>> advice = ask_texts(search, questions, asking);
    for (std::size_t q = 0; q < advice.size(); ++q) {
      if (!advice[q]) continue;
      Candidate& target = drafts[targets[q].first];
      const std::string& path = targets[q].second;
      target = target.with(path + ".instructions",
                           instruction_of(search, target, path) + "\n\n" + *advice[q]);
    }
    std::set<Hash> known;
    for (const Member& member : pool) known.insert(member.candidate.hash());
    std::erase_if(drafts, [&](const Candidate& c) { return !known.insert(c.hash()).second; });
    return drafts;
  }

  std::vector<Value> demos_of(const Search& search, const Candidate& candidate,
                              const std::string& path) const {
    if (const Value* chosen = candidate.find(path + ".demos")) return chosen->as_list();
    for (const Predictor& predictor : search.student().predictors()) {
      if (predictor.path() == path) return predictor.options().demos;
    }
    return {};
  }

  // Some demos go, so that there is room for better ones: Poisson(demos / max_demos), at least one
  // when the set is full.
  Candidate drop_demos(const Search& search, Candidate candidate,
                       const std::vector<std::string>& paths, Rng& rng) const {
    for (const std::string& path : paths) {
      std::vector<Value> demos = demos_of(search, candidate, path);
      if (demos.empty()) continue;
      std::size_t drop = rng.poisson(static_cast<double>(demos.size()) /
                                     static_cast<double>(std::max<std::size_t>(1, max_demos_)));
      if (demos.size() >= max_demos_) drop = std::max<std::size_t>(1, drop);
      for (std::size_t i = 0; i < drop && !demos.empty(); ++i)
        demos.erase(demos.begin() + static_cast<std::ptrdiff_t>(rng.below(demos.size())));
      candidate = candidate.with(path + ".demos", Value(Value::List(demos)));
    }
    return candidate;
  }

  std::optional<Candidate> add_demo(const Search& search, const Candidate& candidate,
                                    const Bucket& bucket,
                                    const std::vector<std::string>& paths) const {
    Candidate out = candidate;
    bool any = false;
    for (const Predictor& predictor : search.student().predictors()) {
      const std::string& path = predictor.path();
      if (std::find(paths.begin(), paths.end(), path) == paths.end()) continue;
      std::optional<Value> last;
      for (const TraceStep& step : bucket.runs.front().trace.steps) {
        if (std::optional<Value> demo = demo_of_step(predictor, step)) last = std::move(demo);
      }
      if (!last) continue;
      std::vector<Value> demos = demos_of(search, out, path);
      if (std::find(demos.begin(), demos.end(), *last) != demos.end()) continue;
      demos.push_back(*std::move(last));
      // The new one stays: of long texts the oldest make room for it.
      while (demos.size() > 1 && !fits_context(demos, search.model())) demos.erase(demos.begin());
      if (!fits_context(demos, search.model())) continue;
      out = out.with(path + ".demos", Value(Value::List(demos)));
      any = true;
    }
    return any ? std::optional(out) : std::nullopt;
  }

  // On which places of the batch each program is scored. A demo gives its example's answer away, so
  // that all are compared on the examples that none of them shows; where these are less than half,
  // each on those that it does not show itself, and on all where it shows them all.
  static std::vector<std::vector<std::size_t>> strange_places(const Search& search,
                                                              const std::vector<Program>& programs,
                                                              const Examples& batch) {
    std::vector<std::vector<std::size_t>> own(programs.size());
    std::vector<std::size_t> strangers(batch.size());  // by place: programs that do not show it
    for (std::size_t p = 0; p < programs.size(); ++p) {
      const Candidate values = programs[p].candidate();
      for (std::size_t place = 0; place < batch.size(); ++place) {
        if (shows(values, search.student().signature(), batch[place])) continue;
        own[p].push_back(place);
        ++strangers[place];
      }
    }
    std::vector<std::size_t> all(batch.size());
    std::iota(all.begin(), all.end(), std::size_t{0});
    std::vector<std::size_t> common = all;
    std::erase_if(common, [&](std::size_t place) { return strangers[place] < programs.size(); });
    if (2 * common.size() >= batch.size())
      return std::vector<std::vector<std::size_t>>(programs.size(), common);
    for (std::vector<std::size_t>& places : own) {
      if (places.empty()) places = all;
    }
    return own;
  }

  // Scores the drafts on the batch they come from and puts them into the pool; the best one's
  // index.
  std::optional<std::size_t> score(Search& search, std::vector<Member>& pool,
                                   const std::vector<Candidate>& drafts,
                                   const Examples& batch) const {
    std::vector<Program> programs;
    programs.reserve(drafts.size());
    for (const Candidate& candidate : drafts)
      programs.push_back(search.student().with(candidate).value());
    const std::vector<std::vector<std::size_t>> places = strange_places(search, programs, batch);
    std::vector<RolloutTask> tasks;
    for (std::size_t d = 0; d < drafts.size(); ++d) {
      for (const std::size_t place : places[d])
        tasks.push_back({&programs[d], &batch[place], 0, std::nullopt});
    }
    const std::vector<Rollout> rollouts = search.run(tasks);
    std::optional<std::size_t> best;
    double best_mean = 0;
    std::size_t next = 0;
    for (std::size_t d = 0; d < drafts.size(); ++d) {
      Member member{drafts[d], 0, 0};
      for (std::size_t i = 0; i < places[d].size(); ++i) {
        const Rollout& rollout = rollouts[next++];
        if (!rollout.score) continue;
        member.total += *rollout.score;
        ++member.count;
      }
      if (member.count > 0 && (!best || member.mean() > best_mean)) {
        best = d;
        best_mean = member.mean();
      }
      pool.push_back(std::move(member));
    }
    return best;
  }

  // Up to candidates + 1 of n, evenly spaced, the last one included.
  std::vector<std::size_t> spread(std::size_t n) const {
    const std::size_t count = std::min(n, candidates_ + 1);
    std::vector<std::size_t> out;
    for (std::size_t i = 0; i < count; ++i)
      out.push_back(count == 1 ? n - 1 : i * (n - 1) / (count - 1));
    return out;
  }

  std::size_t batch_;
  std::size_t candidates_;
  std::size_t steps_;
  std::size_t max_demos_;
  double pick_temperature_;
  double temperature_;
};

}  // namespace

std::unique_ptr<Optimizer> make_simba(OptionReader& options) {
  return std::make_unique<Simba>(options);
}

}  // namespace hone
