#include "program/alternatives.hpp"

#include <algorithm>
#include <set>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/program/program_file.hpp"

#include "program/member.hpp"

namespace hone {
namespace {

std::vector<std::string> names_of(const std::vector<Alternative>& alternatives) {
  std::vector<std::string> names;
  for (const Alternative& alternative : alternatives) names.push_back(alternative.name);
  return names;
}

class Alternatives final : public Module {
 public:
  Alternatives(std::string name, std::vector<Alternative> alternatives, std::size_t chosen)
      : name_(std::move(name)), alternatives_(std::move(alternatives)), chosen_(chosen) {}

  const Signature& signature() const override { return alternatives_[chosen_].program.signature(); }

  Value forward(Call& call, const Value& inputs) const override {
    const Alternative& alternative = alternatives_[chosen_];
    return run_member(call, alternative.program, prefix_of(alternative), inputs).value();
  }

  std::string embedder() const override {
    for (const Alternative& alternative : alternatives_) {
      if (std::string needed = alternative.program.embedder(); !needed.empty()) return needed;
    }
    return {};
  }

  std::vector<Predictor> predictors() const override {
    std::vector<Predictor> out;
    for (const Alternative& alternative : alternatives_) {
      for (Predictor& predictor : prefixed_predictors(alternative.program, prefix_of(alternative)))
        out.push_back(std::move(predictor));
    }
    return out;
  }

  std::vector<Retrieve> retrieve_steps() const override {
    std::vector<Retrieve> out;
    for (const Alternative& alternative : alternatives_) {
      for (Retrieve& step : prefixed_retrieve_steps(alternative.program, prefix_of(alternative)))
        out.push_back(std::move(step));
    }
    return out;
  }

  std::vector<Param> params() const override {
    ChoiceDomain names;
    for (const Alternative& alternative : alternatives_)
      names.choices.emplace_back(alternative.name);
    std::vector<Param> out = {
        {choice_path(), std::move(names), alternatives_[chosen_].name, std::nullopt}};
    for (const Alternative& alternative : alternatives_) {
      for (Param& param : prefixed_params(alternative.program, prefix_of(alternative))) {
        // One inside alternatives of its own already hangs on their choice, and that on this one.
        if (!param.condition) param.condition = Condition{choice_path(), alternative.name};
        out.push_back(std::move(param));
      }
    }
    return out;
  }

  Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const override {
    std::vector<Alternative> tuned;
    for (const Alternative& alternative : alternatives_) {
      Result<Program> program =
          alternative.program.with(below_prefix(candidate, prefix_of(alternative)));
      if (!program) return program.error();
      tuned.push_back({alternative.name, *std::move(program)});
    }
    std::size_t chosen = chosen_;
    if (const Value* choice = candidate.find(choice_path())) {
      const std::vector<std::string> names = names_of(alternatives_);
      const auto found = std::find(names.begin(), names.end(), choice->text());
      chosen = static_cast<std::size_t>(found - names.begin());
    }
    return std::shared_ptr<const Module>(
        std::make_shared<const Alternatives>(name_, std::move(tuned), chosen));
  }

  Value to_json(const std::filesystem::path& folder) const override {
    Value::List programs;
    for (const Alternative& alternative : alternatives_) {
      const Value own = alternative.program.to_json(folder);
      if (own.is_null()) return {};
      Value::Object fields = {{"name", alternative.name}};
      fields.insert(fields.end(), own.as_object().begin(), own.as_object().end());
      programs.push_back(Value::object(std::move(fields)));
    }
    return Value::object(
        {{"alternatives", Value::object({{"name", name_},
                                         {"choice", alternatives_[chosen_].name},
                                         {"programs", Value(std::move(programs))}})}});
  }

 private:
  std::string choice_path() const { return name_ + ".choice"; }
  std::string prefix_of(const Alternative& alternative) const {
    return name_ + "." + alternative.name + ".";
  }

