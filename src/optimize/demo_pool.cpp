#include "optimize/demo_pool.hpp"

#include <algorithm>
#include <set>
#include <utility>

namespace hone {
namespace {

constexpr std::size_t kRedraws = 4;

DemoSets labelled_set(Search& search, const std::vector<std::string>& paths,
                      const BootstrapOptions& options, Rng rng) {
  DemoSets sets;
  for (const Predictor& predictor : search.student().predictors()) {
    std::vector<Value> demos =
        draw_labeled(predictor, search.train(), options.max_labeled, options.balanced, rng);
    if (!demos.empty()) sets[predictor.path()] = std::move(demos);
  }
  return fit_context(keep_tunable(std::move(sets), paths), search.model());
}

}  // namespace

DemoPool make_demo_pool(Search& search, const std::vector<std::string>& paths, std::size_t count,
                        const BootstrapOptions& options) {
  DemoPool pool;
  std::set<Hash> seen;
  const auto add = [&](DemoSets sets, std::string name) {
    if (!seen.insert(with_demos(Candidate(), sets).hash()).second) return false;
    pool.sets.push_back(std::move(sets));
    pool.names.push_back(std::move(name));
    return true;
  };
  add({}, "no new demos");
  if (count > 0)
    add(labelled_set(search, paths, options, search.rng("labelled demos")), "labelled demos");
  std::size_t number = 0;
  DemoSets whole;
  for (std::size_t tries = 0; pool.sets.size() <= count && tries < count * kRedraws; ++tries) {
    if (search.done()) break;
    const std::size_t member = tries == 0 ? 0 : (tries - 1) % kFamily;
    if (member == 0) {
      Rng rng = search.rng("bootstrap " + std::to_string(tries));
      Examples order = search.train();
      BootstrapOptions drawn = options;
      if (tries > 0) {
        rng.shuffle(order);
        if (drawn.max_bootstrapped > 1)
          drawn.max_bootstrapped = 1 + rng.below(drawn.max_bootstrapped);
      }
      whole =
          fit_context(keep_tunable(bootstrap(search, order, drawn, rng), paths), search.model());
    }
    if (add(family_member(whole, member), "bootstrap " + std::to_string(number))) ++number;
  }
  return pool;
}

}  // namespace hone
