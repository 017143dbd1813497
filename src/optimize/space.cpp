#include "hone/optimize/space.hpp"

#include <algorithm>
#include <set>
#include <utility>

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

std::vector<std::string> matching(std::string_view glob, const std::vector<Param>& params) {
  std::vector<std::string> paths;
  for (const Param& param : params) {
    if (glob_match(glob, param.path)) paths.push_back(param.path);
  }
  return paths;
}

// What the parameter that `path` depends on has now.
std::string structure_value(const Space& space, std::string_view path) {
  const Param* other = space.find(space.find(path)->condition->path);
  return other ? other->initial.text() : std::string();
}

bool matches_any(std::span<const std::string> globs, const Param& param) {
  return std::any_of(globs.begin(), globs.end(),
                     [&](const std::string& g) { return glob_match(g, param.path); });
}

}  // namespace

std::string domain_text(const Domain& domain) {
  if (const auto* choice = std::get_if<ChoiceDomain>(&domain)) {
    std::vector<std::string> texts;
    for (const Value& value : choice->choices)
      texts.push_back(value.is_string() && value.as_string().empty() ? "\"\""
                                                                     : shorten(value.text(), 60));
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

std::vector<Predictor> predictors_in_use(const Program& program) {
  const Space space = Space::of(program);
  std::vector<Predictor> out;
  for (Predictor& predictor : program.predictors()) {
    const Param* own = space.find(predictor.path() + ".instructions");
    if (!own || space.is_active(*own, Candidate())) out.push_back(std::move(predictor));
  }
  return out;
}

Space Space::with_models(std::span<const std::string> names) const {
  Space out = *this;
  if (names.empty()) return out;
  for (Param& param : out.params_) {
    if (!std::holds_alternative<ModelDomain>(param.domain)) continue;
    ChoiceDomain models{{Value("")}};
    models.choices.insert(models.choices.end(), names.begin(), names.end());
    if (!check_domain(models, param.initial, param.path)) models.choices.push_back(param.initial);
    param.domain = std::move(models);
  }
  return out;
}

// `kept` as a space: conditions on what was left out are settled by the value it stays with.
Space Space::settled(std::vector<Param> kept) const {
  std::set<std::string> there;
  for (const Param& param : kept) there.insert(param.path);
  Space out({});
  for (Param& param : kept) {
    bool exists = true;
    while (exists && param.condition && !there.contains(param.condition->path)) {
      const Param* other = find(param.condition->path);
      if (!other) break;  // left out before: it stays as it is
      exists = other->initial == param.condition->equals;
      param.condition = other->condition;
    }
    if (exists) out.params_.push_back(std::move(param));
  }
  for (Wish wish : wishes_) {
    std::erase_if(wish.paths, [&](const std::string& path) { return !out.find(path); });
    if (!wish.paths.empty()) out.wishes_.push_back(std::move(wish));
  }
  return out;
}

Result<Space> Space::keep(std::span<const std::string> globs) const {
  for (const std::string& glob : globs) {
    if (Result<void> found = must_match(glob, params_); !found) return found.error();
  }
  std::vector<Param> kept;
  std::copy_if(params_.begin(), params_.end(), std::back_inserter(kept),
               [&](const Param& param) { return matches_any(globs, param); });
  Space out = settled(std::move(kept));
  for (const std::string& glob : globs) {
    std::vector<std::string> paths = matching(glob, out.params_);
    if (paths.empty()) {
      const std::string first = matching(glob, params_).front();
      return bad_request("space", "'" + glob + "' matches only what does not exist while " +
                                      find(first)->condition->path + " = " +
                                      structure_value(*this, first) +
                                      ", which is not kept; keep that too");
    }
    out.wishes_.push_back({glob, std::move(paths)});
  }
  return out;
}

Result<Space> Space::freeze(std::span<const std::string> globs) const {
  for (const std::string& glob : globs) {
    if (Result<void> found = must_match(glob, params_); !found) return found.error();
  }
  std::vector<Param> kept;
  std::copy_if(params_.begin(), params_.end(), std::back_inserter(kept),
               [&](const Param& param) { return !matches_any(globs, param); });
  return settled(std::move(kept));
}

Result<Space> Space::narrow(std::string_view glob, const std::vector<Value>& choices) const {
  if (Result<void> found = must_match(glob, params_); !found) return found.error();
  if (choices.empty()) return bad_request("space", "'" + std::string(glob) + "' needs a value");
  Space out = *this;
  for (Param& param : out.params_) {
    if (!glob_match(glob, param.path)) continue;
    for (const Value& value : choices) {
      if (Result<void> fits = check_domain(param.domain, value, param.path); !fits)
        return fits.error();
    }
    param.domain = ChoiceDomain{choices};
  }
  out.wishes_.push_back({std::string(glob), matching(glob, params_)});
  return out;
}

bool Space::is_asked(const Param& param) const {
  const bool wished = std::any_of(wishes_.begin(), wishes_.end(), [&](const Wish& wish) {
    return std::find(wish.paths.begin(), wish.paths.end(), param.path) != wish.paths.end();
  });
  return wished || std::any_of(params_.begin(), params_.end(), [&](const Param& other) {
           return other.condition && other.condition->path == param.path;
         });
}

Value Space::to_json() const {
  Value::List out;
  for (const Param& param : params_) {
    Value::Object fields = {{"path", param.path}, {"domain", domain_name(param.domain)}};
    if (const auto* choice = std::get_if<ChoiceDomain>(&param.domain)) {
      fields.emplace_back("choices", Value::list(choice->choices));
    } else if (const auto* whole = std::get_if<IntDomain>(&param.domain)) {
      fields.emplace_back("low", whole->low);
      fields.emplace_back("high", whole->high);
    } else if (const auto* real = std::get_if<RealDomain>(&param.domain)) {
      fields.emplace_back("low", real->low);
      fields.emplace_back("high", real->high);
      if (real->log_scale) fields.emplace_back("log", true);
    } else if (const auto* bias = std::get_if<BiasDomain>(&param.domain)) {
      fields.emplace_back("low", bias->low);
      fields.emplace_back("high", bias->high);
    }
    fields.emplace_back("initial", param.initial);
    if (param.condition)
      fields.emplace_back("condition", Value::object({{"path", param.condition->path},
                                                      {"equals", param.condition->equals}}));
    out.push_back(Value::object(std::move(fields)));
  }
  return Value::list(std::move(out));
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
