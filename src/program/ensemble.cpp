#include "program/ensemble.hpp"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <utility>

#include "hone/base/text.hpp"

#include "program/member.hpp"

namespace hone {
namespace {

std::string prefix_of(std::size_t member) {
  return "m" + std::to_string(member + 1) + ".";
}

// What makes two answers the same vote.
Value ballot(const Value& value) {
  return value.is_string() ? Value(to_lower(trim(value.as_string()))) : value;
}

Value vote(const std::vector<Value>& answers, const std::vector<double>& weights,
           const std::string& field) {
  std::vector<std::pair<Value, double>> counts;
  std::vector<Value> first;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const Value answer = answers[i].get(field);
    const Value key = ballot(answer);
    const auto found = std::find_if(counts.begin(), counts.end(),
                                    [&](const auto& count) { return count.first == key; });
    if (found == counts.end()) {
      counts.emplace_back(key, weights[i]);
      first.push_back(answer);
    } else {
      found->second += weights[i];
    }
  }
  const auto best =
      std::max_element(counts.begin(), counts.end(),
                       [](const auto& a, const auto& b) { return a.second < b.second; });
  return first[static_cast<std::size_t>(best - counts.begin())];
}

Value mean(const std::vector<Value>& answers, const std::vector<double>& weights,
           const Field& field) {
  double sum = 0;
  double total = 0;
  for (std::size_t i = 0; i < answers.size(); ++i) {
    const Value answer = answers[i].get(field.name);
    if (!answer.is_number()) continue;
    sum += weights[i] * answer.as_double();
    total += weights[i];
  }
  if (total <= 0) return vote(answers, weights, field.name);
  if (field.type.kind() == TypeKind::integer)
    return static_cast<std::int64_t>(std::llround(sum / total));
  return sum / total;
}

class Ensemble final : public Module {
 public:
  Ensemble(std::vector<Program> members, EnsembleOptions options)
      : members_(std::move(members)), options_(std::move(options)) {}

  const Signature& signature() const override { return members_.front().signature(); }

  Value forward(Call& call, const Value& inputs) const override {
    std::vector<Value> answers;
    std::vector<double> weights;
    std::optional<Error> failure;
    for (std::size_t m = 0; m < members_.size(); ++m) {
      if (options_.weights[m] <= 0) continue;
      Result<Value> answer = run_member(call, members_[m], prefix_of(m), inputs);
      if (answer) {
        answers.push_back(*std::move(answer));
        weights.push_back(options_.weights[m]);
        continue;
      }
      // A stop, a spent budget or a model out of reach says nothing of what the member would vote:
      // a vote of those left would be another program's.
      const ErrorKind kind = answer.error().kind;
      if (kind == ErrorKind::stopped || kind == ErrorKind::temporary) throw_error(answer.error());
      if (!failure) failure = answer.error();
    }
    if (answers.empty()) throw_error(*failure);
    if (options_.reducer) return options_.reducer(answers, weights);
    Value::Object out;
    for (const Field& field : signature().outputs()) {
      const bool is_number =
          field.type.kind() == TypeKind::integer || field.type.kind() == TypeKind::real;
      out.emplace_back(field.name, options_.reduce == "mean" && is_number
                                       ? mean(answers, weights, field)
                                       : vote(answers, weights, field.name));
    }
    return Value::object(std::move(out));
  }

  std::string embedder() const override {
    for (const Program& member : members_) {
      if (std::string needed = member.embedder(); !needed.empty()) return needed;
    }
    return {};
  }

  std::vector<Predictor> predictors() const override {
    std::vector<Predictor> out;
    for (std::size_t m = 0; m < members_.size(); ++m) {
      for (Predictor& predictor : prefixed_predictors(members_[m], prefix_of(m)))
        out.push_back(std::move(predictor));
    }
    return out;
  }

  std::vector<Retrieve> retrieve_steps() const override {
    std::vector<Retrieve> out;
    for (std::size_t m = 0; m < members_.size(); ++m) {
      for (Retrieve& step : prefixed_retrieve_steps(members_[m], prefix_of(m)))
        out.push_back(std::move(step));
    }
    return out;
  }

