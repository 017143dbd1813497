// Optima that lie outside prompts: in a setting, a model, or the structure of the program.
#include <gtest/gtest.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "hone/optimize/optimize.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "optimize/planted.hpp"

namespace hone {
namespace {

using testing::parity_examples;
using testing::parity_program;
using testing::parity_signature;

long number_in(const LmRequest& request) {
  const std::string text = request.prompt.dump();
  std::size_t end = text.size();
  while (end > 0 && (text[end - 1] < '0' || text[end - 1] > '9')) --end;
  std::size_t begin = end;
  while (begin > 0 && text[begin - 1] >= '0' && text[begin - 1] <= '9') --begin;
  return std::stol(text.substr(begin, end - begin));
}

// Knows the answer where `is_able`, and says "even" else.
ScriptedLm able_where(std::function<bool(const LmRequest&)> is_able,
                      std::string identity = "scripted") {
  Script script;
  script.score = [is_able](const LmRequest& request, const LabelSlot&) {
    const bool even = !is_able(request) || number_in(request) % 2 == 0;
    return even ? std::vector<double>{-0.1, -3.0} : std::vector<double>{-3.0, -0.1};
  };
  script.value = [](const LmRequest&, const TextSlot&) { return std::string("so"); };
  return ScriptedLm(std::move(script), std::move(identity));
}

Task task() {
  return {parity_examples(0, 12), parity_examples(1000, 20), exact_match("parity")};
}

class SearchesSettings : public ::testing::TestWithParam<std::string> {
 protected:
  static Optimized run(const Program& student, const Lm& lm, SearchOptions options) {
    const Value settings = GetParam() == "mipro" ? Value::object({{"trials", 24}}) : Value();
    return optimize(student, task(), lm, *make_optimizer(GetParam(), settings).value(), options)
        .value();
  }
};

TEST_P(SearchesSettings, FindsTheFormat) {
  const ScriptedLm lm = able_where([](const LmRequest& request) {
    return request.prompt.dump().find("<parity>") != std::string::npos;
  });
  SearchOptions options;
  const std::vector<std::string> globs = {"*.format"};
  options.space = Space::of(parity_program()).keep(globs).value();
  const Optimized done = run(parity_program(), lm, options);
  EXPECT_EQ(done.baseline.mean, 0.5);
  EXPECT_EQ(done.best.mean, 1.0);
  EXPECT_EQ(done.program.predictors()[0].options().format, Format::xml);
}

TEST_P(SearchesSettings, FindsTheModel) {
  const ScriptedLm weak = able_where([](const LmRequest&) { return false; }, "weak");
  const ScriptedLm strong = able_where([](const LmRequest&) { return true; }, "strong");
  SearchOptions options;
  options.models = {{"other", &weak}, {"strong", &strong}};
  const std::vector<std::string> globs = {"*.model"};
  options.space = Space::of(parity_program()).keep(globs).value();
  const Optimized done = run(parity_program(), weak, options);
  EXPECT_EQ(done.best.mean, 1.0);
  EXPECT_EQ(done.program.predictors()[0].options().model, "strong");
}

TEST_P(SearchesSettings, FindsTheStructureWithoutBeingAsked) {
  // Right only where a step before it has reasoned.
  const ScriptedLm lm = able_where([](const LmRequest& request) {
    return request.prompt.dump().find("Hint: so") != std::string::npos;
  });
  PredictorOptions plain;
  plain.format = Format::completion;
  const Signature hint = Signature::parse("number: int -> hint").value();
  const Signature last = Signature::parse("hint, number: int -> parity: enum(even, odd)").value();
  const Program student =
      Program::alternatives("say",
                            {{"predict", Program::predict(parity_signature(), plain)},
                             {"cot", Program::chain_of_thought(parity_signature(), plain)},
                             {"two_step", Program::pipeline({{"think", Predictor(hint, plain)},
                                                             {"answer", Predictor(last, plain)}})
                                              .value()}})
          .value();
  const Optimized done = run(student, lm, {});
  EXPECT_EQ(done.baseline.mean, 0.5);
  EXPECT_EQ(done.best.mean, 1.0);
  EXPECT_EQ(*done.program.candidate().find("say.choice"), Value("two_step"));
}

TEST_P(SearchesSettings, FindsHowManyPassages) {
  // Right only where the passages hold the answer, which is the fourth nearest, and no noise, which
  // comes after it.
  std::vector<std::string> passages;
  for (int repeats = 3; repeats > 0; --repeats) {
    std::string passage = "number";
    for (int i = 0; i < repeats; ++i) passage += " parity";
    passages.push_back(passage);
  }
  passages.emplace_back("the answer follows from parity and the last digit of what is asked");
  for (int i = 0; i < 6; ++i) passages.emplace_back("noise");
  const ScriptedLm lm = able_where([](const LmRequest& request) {
    const std::string prompt = request.prompt.dump();
    return prompt.find("the answer follows") != std::string::npos &&
           prompt.find("noise") == std::string::npos;
  });
  PredictorOptions plain;
  plain.format = Format::completion;
  const Signature query = Signature::parse("topic -> hints: list[str]").value();
  const Signature answer =
      Signature::parse("hints: list[str], number: int -> parity: enum(even, odd)").value();
  const Retrieve search = Retrieve::make(query, Corpus::of(passages).value(), {.k = 1}).value();
  const Program student =
      Program::pipeline({{"search", search}, {"answer", Predictor(answer, plain)}}).value();
  Task about = task();
  for (Examples* examples : {&about.train, &about.val}) {
    for (Example& example : *examples)
      example = Example(example.fields().with("topic", "number parity"));
  }
  SearchOptions options;
  const std::vector<std::string> globs = {"search.k"};
  options.space = Space::of(student).keep(globs).value();
  const Value settings = GetParam() == "mipro" ? Value::object({{"trials", 24}}) : Value();
  const Optimized done =
      optimize(student, about, lm, *make_optimizer(GetParam(), settings).value(), options).value();
  EXPECT_EQ(done.baseline.mean, 0.5);
  EXPECT_EQ(done.best.mean, 1.0);
  EXPECT_EQ(*done.program.candidate().find("search.k"), Value(4));
  EXPECT_TRUE(done.best.likelihood) << "what looks passages up is no second answer";
}

TEST_P(SearchesSettings, LeavesSettingsAloneThatNobodyAskedFor) {
  const ScriptedLm lm = able_where([](const LmRequest&) { return true; });
  const Optimized done = run(parity_program(), lm, {});
  for (const Trial& trial : done.trials) {
    for (const auto& [path, value] : trial.candidate.values()) {
      EXPECT_EQ(path.find(".lm."), std::string::npos) << path;
      EXPECT_EQ(path.find(".format"), std::string::npos) << path;
    }
  }
}

TEST(Calibrations, ContentFreeIsTriedWhereTheSpaceAsksForIt) {
  // Leans to "even" by more than the evidence weighs, and says so where there is no number.
  Script script;
  script.score = [](const LmRequest& request, const LabelSlot&) {
    const long number = number_in(request);
    const double evidence = number == 0 ? 0 : (number % 2 == 0 ? 0.5 : -0.5);
    return std::vector<double>{-1.0 + evidence, -5.0 - evidence};
  };
  const ScriptedLm lm(std::move(script));
  const auto calibration_of = [&](const Space& space) {
    SearchOptions options;
    options.space = space;
    const auto search = Search::make(parity_program(), task(), lm, options).value();
    const Trial trial = search->evaluate(Candidate(), "as it is").value();
    EXPECT_DOUBLE_EQ(trial.mean, 1.0);
    return trial.candidate.find("predict.calibration")->text();
  };
  const Space whole = Space::of(parity_program());
  EXPECT_EQ(calibration_of(whole), "batch");
  EXPECT_EQ(lm.calls(), 20U) << "it costs calls";
  const std::vector<Value> narrowed = {Value("none"), Value("content_free")};
  EXPECT_EQ(calibration_of(whole.narrow("*.calibration", narrowed).value()), "content_free");
  EXPECT_EQ(lm.calls(), 41U) << "one without content: a number's is always 0";
}

INSTANTIATE_TEST_SUITE_P(Optimizers, SearchesSettings, ::testing::Values("bootstrap_tpe", "mipro"),
                         [](const auto& each) { return each.param; });

}  // namespace
}  // namespace hone
