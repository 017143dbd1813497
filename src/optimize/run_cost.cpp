#include "optimize/run_cost.hpp"

#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "optimize/prompt_bytes.hpp"
#include "optimize/stand_in_lm.hpp"

namespace hone {
namespace {

// Answers like the stand-in, and adds up what the real model would take.
class PricedLm final : public Lm {
 public:
  PricedLm(const LmInfo& real, const Budget& budget, const Meter& meter)
      : info_(real),
        price_(budget.price_of(real.identity)),
        meter_(&meter),
        stand_in_(real, Observations(), none_, 1) {}

  const LmInfo& info() const override { return stand_in_.info(); }
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override {
    {
      const std::lock_guard lock(mutex_);
      for (const LmRequest& request : requests) {
        if (!meter_->is_known(request_key(info_, request)))
          spend_ += meter_->expected(prompt_bytes(request.prompt), price_);
      }
    }
    return stand_in_.complete(requests, std::move(stop));
  }
  Spend spend() const {
    const std::lock_guard lock(mutex_);
    return spend_;
  }

 private:
  LmInfo info_;
  Price price_;
  const Meter* meter_;
  KnownReplies none_;
  StandInLm stand_in_;
  mutable std::mutex mutex_;
  mutable Spend spend_;
};

}  // namespace

Spend run_cost(const RolloutTask& task, const Lm& lm, const SearchOptions& options,
               const Meter& meter) {
  const PricedLm own(lm.info(), options.budget, meter);
  std::map<std::string, std::unique_ptr<PricedLm>> named;
  CallOptions call_options;
  call_options.sample = task.sample;
  call_options.temperature = task.temperature;
  call_options.embedder = options.embedder;
  call_options.stop = options.stop;
  for (const auto& [name, model] : options.models) {
    const auto& made = named[name] =
        std::make_unique<PricedLm>(model->info(), options.budget, meter);
    call_options.models.emplace(name, made.get());
  }
  Call call(own, std::move(call_options));
  (void)task.program->run(call, task.example->inputs(task.program->signature()));
  Spend spend = own.spend();
  for (const auto& [name, model] : named) spend += model->spend();
  return spend;
}

Spend spend_of(const TraceStep& step, const Prices& prices) {
  const std::int64_t generated = step.usage.generated_tokens + step.usage.cached_generated_tokens;
  return {.calls = static_cast<double>(step.usage.lm_calls),
          .tokens = static_cast<double>(step.usage.prompt_tokens + generated),
          .money = prices.of_model(step.model).of(step.usage.prompt_tokens, generated)};
}

Spend metric_spend(const Rollout& run, const Program& program, const Prices& prices) {
  std::set<std::string> own;
  for (const Predictor& predictor : program.predictors()) own.insert(predictor.path());
  Spend spend;
  for (const TraceStep& step : run.trace.steps) {
    if (!own.contains(step.path)) spend += spend_of(step, prices);
  }
  return spend;
}

}  // namespace hone
