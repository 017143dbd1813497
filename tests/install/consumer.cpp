// What a user's own project does with an installed hone: a typed program, a search, the local
// engine's header, and the kit that checks a sampler of one's own.
#include <cstdio>
#include <string>
#include <vector>

#include "hone/lm/local.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/optimize/samplers/tpe.hpp"
#include "hone/testing/planted_task.hpp"
#include "hone/testing/sampler_conformance.hpp"
#include "hone/typed/to_program.hpp"

struct Ask {
  struct In {
    std::string question;
  };
  struct Out {
    std::string answer;
  };
};

struct Asker {
  hone::Predict<Ask> ask;
  Ask::Out operator()(hone::Call& call, const Ask::In& in) const { return ask(call, in); }
};

int main() {
  const std::vector<std::string> broken = hone::testing::check_sampler(
      [](const hone::Space& space, std::uint64_t seed) {
        return hone::make_tpe_sampler(space, seed);
      },
      {.is_random = true, .learns = true, .ends = true});
  for (const std::string& what : broken) std::printf("%s\n", what.c_str());

  const hone::testing::PlantedTask planted = hone::testing::planted_task();
  const hone::ScriptedLm lm(planted.script);
  const auto optimizer = hone::make_optimizer("labeled_few_shot").value();
  const hone::Optimized done =
      hone::optimize(planted.student, planted.task, lm, *optimizer).value();

  const bool typed = hone::to_program(Asker{}).predictors().size() == 1;
  const bool refused = !hone::LocalLm::open({.model = "no-such-model.gguf"});
  return broken.empty() && done.best.mean > done.baseline.mean && typed && refused ? 0 : 1;
}
