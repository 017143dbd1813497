// Programs without control flow of their own: one predictor, or several steps in a row.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "hone/program/program.hpp"

namespace hone {

// One predictor, with the path "predict".
class SinglePredictor final : public Module {
 public:
  explicit SinglePredictor(const Predictor& predictor);
  const Signature& signature() const override { return predictor_.signature(); }
  Value forward(Call& call, const Value& inputs) const override { return predictor_(call, inputs); }
  std::vector<Predictor> predictors() const override { return {predictor_}; }
  Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const override;
  Value to_json(const std::filesystem::path& folder) const override;

 private:
  Predictor predictor_;
};

// Steps in order; each step's path is its name.
class Pipeline final : public Module {
 public:
  static Result<std::shared_ptr<const Module>> make(std::vector<PipelineStep> steps);
  const Signature& signature() const override { return signature_; }
  Value forward(Call& call, const Value& inputs) const override;
  std::vector<Predictor> predictors() const override;
  std::vector<Retrieve> retrieve_steps() const override;
  std::vector<Param> params() const override;
  Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const override;
  Value to_json(const std::filesystem::path& folder) const override;

 private:
  using Step = std::variant<Predictor, Retrieve>;

  Pipeline(Signature signature, std::vector<Step> steps)
      : signature_(std::move(signature)), steps_(std::move(steps)) {}
  Signature signature_;
  std::vector<Step> steps_;
};

}  // namespace hone
