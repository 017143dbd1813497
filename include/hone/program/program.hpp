// Programs: predictors and the control flow around them, as values.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/value.hpp"
#include "hone/program/call.hpp"
#include "hone/program/predictor.hpp"
#include "hone/program/retrieve.hpp"

namespace hone {

// What a kind of program implements. Immutable: every run is const, and tuning returns a new
// module.
class Module {
 public:
  virtual ~Module() = default;
  virtual const Signature& signature() const = 0;  // what the whole takes and gives
  // Throws Exception. `inputs` fit signature().
  virtual Value forward(Call& call, const Value& inputs) const = 0;
  // Every predictor inside, each with its path ("query", "steps.answer"), in a fixed order.
  virtual std::vector<Predictor> predictors() const = 0;
  // Every retrieve step inside, likewise.
  virtual std::vector<Retrieve> retrieve_steps() const { return {}; }
  // Tunables of the module; the default is those of its retrieve steps and predictors.
  virtual std::vector<Param> params() const;
  virtual Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const = 0;
  // The identity of the embedder whose points it holds, and which its runs therefore need; empty =
  // none.
  virtual std::string embedder() const { return {}; }
  // Enough to build it again (Program::from_json), or null when only C++ can. Files it names are
  // given from `folder` where they lie below it, else (and without one) by absolute paths.
  virtual Value to_json(const std::filesystem::path& /*folder*/) const { return {}; }
  // Where only C++ can build it again: whether that and its parameters' values give it back. False
  // where an optimizer put more into it than those, which no file would then hold.
  virtual bool params_are_all() const { return true; }
};

// One step of a pipeline: its inputs are taken by name from the program's inputs and earlier steps'
// outputs.
struct PipelineStep {
  std::string name;
  std::variant<Predictor, Retrieve> does;
};

struct Alternative;

// A value that shares an immutable module; copies are cheap, const means concurrent.
class Program {
 public:
  explicit Program(std::shared_ptr<const Module> module) : module_(std::move(module)) {}

  // One predictor, with the path "predict".
  static Program predict(Signature signature, PredictorOptions options = {});
  static Program chain_of_thought(Signature signature, PredictorOptions options = {});
  // One retrieve step, with the path "retrieve"; asks no model.
  static Program retrieve(Retrieve step);
  // Steps in order, wired by field names. Inputs no earlier step gives are the program's inputs;
  // its outputs are the last step's. bad_request when a field is given twice with different types
  // or steps share a name.
  static Result<Program> pipeline(std::vector<PipelineStep> steps);
  // One of several programs for the same task, chosen by the parameter "<name>.choice", which
  // starts as `choice` (the first one when empty). Paths inside get "<name>.<alternative>." in
  // front, in parameters and traces alike; those parameters exist only while their alternative is
  // chosen. Costs what the chosen one costs. bad_request: no alternatives, names that are not
  // letters, digits, '_' and '-', two alike, other fields than the first one's, an unknown choice.
  static Result<Program> alternatives(std::string name, std::vector<Alternative> alternatives,
                                      std::string_view choice = {});

  // The identity of the embedder its runs need (CallOptions::embedder); empty = none.
  std::string embedder() const { return module_->embedder(); }
  // Runs it; a thrown Exception comes back as its Error, and so do inputs that do not fit.
  Result<Value> run(Call& call, const Value& inputs) const;

  const Signature& signature() const { return module_->signature(); }
  std::vector<Predictor> predictors() const { return module_->predictors(); }
  std::vector<Retrieve> retrieve_steps() const { return module_->retrieve_steps(); }
  std::vector<Param> params() const { return module_->params(); }
  // With the candidate's values; unknown paths and values outside their domains are reported all at
  // once.
  Result<Program> with(const Candidate& candidate) const;
  // Every parameter's current value, so that base.with(tuned.candidate()) gives tuned back.
  Candidate candidate() const;

  // The program as a person (or a proposing model) would read it: steps, signatures, instructions.
  std::string describe() const;
  // Of paths, field signatures and corpora: what a saved candidate must agree with.
  Hash structure_hash() const;

  Value to_json(const std::filesystem::path& folder = {}) const { return module_->to_json(folder); }
  // Relative paths in it are from `folder`, or without one from the working directory.
  static Result<Program> from_json(const Value& json, std::string_view where,
                                   const std::filesystem::path& folder = {});
  const Module& module() const { return *module_; }

 private:
  std::shared_ptr<const Module> module_;
};

// One structure a program may take.
struct Alternative {
  std::string name;
  Program program;
};

}  // namespace hone
