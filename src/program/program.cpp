#include "hone/program/program.hpp"

#include <exception>
#include <utility>

#include "hone/program/program_file.hpp"

#include "program/pipeline.hpp"

namespace hone {

std::vector<Param> Module::params() const {
  std::vector<Param> out;
  for (const Retrieve& step : retrieve_steps()) {
    for (Param& param : step.params()) out.push_back(std::move(param));
  }
  for (const Predictor& predictor : predictors()) {
    for (Param& param : predictor.params()) out.push_back(std::move(param));
  }
  return out;
}

Program Program::predict(Signature signature, PredictorOptions options) {
  return Program(
      std::make_shared<const SinglePredictor>(Predictor(std::move(signature), std::move(options))));
}

Program Program::chain_of_thought(Signature signature, PredictorOptions options) {
  options.reasoning = Reasoning::chain_of_thought;
  return predict(std::move(signature), std::move(options));
}

Program Program::retrieve(Retrieve step) {
  return pipeline({{"retrieve", std::move(step)}}).value();
}

Result<Program> Program::pipeline(std::vector<PipelineStep> steps) {
  auto module = Pipeline::make(std::move(steps));
  if (!module) return module.error();
  return Program(*std::move(module));
}

Result<Value> Program::run(Call& call, const Value& inputs) const {
  if (Result<void> fit = signature().check_inputs(inputs, {}); !fit) {
    return bad_request("inputs", fit.error().message);
  }
  try {
    return module_->forward(call, inputs);
  } catch (const Exception& failure) {
    return failure.error();
  } catch (const std::exception& failure) {
    // A program's body is a user's code; whatever it throws is the failure of this one run.
    return internal_error("program", failure.what());
  }
}

Result<Program> Program::with(const Candidate& candidate) const {
  if (candidate.empty()) return *this;
  const std::vector<Param> known = params();
  if (Result<void> fits = check_candidate(candidate, known); !fits) return fits.error();
  auto tuned = module_->with(candidate);
  if (!tuned) return tuned.error();
  return Program(*std::move(tuned));
}

Candidate Program::candidate() const {
  Candidate out;
  for (Param& param : params()) {
    if (!param.initial.is_null()) out = out.with(std::move(param.path), std::move(param.initial));
  }
  return out;
}

std::string Program::describe() const {
  std::string out = "Program: " + signature().to_string() + "\n";
  for (const Retrieve& step : retrieve_steps()) {
    out += "\nStep " + step.path() +
           " (looks passages up, asks no model): " + step.signature().to_string() + "\nGives the " +
           std::to_string(step.k()) + " passages nearest to the " +
           step.signature().inputs().front().name + ", of " +
           std::to_string(step.corpus().passages().size()) + ".\n";
  }
  for (const Predictor& predictor : predictors()) {
    const bool reasons = predictor.options().reasoning == Reasoning::chain_of_thought;
    out += "\nStep " + predictor.path() +
           (reasons ? " (reasons step by step before it answers)" : "") + ": " +
           predictor.signature().to_string() +
           "\nInstructions: " + predictor.signature().instructions() + "\n";
  }
  return out;
}

Hash Program::structure_hash() const {
  Hasher hasher;
  hasher.add(signature().fields_hash());
  for (const Predictor& predictor : predictors()) {
    hasher.add(predictor.path()).add(predictor.signature().fields_hash());
  }
  for (const Retrieve& step : retrieve_steps())
    hasher.add(step.path()).add(step.signature().fields_hash()).add(step.corpus().hash());
  return hasher.finish();
}

Result<Program> Program::from_json(const Value& json, std::string_view where,
                                   const std::filesystem::path& folder) {
  return program_from_config(json, where, {}, folder);
}

}  // namespace hone
