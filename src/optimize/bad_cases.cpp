#include "optimize/bad_cases.hpp"

#include "optimize/proposers/proposer.hpp"

namespace hone {

Result<std::vector<std::string>> tunable_instruction_paths(const Search& search,
                                                           Structure structure) {
  std::vector<std::string> paths;
  for (const Predictor& predictor : structure == Structure::any
                                        ? search.student().predictors()
                                        : predictors_in_use(search.student())) {
    if (search.space().find(predictor.path() + ".instructions")) paths.push_back(predictor.path());
  }
  if (paths.empty()) {
    return bad_request(
        "search space",
        "has no instructions to choose; this optimizer needs a parameter '*.instructions'");
  }
  return paths;
}

std::string find_bad_cases(Search& search, const Candidate& candidate, std::size_t looked_at,
                           std::size_t count, std::string_view purpose) {
  if (count == 0 || looked_at == 0 || search.done()) return {};
  const Result<Program> program = search.student().with(candidate);
  if (!program) return {};
  Rng rng = search.rng("bad cases " + std::string(purpose));
  Examples examples;
  for (const std::size_t i : rng.sample(search.train().size(), looked_at))
    examples.push_back(search.train()[i]);
  const std::vector<Rollout> rollouts = search.run(*program, examples);
  return bad_cases_text(examples, rollouts, search.student().signature(), count);
}

std::string instruction_of(const Search& search, const Candidate& candidate,
                           const std::string& path) {
  if (const Value* chosen = candidate.find(path + ".instructions")) return chosen->text();
  for (const Predictor& predictor : search.student().predictors()) {
    if (predictor.path() == path) return predictor.signature().instructions();
  }
  return {};
}

}  // namespace hone
