#include <array>

#include "hone/base/text.hpp"

#include "optimize/optimizers/optimizers.hpp"

namespace hone {
namespace {

struct Entry {
  const char* name;
  const char* summary;
  const char* suits;
  std::unique_ptr<Optimizer> (*make)(OptionReader&);
};

// Written out, not self-registered: what is here can be read in one place and survives static
// linking.
constexpr std::array kEntries = {
    Entry{"labeled_few_shot", "puts labelled examples into the prompt as they are",
          "a quick start: any model, from a handful of examples, almost no LM calls",
          &make_labeled_few_shot},
    Entry{"bootstrap_few_shot", "shows the model its own (or a teacher's) successful runs as demos",
          "about 10 examples and more; steps whose labels the data does not hold",
          &make_bootstrap_few_shot},
    Entry{"bootstrap_random_search",
          "tries many bootstrapped demo sets and keeps the best on validation",
          "about 50 examples and more; the strongest simple choice for small models",
          &make_bootstrap_random_search},
    Entry{"bootstrap_tpe", "chooses demo sets, and settings if asked, by TPE",
          "about 50 examples and more; programs of several steps, whose demo sets combine",
          &make_bootstrap_tpe},
    Entry{"knn_few_shot", "shows each input the train examples most similar to it",
          "100 examples and more with varied inputs or many labels; needs no LM calls to learn",
          &make_knn_few_shot},
    Entry{"ensemble", "lets the best programs of another optimizer vote",
          "where a point of score is worth several times the calls at run time", &make_ensemble},
    Entry{"infer_rules", "adds rules the model finds in examples to the instruction",
          "about 20 examples and more of a task with rules one can say; a capable proposer",
          &make_infer_rules},
    Entry{"copro", "rewrites instructions round by round from scored attempts",
          "tasks that demos do not help; about 50 validation examples, a capable proposer",
          &make_copro},
    Entry{"mipro", "chooses instructions and demo sets together, proposals grounded in the data",
          "50 to 300 examples and more; a proposer that writes well", &make_mipro},
    Entry{"simba", "learns demos and rules from examples the program is unsure of",
          "about 100 examples and more; models that answer differently when sampled", &make_simba},
    Entry{"gepa", "rewrites instructions by reflection on runs and the metric's feedback",
          "metrics that say what was wrong; a capable proposer; few examples suffice", &make_gepa},
};

// An optimizer that knows the options it was made with.
class Configured final : public Optimizer {
 public:
  Configured(std::unique_ptr<Optimizer> inner, std::string settings)
      : inner_(std::move(inner)), settings_(std::move(settings)) {}

  std::string_view name() const override { return inner_->name(); }
  Result<void> run(Search& search) const override { return inner_->run(search); }
  bool handles(const Param& param) const override { return inner_->handles(param); }
  std::string_view needs() const override { return inner_->needs(); }
  Result<void> check(const SearchSetting& setting) const override { return inner_->check(setting); }
  std::string settings() const override { return settings_; }

 private:
  std::unique_ptr<Optimizer> inner_;
  std::string settings_;
};

}  // namespace

std::vector<std::string> optimizer_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  return names;
}

std::vector<OptimizerInfo> optimizers() {
  std::vector<OptimizerInfo> out;
  for (const Entry& entry : kEntries) {
    OptionReader reader(entry.name, Value());
    entry.make(reader);
    out.push_back({entry.name, entry.summary, entry.suits, reader.descriptions()});
  }
  return out;
}

Result<std::unique_ptr<Optimizer>> make_optimizer(std::string_view name, const Value& options) {
  for (const Entry& entry : kEntries) {
    if (name != entry.name) continue;
    OptionReader reader(entry.name, options);
    std::unique_ptr<Optimizer> optimizer = entry.make(reader);
    if (Result<void> fits = reader.finish(); !fits) return fits.error();
    if (options.size() == 0) return optimizer;
    return std::make_unique<Configured>(std::move(optimizer), options.to_json());
  }
  const std::vector<std::string> known = optimizer_names();
  return bad_request("optimizer", "there is no '" + std::string(name) + "'" +
                                      did_you_mean(name, known) + " (there: " + join(known, ", ") +
                                      ")");
}

}  // namespace hone
