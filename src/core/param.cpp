#include "hone/core/param.hpp"

#include <algorithm>

#include "hone/base/text.hpp"

namespace hone {

std::string_view domain_name(const Domain& domain) {
  static constexpr std::string_view kNames[] = {"text",  "demos", "choice", "int",
                                                "float", "bias",  "model",  "learned"};
  return kNames[domain.index()];
}

Candidate Candidate::with(std::string path, Value value) const {
  Candidate out = *this;
  out.values_.insert_or_assign(std::move(path), std::move(value));
  return out;
}

Candidate Candidate::with(const Candidate& other) const {
  Candidate out = *this;
  for (const auto& [path, value] : other.values_) out.values_.insert_or_assign(path, value);
  return out;
}

Candidate Candidate::without(std::string_view path) const {
  Candidate out = *this;
  if (const auto found = out.values_.find(path); found != out.values_.end())
    out.values_.erase(found);
  return out;
}

const Value* Candidate::find(std::string_view path) const {
  const auto found = values_.find(path);
  return found == values_.end() ? nullptr : &found->second;
}

Hash Candidate::hash() const {
  Hasher hasher;
  for (const auto& [path, value] : values_) {
    hasher.add(path);
    value.add_to(hasher);
  }
  return hasher.finish();
}

Value Candidate::to_json() const {
  Value::Object fields;
  for (const auto& [path, value] : values_) fields.emplace_back(path, value);
  return Value::object(std::move(fields));
}

Result<Candidate> Candidate::from_json(const Value& json, std::string_view where) {
  if (!json.is_object())
    return bad_request(std::string(where), "expected an object of parameter values");
  Candidate out;
  for (const auto& [path, value] : json.as_object()) out.values_.insert_or_assign(path, value);
  return out;
}

Result<void> check_domain(const Domain& domain, const Value& value, std::string_view path) {
  const std::string where(path);
  if (std::holds_alternative<TextDomain>(domain)) {
    if (!value.is_string())
      return bad_request(where, "expected a text, got " + shorten(value.to_json(), 60));
  } else if (const auto* demos = std::get_if<DemoDomain>(&domain)) {
    if (!value.is_list())
      return bad_request(where, "expected a list of demos, got " + shorten(value.to_json(), 60));
    for (const Value& demo : value.as_list()) {
      if (!demo.is_object())
        return bad_request(where, "a demo must be an object, got " + shorten(demo.to_json(), 60));
      for (const auto& [name, field_value] : demo.as_object()) {
        const Field* field = demos->signature.find(name);
        if (!field)
          return bad_request(where, "a demo has field '" + name + "', which the signature has not");
        if (Result<void> fits = field->type.check(field_value, name); !fits) {
          return bad_request(where, "in a demo, " + fits.error().message);
        }
      }
    }
  } else if (const auto* choice = std::get_if<ChoiceDomain>(&domain)) {
    if (std::find(choice->choices.begin(), choice->choices.end(), value) == choice->choices.end()) {
      return bad_request(
          where, value.to_json() + " is not one of " + Value::list(choice->choices).to_json());
    }
  } else if (const auto* range = std::get_if<IntDomain>(&domain)) {
    if (!value.is_int() || value.as_int() < range->low || value.as_int() > range->high) {
      return bad_request(where, value.to_json() + " is not an int in " +
                                    std::to_string(range->low) + ".." +
                                    std::to_string(range->high));
    }
  } else if (const auto* real = std::get_if<RealDomain>(&domain)) {
    if (!value.is_number() || value.as_double() < real->low || value.as_double() > real->high) {
      return bad_request(where, value.to_json() + " is not a number in " + number_text(real->low) +
                                    ".." + number_text(real->high));
    }
  } else if (const auto* bias = std::get_if<BiasDomain>(&domain)) {
    if (!value.is_object())
      return bad_request(
          where, "expected an object of numbers by text, got " + shorten(value.to_json(), 60));
    for (const auto& [text, number] : value.as_object()) {
      if (!number.is_number() || number.as_double() < bias->low || number.as_double() > bias->high)
        return bad_request(where, "of \"" + text + "\", " + number.to_json() +
                                      " is not a number in " + number_text(bias->low) + ".." +
                                      number_text(bias->high));
    }
  } else if (std::holds_alternative<ModelDomain>(domain)) {
    if (!value.is_string())
      return bad_request(where,
                         "expected the name of a model, got " + shorten(value.to_json(), 60));
  }
  return {};
}

Result<void> check_candidate(const Candidate& candidate, std::span<const Param> params) {
  std::vector<std::string> known;
  for (const Param& param : params) known.push_back(param.path);
  std::vector<std::string> faults;
  for (const auto& [path, value] : candidate.values()) {
    const auto param = std::find_if(params.begin(), params.end(),
                                    [&path = path](const Param& p) { return p.path == path; });
    if (param == params.end()) {
      faults.push_back("there is no parameter '" + path + "'" + did_you_mean(path, known));
    } else if (Result<void> fits = check_domain(param->domain, value, path); !fits) {
      faults.push_back(fits.error().text());
    }
  }
  if (faults.empty()) return {};
  return bad_request("candidate", join(faults, "; "));
}

}  // namespace hone
