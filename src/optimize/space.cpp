#include "hone/optimize/space.hpp"

#include <algorithm>

#include "hone/base/text.hpp"

namespace hone {
namespace {

std::vector<std::string> paths_of(const std::vector<Param>& params) {
  std::vector<std::string> paths;
  for (const Param& param : params) paths.push_back(param.path);
  return paths;
}

Result<void> must_match(std::string_view glob, const std::vector<Param>& params) {
  const bool any = std::any_of(params.begin(), params.end(),
                               [&](const Param& p) { return glob_match(glob, p.path); });
  if (any) return {};
  const std::vector<std::string> paths = paths_of(params);
  return bad_request("space", "no parameter matches '" + std::string(glob) + "'" +
                                  did_you_mean(glob, paths) + " (there: " + join(paths, ", ") +
                                  ")");
}

bool matches_any(std::span<const std::string> globs, const Param& param) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& g) { return glob_match(g, param.path); });
}

std::string domain_text(const Domain& domain) {
  if (const auto* choice = std::get_if<ChoiceDomain>(&domain)) {
    std::vector<std::string> texts;
    for (const Value& value : choice->choices) texts.push_back(value.text());
    return "one of " + join(texts, ", ");
  }
  if (const auto* range = std::get_if<IntDomain>(&domain)) {
    return "int " + std::to_string(range->low) + ".." + std::to_string(range->high);
  }
  if (const auto* range = std::get_if<RealDomain>(&domain)) {
    return "float " + number_text(range->low) + ".." + number_text(range->high) +
           (range->log_scale ? " (log)" : "");
  }
  return std::string(domain_name(domain));
}

}  // namespace

Result<Space> Space::keep(std::span<const std::string> globs) const {
  for (const std::string& glob : globs) {
    if (Result<void> found = must_match(glob, params_); !found) return found.error();
  }
  std::vector<Param> kept;
  std::copy_if(params_.begin(), params_.end(), std::back_inserter(kept),
               [&](const Param& param) { return matches_any(globs, param); });
  return Space(std::move(kept));
}

Result<Space> Space::freeze(std::span<const std::string> globs) const {
  for (const std::string& glob : globs) {
    if (Result<void> found = must_match(glob, params_); !found) return found.error();
  }
  std::vector<Param> kept;
  std::copy_if(params_.begin(), params_.end(), std::back_inserter(kept),
               [&](const Param& param) { return !matches_any(globs, param); });
  return Space(std::move(kept));
}

Result<Space> Space::narrow(std::string_view glob, const std::vector<Value>& choices) const {
  if (Result<void> found = must_match(glob, params_); !found) return found.error();
  std::vector<Param> params = params_;
  for (Param& param : params) {
    if (!glob_match(glob, param.path)) continue;
    for (const Value& value : choices) {
      if (Result<void> fits = check_domain(param.domain, value, param.path); !fits)
        return fits.error();
    }
    param.domain = ChoiceDomain{choices};
  }
  return Space(std::move(params));
}

const Param* Space::find(std::string_view path) const {
  const auto found =
      std::find_if(params_.begin(), params_.end(), [&](const Param& p) { return p.path == path; });
  return found == params_.end() ? nullptr : &*found;
}

bool Space::is_active(const Param& param, const Candidate& candidate) const {
  if (!param.condition) return true;
  const Param* parent = find(param.condition->path);
  if (parent && !is_active(*parent, candidate)) return false;
  if (const Value* chosen = candidate.find(param.condition->path))
    return *chosen == param.condition->equals;
  return !parent || parent->initial == param.condition->equals;
}

std::string Space::describe() const {
  std::string out;
  for (const Param& param : params_) {
    out += param.path + ": " + domain_text(param.domain) + "; now " +
           shorten(param.initial.to_json(), 80);
    if (param.condition)
      out += "; only while " + param.condition->path + " = " + param.condition->equals.text();
    out += "\n";
  }
  return out;
}

}  // namespace hone
