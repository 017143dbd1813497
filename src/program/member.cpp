#include "program/member.hpp"

#include <algorithm>
#include <utility>

namespace hone {

bool is_path_name(std::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
           c == '-';
  });
}

Result<Value> run_member(Call& call, const Program& member, const std::string& prefix,
                         const Value& inputs) {
  CallOptions own = call.options();
  own.seed = call.next_seed(prefix);
  Call member_call(*call.model({}).value(), std::move(own));
  Result<Value> answer = member.run(member_call, inputs);
  Trace trace = member_call.take_trace();
  for (TraceStep& step : trace.steps) {
    step.path = prefix + step.path;
    call.record(std::move(step));
  }
  return answer;
}

std::vector<Predictor> prefixed_predictors(const Program& member, const std::string& prefix) {
  std::vector<Predictor> out;
  for (const Predictor& predictor : member.predictors())
    out.push_back(predictor.with_path(prefix + predictor.path()));
  return out;
}

std::vector<Retrieve> prefixed_retrieve_steps(const Program& member, const std::string& prefix) {
  std::vector<Retrieve> out;
  for (const Retrieve& step : member.retrieve_steps())
    out.push_back(step.with_path(prefix + step.path()));
  return out;
}

std::vector<Param> prefixed_params(const Program& member, const std::string& prefix) {
  std::vector<Param> out = member.params();
  for (Param& param : out) {
    param.path = prefix + param.path;
    if (param.condition) param.condition->path = prefix + param.condition->path;
  }
  return out;
}

Candidate below_prefix(const Candidate& candidate, const std::string& prefix) {
  Candidate own;
  for (const auto& [path, value] : candidate.values()) {
    if (path.starts_with(prefix)) own = own.with(path.substr(prefix.size()), value);
  }
  return own;
}

}  // namespace hone
