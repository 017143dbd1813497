#include "hone/optimize/optimizer.hpp"

#include <algorithm>

#include "hone/base/text.hpp"

namespace hone {
namespace {

// What the search sees to itself, whichever optimizer runs on it.
bool is_searched_anyway(const Param& param) {
  return std::holds_alternative<LearnedDomain>(param.domain) || param.path == "calibration" ||
         param.path.ends_with(".calibration");
}

// Built-in optimizers that search such a parameter.
std::vector<std::string> able(const Param& param) {
  std::vector<std::string> names;
  for (const OptimizerInfo& info : optimizers()) {
    if (make_optimizer(info.name).value()->handles(param)) names.push_back(info.name);
  }
  return names;
}

Error refusal(const Optimizer& optimizer, const std::string& glob, const Param& param) {
  const std::vector<std::string> names = able(param);
  std::string help = "these can: " + join(names, ", ");
  if (std::holds_alternative<ModelDomain>(param.domain)) {
    help = "the run has no named models to choose among";
  } else if (names.empty()) {
    help = "no optimizer can; narrow it to a few values first, or freeze it";
  }
  return bad_request("optimizer", std::string(optimizer.name()) + " cannot search '" + param.path +
                                      "' (" + domain_text(param.domain) + "), which '" + glob +
                                      "' asks for; " + help);
}

}  // namespace

bool Optimizer::handles(const Param& /*param*/) const {
  return true;
}

Result<void> Optimizer::check(const SearchSetting& /*setting*/) const {
  return {};
}

Result<void> check_space(const Optimizer& optimizer, const Space& space) {
  const auto is_handled = [&](const Param& param) {
    return is_searched_anyway(param) || optimizer.handles(param);
  };
  for (const Space::Wish& wish : space.wishes()) {
    const Param* refused = nullptr;
    const bool any = std::any_of(wish.paths.begin(), wish.paths.end(), [&](const auto& path) {
      const Param* param = space.find(path);
      if (!is_handled(*param)) refused = param;
      return is_handled(*param);
    });
    if (!any) return refusal(optimizer, wish.glob, *refused);
  }
  const std::string_view needed = optimizer.needs();
  const bool is_there =
      needed.empty() || std::any_of(space.params().begin(), space.params().end(),
                                    [&](const Param& p) { return glob_match(needed, p.path); });
  if (!is_there) {
    return bad_request("search space", "has nothing like '" + std::string(needed) + "', which " +
                                           std::string(optimizer.name()) + " needs");
  }
  return {};
}

}  // namespace hone
