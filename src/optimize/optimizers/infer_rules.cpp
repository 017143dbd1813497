#include <algorithm>
#include <set>

#include "hone/base/text.hpp"

#include "optimize/bad_cases.hpp"
#include "optimize/demo_pool.hpp"
#include "optimize/domains.hpp"
#include "optimize/optimizers/optimizers.hpp"
#include "optimize/proposers/proposer.hpp"

namespace hone {
namespace {

constexpr std::size_t kRuleLimit = 200;  // bytes

// InferRules of DSPy: bootstrapped demos, and rules the model induces from examples, appended to
// the instruction. Here each candidate sees another draw of the examples, all are induced at once,
// and each is its own program: no candidate touches another's.
class InferRules final : public Optimizer {
 public:
  explicit InferRules(OptionReader& options)
      : bootstrap_(read_bootstrap_options(options)),
        candidates_(options.get("candidates", std::size_t{10}, "rule sets tried", kAtLeastOne)),
        rules_(options.get("rules", std::size_t{8}, "rules in a set, at most", kAtLeastOne)),
        shown_(options.get("shown", std::size_t{12}, "examples a rule set is induced from",
                           kAtLeastOne)),
        temperature_(options.get("temperature", 1.0, "of the model that induces", kTemperature)),
        with_demos_(options.get("demos", true, "bootstrap demos too, where they may change")) {}

  std::string_view name() const override { return "infer_rules"; }
  bool handles(const Param& param) const override {
    return is_text(param) || (with_demos_ && is_demos(param));
  }
  std::string_view needs() const override { return "*.instructions"; }

  Result<void> run(Search& search) const override {
    const Result<std::vector<std::string>> paths = tunable_instruction_paths(search);
    if (!paths) return paths.error();
    Candidate base;
    const Result<std::vector<std::string>> demo_paths = tunable_demo_paths(search);
    if (with_demos_ && demo_paths) {
      search.phase("bootstrap");
      Rng rng = search.rng("infer_rules");
      const BootstrapOptions options =
          keep_measurement(search, bootstrap_, static_cast<double>(candidates_ * paths->size()));
      const DemoSets sets =
          keep_tunable(bootstrap(search, search.train(), options, rng), *demo_paths);
      base = with_demos(base, fit_context(sets, search.model()));
    }
    search.phase("rules");
    std::vector<Question> questions;
    for (std::size_t c = 0; c < candidates_; ++c) {
      Rng rng = search.rng("infer_rules examples " + std::to_string(c));
      std::vector<std::string> shown;
      for (const std::size_t i : rng.sample(search.train().size(), shown_))
        shown.push_back(fields_text(search.train()[i].fields()));
      for (const std::string& path : *paths) questions.push_back(question(search, path, shown));
    }
    Asking asking;
    asking.temperature = temperature_;
    const std::vector<std::optional<Value>> answers = ask(search, questions, asking);

    std::vector<Proposal> proposals;
    proposals.push_back({base, "no rules"});
    for (std::size_t c = 0; c < candidates_; ++c) {
      Candidate candidate = base;
      bool any = false;
      for (std::size_t p = 0; p < paths->size(); ++p) {
        const std::string text = rules_text(answers[c * paths->size() + p]);
        if (text.empty()) continue;
        any = true;
        const std::string& path = (*paths)[p];
        candidate = candidate.with(path + ".instructions",
                                   instruction_of(search, base, path) + "\n\nRules:\n" + text);
      }
      if (any) proposals.push_back({std::move(candidate), "rules " + std::to_string(c + 1)});
    }
    search.phase("trials");
    const Result<std::vector<Trial>> trials = search.evaluate(proposals);
    if (!trials) return trials.error();
    return {};
  }

 private:
  Question question(const Search& search, const std::string& path,
                    const std::vector<std::string>& shown) const {
    Question question;
    question.instructions =
        "Find the rules by which the examples are answered. Each rule is one short, general "
        "sentence that helps to answer new cases; do not repeat the examples.";
    question.parts = {
        {"current_instruction", "the instruction the rules will be added to",
         instruction_of(search, Candidate(), path)},
        {"examples", "examples of the task, done right", numbered(shown, 2 * kPartLimit)}};
    question.output = "rules";
    Limits few;
    few.min_length = 1;
    few.max_length = std::max<std::size_t>(1, rules_);
    question.type = Type::list(bounded_text(kRuleLimit, "a rule"))
                        .with_limits(few)
                        .with_description("the rules found");
    return question;
  }

  static std::string rules_text(const std::optional<Value>& answer) {
    if (!answer || !answer->is_list()) return {};
    std::set<std::string> seen;
    std::vector<std::string> lines;
    for (const Value& rule : answer->as_list()) {
      const std::string text(trim(rule.text()));
      if (!text.empty() && seen.insert(text).second) lines.push_back("- " + text);
    }
    return join(lines, "\n");
  }

  BootstrapOptions bootstrap_;
  std::size_t candidates_;
  std::size_t rules_;
  std::size_t shown_;
  double temperature_;
  bool with_demos_;
};

}  // namespace

std::unique_ptr<Optimizer> make_infer_rules(OptionReader& options) {
  return std::make_unique<InferRules>(options);
}

}  // namespace hone
