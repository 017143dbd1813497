#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "hone/optimize/optimize.hpp"
#include "hone/testing/planted_task.hpp"
#include "hone/testing/scripted_lm.hpp"

#include "optimize/planted_pipeline.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;
using testing::planted_task;
using testing::PlantedTask;

// A number's point is its last digit's place on a circle: near is what ends alike.
class LastDigits final : public Embedder {
 public:
  const std::string& identity() const override { return identity_; }
  Result<std::vector<Embedding>> embed(std::span<const std::string> texts,
                                       std::stop_token) const override {
    std::vector<Embedding> points;
    for (const std::string& text : texts) {
      Embedding point(10, 0.1F);
      point[static_cast<std::size_t>(text.back() - '0')] = 1;
      if (Result<void> sound = normalize(point, text, identity_); !sound) return sound.error();
      points.push_back(std::move(point));
    }
    return points;
  }

 private:
  std::string identity_ = "last digits";
};

Result<Optimized> optimized(const Embedder* embedder, const std::string& by) {
  const PlantedTask planted = planted_task();
  const ScriptedLm lm(planted.script);
  SearchOptions options;
  options.embedder = embedder;
  const auto optimizer = make_optimizer("knn_few_shot", Value::object({{"by", by}})).value();
  return optimize(planted.student, planted.task, lm, *optimizer, options);
}

TEST(KnnFewShot, FindsNeighboursByEmbedding) {
  const LastDigits embedder;
  const Optimized done = optimized(&embedder, "embedding").value();
  EXPECT_GT(done.best.mean, done.baseline.mean);
  EXPECT_EQ(done.program.embedder(), "last digits");
  EXPECT_EQ(optimized(&embedder, "bm25").value().program.embedder(), "");
}

TEST(KnnFewShot, TheTeacherLeavesEnoughToMeasureOneCount) {
  // The data has no sizes: what the first step should say takes the teacher, at two calls a run.
  const PlantedTask planted = testing::planted_pipeline();
  const ScriptedLm lm(planted.script);
  SearchOptions options;
  options.budget.lm_calls = 130;
  const Optimized done =
      optimize(planted.student, planted.task, lm, *make_optimizer("knn_few_shot").value(), options)
          .value();
  EXPECT_TRUE(std::ranges::any_of(done.trials, [](const Trial& trial) {
    return trial.complete && trial.origin.starts_with("nearest");
  }));
}

TEST(KnnFewShot, SaysWhatIsMissing) {
  const auto without = optimized(nullptr, "embedding");
  ASSERT_FALSE(without);
  EXPECT_THAT(without.error().text(), HasSubstr("embedder"));
  const auto odd = make_optimizer("knn_few_shot", Value::object({{"by", "embeding"}}));
  ASSERT_FALSE(odd);
  EXPECT_THAT(odd.error().text(), HasSubstr("embedding"));
}

}  // namespace
}  // namespace hone