  std::string name_;
  std::vector<Alternative> alternatives_;
  std::size_t chosen_;
};

}  // namespace

Result<Program> Program::alternatives(std::string name, std::vector<Alternative> alternatives,
                                      std::string_view choice) {
  if (alternatives.empty()) return bad_request("alternatives", "needs at least one program");
  const std::vector<std::string> names = names_of(alternatives);
  std::vector<std::string> faults;
  const auto check_name = [&](const std::string& checked) {
    if (!is_path_name(checked))
      faults.push_back("'" + checked + "' is not a name (letters, digits, '_' and '-')");
  };
  check_name(name);
  std::set<std::string> seen;
  for (const Alternative& alternative : alternatives) {
    check_name(alternative.name);
    if (alternative.name == "choice")
      faults.emplace_back("'choice' is the name of the parameter that chooses; take another");
    if (!seen.insert(alternative.name).second)
      faults.push_back("two are named '" + alternative.name + "'");
    const Signature& signature = alternative.program.signature();
    const Signature& first = alternatives.front().program.signature();
    if (signature.fields_hash() != first.fields_hash()) {
      faults.push_back("'" + alternative.name + "' is for \"" + signature.to_string() +
                       "\", the first one for \"" + first.to_string() + "\"");
    }
  }
  const auto chosen =
      choice.empty() ? names.begin() : std::find(names.begin(), names.end(), choice);
  if (chosen == names.end()) {
    faults.push_back("the choice '" + std::string(choice) + "' is not one of " + join(names, ", ") +
                     did_you_mean(choice, names));
  }
  if (!faults.empty()) return bad_request("alternatives", join(faults, "; "));
  const auto index = static_cast<std::size_t>(chosen - names.begin());
  return Program(
      std::make_shared<const Alternatives>(std::move(name), std::move(alternatives), index));
}

Result<Program> alternatives_from_json(const Value& json, std::string_view where,
                                       const PredictorOptions& defaults,
                                       const std::filesystem::path& folder) {
  const std::string place = std::string(where) + ", alternatives";
  const Value body = json.get("alternatives");
  const Value programs = body.get("programs");
  const Value name = body.get("name");
  const Value choice = body.get("choice");
  std::vector<std::string> faults;
  static const std::vector<std::string> known = {"name", "choice", "programs"};
  if (body.is_object()) {
    for (const auto& [key, ignored] : body.as_object()) {
      if (std::find(known.begin(), known.end(), key) == known.end())
        faults.push_back(key + ": is not a key hone knows" + did_you_mean(key, known));
    }
  }
  for (const auto& [key, ignored] : json.as_object()) {
    if (key != "alternatives") faults.push_back(key + ": belongs into one of the programs");
  }
  if (!name.is_string()) faults.emplace_back("needs a \"name\"");
  if (!choice.is_null() && !choice.is_string()) faults.emplace_back("\"choice\" must be a name");
  if (!programs.is_list() || programs.size() == 0)
    faults.emplace_back("needs \"programs\", a list of programs with names");
  std::vector<Alternative> alternatives;
  if (programs.is_list()) {
    for (const Value& entry : programs.as_list()) {
      const Value own = entry.get("name");
      const std::string own_place =
          own.is_string() ? own.as_string() : "program " + std::to_string(alternatives.size() + 1);
      if (!own.is_string()) faults.push_back(own_place + ": needs a \"name\"");
      Result<Program> program = program_from_config(
          entry.is_object() ? entry.without("name") : entry, own_place, defaults, folder);
      if (!program) {
        faults.push_back(program.error().text());
      } else if (own.is_string()) {
        alternatives.push_back({own.as_string(), *std::move(program)});
      }
    }
  }
  if (!faults.empty()) return bad_request(place, join(faults, "; "));
  Result<Program> program =
      Program::alternatives(name.as_string(), std::move(alternatives),
                            choice.is_string() ? std::string_view(choice.as_string()) : "");
  if (!program) return bad_request(place, program.error().message);
  return program;
}

}  // namespace hone