  std::vector<Param> params() const override {
    std::vector<Param> out;
    for (std::size_t m = 0; m < members_.size(); ++m) {
      for (Param& param : prefixed_params(members_[m], prefix_of(m)))
        out.push_back(std::move(param));
    }
    return out;
  }

  Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const override {
    std::vector<Program> members;
    for (std::size_t m = 0; m < members_.size(); ++m) {
      Result<Program> tuned = members_[m].with(below_prefix(candidate, prefix_of(m)));
      if (!tuned) return tuned.error();
      members.push_back(*std::move(tuned));
    }
    return std::shared_ptr<const Module>(
        std::make_shared<const Ensemble>(std::move(members), options_));
  }

  Value to_json(const std::filesystem::path& folder) const override {
    if (options_.reducer) return {};
    Value::List programs;
    for (const Program& member : members_) {
      programs.push_back(member.to_json(folder));
      if (programs.back().is_null()) return {};
    }
    return Value::object({{"ensemble", Value::object({{"reduce", options_.reduce},
                                                      {"weights", Value::numbers(options_.weights)},
                                                      {"programs", Value(std::move(programs))}})}});
  }

  // With a reducer, C++ gives the members and weights again too.
  bool params_are_all() const override {
    const auto are_all = [](const Program& one) { return one.module().params_are_all(); };
    return options_.reducer && std::all_of(members_.begin(), members_.end(), are_all);
  }

 private:
  std::vector<Program> members_;
  EnsembleOptions options_;
};

}  // namespace

Result<Program> ensemble(std::vector<Program> members, EnsembleOptions options) {
  if (members.empty()) return bad_request("ensemble", "needs at least one program");
  if (options.weights.empty()) options.weights.assign(members.size(), 1.0);
  const bool weights_fit =
      options.weights.size() == members.size() &&
      std::all_of(options.weights.begin(), options.weights.end(),
                  [](double w) { return std::isfinite(w) && w >= 0; }) &&
      std::any_of(options.weights.begin(), options.weights.end(), [](double w) { return w > 0; });
  if (!weights_fit) {
    return bad_request("ensemble", "needs one weight from 0 for each of its " +
                                       std::to_string(members.size()) +
                                       " programs, at least one above 0");
  }
  const std::vector<std::string> reductions = {"vote", "mean"};
  if (std::find(reductions.begin(), reductions.end(), options.reduce) == reductions.end()) {
    return bad_request("ensemble", "there is no reduction '" + options.reduce + "'" +
                                       did_you_mean(options.reduce, reductions) +
                                       " (there: vote, mean)");
  }
  for (const Program& member : members) {
    if (member.signature().fields_hash() != members.front().signature().fields_hash()) {
      return bad_request("ensemble", "a member is for \"" + member.signature().to_string() +
                                         "\", the first one for \"" +
                                         members.front().signature().to_string() + "\"");
    }
  }
  return Program(std::make_shared<const Ensemble>(std::move(members), std::move(options)));
}

Result<Program> ensemble_from_json(const Value& json, std::string_view where,
                                   const std::filesystem::path& folder) {
  const std::string place = std::string(where) + ", ensemble";
  const Value body = json.get("ensemble");
  const Value programs = body.get("programs");
  if (!programs.is_list()) return bad_request(place, "needs \"programs\"");
  EnsembleOptions options;
  if (const Value* reduce = body.find("reduce")) options.reduce = reduce->text();
  if (const Value* weights = body.find("weights")) {
    if (!weights->is_list()) return bad_request(place, "\"weights\" must be a list of numbers");
    for (const Value& weight : weights->as_list()) {
      if (!weight.is_number()) return bad_request(place, "\"weights\" must be a list of numbers");
      options.weights.push_back(weight.as_double());
    }
  }
  std::vector<Program> members;
  for (std::size_t i = 0; i < programs.size(); ++i) {
    Result<Program> member = Program::from_json(
        programs.as_list()[i], place + ", program " + std::to_string(i + 1), folder);
    if (!member) return member.error();
    members.push_back(*std::move(member));
  }
  Result<Program> program = ensemble(std::move(members), std::move(options));
  if (!program) return bad_request(place, program.error().message);
  return program;
}

}  // namespace hone
