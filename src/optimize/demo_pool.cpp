#include "optimize/demo_pool.hpp"

#include <set>
#include <utility>

namespace hone {
namespace {

constexpr std::size_t kRedraws = 4;

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
  if (count > 0) add(labelled_sets(search, paths, options), "labelled demos");
  std::size_t number = 0;
  DemoSets sets;
  for (std::size_t tries = 0; pool.sets.size() <= count && tries < count * kRedraws; ++tries) {
    if (search.done()) break;
    sets = numbered_bootstrap(search, paths, tries, options, sets);
    if (add(sets, "bootstrap " + std::to_string(number))) ++number;
  }
  return pool;
}

}  // namespace hone
