// An optimizer of your own: swap one demo at a time and keep what scores better. The search gives
// it budget, cache, racing, resuming and progress; it only says what to try next.
#include <cstdio>
#include <string>

#include "hone/eval/metric.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/testing/scripted_lm.hpp"

// begin: the optimizer
class DemoSwap final : public hone::Optimizer {
 public:
  std::string_view name() const override { return "demo_swap"; }

  hone::Result<void> run(hone::Search& search) const override {
    hone::Rng rng = search.rng("demo_swap");
    hone::Value::List demos;
    for (int step = 0; step < 20 && !search.done(); ++step) {
      hone::Value::List next = demos;
      const hone::Value& fresh = search.train()[rng.below(search.train().size())].fields();
      if (next.size() < 4) {
        next.push_back(fresh);
      } else {
        next[rng.below(next.size())] = fresh;
      }
      const auto candidate = hone::Candidate().with("predict.demos", hone::Value(next));
      const hone::Result<hone::Trial> trial =
          search.evaluate(candidate, "swap " + std::to_string(step));
      if (!trial) return trial.error();
      if (trial->complete && search.best()->number == trial->number) demos = next;
    }
    return {};
  }
};
// end

int main() {
  const auto signature = hone::Signature::parse("word -> size: enum(short, long)").value();
  hone::Examples train;
  hone::Examples val;
  for (const char* word : {"ox", "elephant", "ant", "crocodile", "bee", "hippopotamus"}) {
    const bool is_long = std::string(word).size() > 5;
    train.emplace_back(hone::Value::object({{"word", word}, {"size", is_long ? "long" : "short"}}));
  }
  for (const char* word : {"cat", "rhinoceros", "dog", "salamander", "emu", "grasshopper"}) {
    const bool is_long = std::string(word).size() > 5;
    val.emplace_back(hone::Value::object({{"word", word}, {"size", is_long ? "long" : "short"}}));
  }
  // Stands in for a model, so that the example runs anywhere: it knows long words only after seeing
  // one.
  hone::Script script;
  script.score = [](const hone::LmRequest& request, const hone::LabelSlot&) {
    const std::string prompt = request.prompt.dump();
    const std::string word = prompt.substr(prompt.rfind("Word: ") + 6);
    const bool knows = prompt.find("Size: long") != std::string::npos;
    return knows && word.size() > 8 ? std::vector<double>{-3.0, -0.1}
                                    : std::vector<double>{-0.1, -3.0};
  };
  const hone::ScriptedLm lm{std::move(script)};
  const auto program = hone::Program::predict(signature, {.format = hone::Format::completion});

  hone::SearchOptions options;
  options.budget.lm_calls = 200;
  const hone::Optimized done =
      hone::optimize(program, {train, val, hone::exact_match("size")}, lm, DemoSwap(), options)
          .value();
  std::printf("%.2f -> %.2f after %zu trials and %lld calls\n", done.baseline.mean, done.best.mean,
              done.trials.size(), static_cast<long long>(done.usage.lm_calls));
  return done.best.mean > done.baseline.mean ? 0 : 1;
}
