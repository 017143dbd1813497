#include "hone/optimize/space.hpp"

#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "hone/optimize/optimize.hpp"
#include "hone/testing/planted_task.hpp"
#include "hone/testing/scripted_lm.hpp"

namespace hone {
namespace {

using testing::planted_task;

Program two_structures() {
  const Signature signature = Signature::parse("text -> label: enum(good, bad)").value();
  return Program::alternatives("answer", {{"direct", Program::predict(signature)},
                                          {"cot", Program::chain_of_thought(signature)}})
      .value();
}

std::set<std::string> paths_of(const Space& space) {
  std::set<std::string> paths;
  for (const Param& param : space.params()) paths.insert(param.path);
  return paths;
}

std::vector<std::string> globs(std::vector<std::string> texts) {
  return texts;
}

TEST(Space, ListsAlternativesWithTheirConditions) {
  const Space space = Space::of(two_structures());
  const Param* choice = space.find("answer.choice");
  ASSERT_TRUE(choice);
  EXPECT_EQ(domain_text(choice->domain), "one of direct, cot");
  const Param* inner = space.find("answer.cot.predict.demos");
  ASSERT_TRUE(inner && inner->condition);
  EXPECT_EQ(inner->condition, (Condition{"answer.choice", "cot"}));
  EXPECT_FALSE(space.is_active(*inner, Candidate()));
  EXPECT_TRUE(space.is_active(*inner, Candidate().with("answer.choice", "cot")));
  EXPECT_NE(space.describe().find("only while answer.choice = cot"), std::string::npos);
}

TEST(Space, LeavingTheStructureOutSettlesWhatDependsOnIt) {
  const Space frozen = Space::of(two_structures()).freeze(globs({"answer.choice"})).value();
  EXPECT_FALSE(frozen.find("answer.cot.predict.demos"));
  ASSERT_TRUE(frozen.find("answer.direct.predict.demos"));
  EXPECT_FALSE(frozen.find("answer.direct.predict.demos")->condition);
  const Space kept = Space::of(two_structures()).keep(globs({"*.demos"})).value();
  EXPECT_EQ(paths_of(kept), (std::set<std::string>{"answer.direct.predict.demos"}));
  const Result<Space> none = Space::of(two_structures()).keep(globs({"*.cot.*"}));
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().message.find("answer.choice"), std::string::npos) << none.error().text();
}

TEST(Space, NestedAlternativesHangOnEachOther) {
  const Signature signature = Signature::parse("text -> label: enum(good, bad)").value();
  const Program outer = Program::alternatives("outer", {{"plain", Program::predict(signature)},
                                                        {"either", two_structures()}})
                            .value();
  const Space space = Space::of(outer);
  const Param* inner = space.find("outer.either.answer.direct.predict.format");
  ASSERT_TRUE(inner);
  EXPECT_FALSE(space.is_active(*inner, Candidate()));
  EXPECT_TRUE(space.is_active(*inner, Candidate().with("outer.choice", "either")));
  const Space kept = space.keep(globs({"outer.choice", "*.format"})).value();
  const Param* settled = kept.find("outer.either.answer.direct.predict.format");
  ASSERT_TRUE(settled && settled->condition);
  EXPECT_EQ(settled->condition, (Condition{"outer.choice", "either"}));
  EXPECT_FALSE(kept.find("outer.either.answer.cot.predict.format"));
}

TEST(Space, KnowsWhatItIsAskedFor) {
  const Space whole = Space::of(two_structures());
  EXPECT_TRUE(whole.is_asked(*whole.find("answer.choice"))) << "structure always is";
  EXPECT_FALSE(whole.is_asked(*whole.find("answer.direct.predict.format")));
  const Space narrowed = whole.narrow("*.format", {"json", "xml"}).value();
  EXPECT_TRUE(narrowed.is_asked(*narrowed.find("answer.direct.predict.format")));
  EXPECT_EQ(domain_text(narrowed.find("answer.direct.predict.format")->domain), "one of json, xml");
  EXPECT_FALSE(whole.narrow("*.format", {"yaml"}));
  EXPECT_FALSE(whole.narrow("*.format", {}));
  const Space kept = narrowed.keep(globs({"*.format"})).value();
  EXPECT_EQ(kept.wishes().size(), 2U);
}

TEST(Space, ModelsBecomeAChoiceOnceTheirNamesAreKnown) {
  const Space space = Space::of(Program::predict(Signature::parse("a -> b").value()));
  EXPECT_EQ(domain_text(space.find("predict.model")->domain), "model");
  const Space named = space.with_models(globs({"large", "small"}));
  EXPECT_EQ(domain_text(named.find("predict.model")->domain), "one of \"\", large, small");
}

TEST(Space, GoesToJsonWithEverythingKnownOfAParameter) {
  const Space space = Space::of(two_structures());
  const Value json = space.to_json();
  ASSERT_EQ(json.size(), space.params().size());
  EXPECT_EQ(json.as_list()[0].to_json(),
            R"({"path": "answer.choice", "domain": "choice", "choices": ["direct", "cot"], )"
            R"("initial": "direct"})");
  bool found = false;
  for (const Value& param : json.as_list()) {
    if (param.get("path") != Value("answer.cot.predict.lm.temperature")) continue;
    found = true;
    EXPECT_EQ(param.to_json(),
              R"({"path": "answer.cot.predict.lm.temperature", "domain": "float", "low": 0.0, )"
              R"("high": 1.5, "initial": 0.0, "condition": {"path": "answer.choice", )"
              R"("equals": "cot"}})");
  }
  EXPECT_TRUE(found);
}

// One kind of parameter, and the optimizers that search it.
struct Ability {
  std::string glob;
  std::set<std::string> optimizers;
};

TEST(Optimizers, SayWhatTheyCannotSearchBeforeSpendingAnything) {
  const std::set<std::string> settings = {"bootstrap_tpe", "mipro"};
  const std::vector<Ability> abilities = {
      {"*.lm.temperature", settings},
      {"*.format", settings},
      {"*.parse_retries", settings},
      {"*.lm.logit_bias", {}},
      {"*.model", {}},
      {"*.instructions", {"infer_rules", "copro", "mipro", "simba", "gepa"}},
      {"*.demos",
       {"labeled_few_shot", "bootstrap_few_shot", "bootstrap_random_search", "bootstrap_tpe",
        "knn_few_shot", "ensemble", "mipro", "simba"}}};
  for (const Ability& ability : abilities) {
    for (const OptimizerInfo& info : optimizers()) {
      const ScriptedLm lm(planted_task().script);
      SearchOptions options;
      options.budget.lm_calls = 40;
      options.space = Space::of(planted_task().student).keep(globs({ability.glob})).value();
      const Result<Optimized> done = optimize(planted_task().student, planted_task().task, lm,
                                              *make_optimizer(info.name).value(), options);
      const std::string what = info.name + " on " + ability.glob;
      EXPECT_EQ(static_cast<bool>(done), ability.optimizers.contains(info.name)) << what;
      if (done) continue;
      EXPECT_EQ(done.error().kind, ErrorKind::bad_request) << what;
      EXPECT_EQ(lm.calls(), 0U) << what;
      // infer_rules takes demos along, but not without instructions to add its rules to.
      if (done.error().message.find("needs") != std::string::npos) continue;
      for (const std::string& able : ability.optimizers)
        EXPECT_NE(done.error().message.find(able), std::string::npos) << done.error().text();
    }
  }
}

TEST(Optimizers, TakeAGlobThatMatchesSomethingTheySearch) {
  const Space whole = Space::of(planted_task().student);
  const auto random_search = make_optimizer("bootstrap_random_search").value();
  EXPECT_TRUE(check_space(*random_search, whole));
  EXPECT_TRUE(check_space(*random_search, whole.keep(globs({"predict.*"})).value()));
  EXPECT_TRUE(check_space(*random_search, whole.keep(globs({"*.demos", "*.calibration"})).value()));
  EXPECT_FALSE(check_space(*random_search, whole.keep(globs({"*.demos", "*.lm.*"})).value()));
  EXPECT_FALSE(check_space(*random_search, whole.narrow("*.format", {"json"}).value()));
  EXPECT_FALSE(check_space(*random_search, whole.freeze(globs({"*.demos"})).value()));
}

}  // namespace
}  // namespace hone
