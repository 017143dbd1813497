// An optimizer of your own: swap one demo at a time and keep what scores better. The search gives
// it budget, cache, racing, an estimate, a study log with resuming and pictures, and progress; it
// only says what to try next.
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <stop_token>
#include <string>

#include "hone/eval/metric.hpp"
#include "hone/optimize/estimate.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/store/study.hpp"
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

  const hone::Task task{train, val, hone::exact_match("size")};
  const std::string log =
      std::filesystem::temp_directory_path() / ("own-" + std::to_string(::getpid()) + ".db");

  hone::SearchOptions options;
  options.budget.lm_calls = 100;
  const hone::Estimate expected = hone::estimate(program, task, lm, DemoSwap(), options).value();
  std::printf("expected: %lld calls\n", static_cast<long long>(expected.lm_calls));

  // Stopped after five trials, and gone on with: as if it had been killed.
  std::stop_source stop;
  const auto run = [&](bool is_interrupted) {
    const auto study_log = hone::open_study_log(log).value();
    options.log = study_log.get();
    options.stop = is_interrupted ? stop.get_token() : std::stop_token();
    options.observer = [&](const hone::Event& event) {
      const auto* trial = std::get_if<hone::TrialFinished>(&event);
      if (trial && trial->number == 5) stop.request_stop();
    };
    return hone::optimize(program, task, lm, DemoSwap(), options).value();
  };
  const hone::Optimized part = run(true);
  const std::size_t asked = lm.calls();
  const hone::Optimized done = run(false);
  std::printf("%.2f -> %.2f after %zu trials, the first %zu from the log: %lld calls, %zu anew\n",
              done.baseline.mean, done.best.mean, done.trials.size(), part.trials.size(),
              static_cast<long long>(done.usage.lm_calls), lm.calls() - asked);
  const bool resumed =
      static_cast<long long>(lm.calls() - asked) < static_cast<long long>(done.usage.lm_calls);
  // `hone study show` draws the same file.
  const std::size_t kept =
      hone::read_study(*hone::read_study_log(log).value()).value().trials.size();
  for (const char* end : {"", "-wal", "-shm"}) std::filesystem::remove(log + end);
  return done.best.mean > done.baseline.mean && resumed && kept == done.trials.size() ? 0 : 1;
}
