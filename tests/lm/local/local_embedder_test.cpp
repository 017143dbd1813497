#include "hone/lm/local_embedder.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "lm/local/model_fixture.hpp"

namespace hone {
namespace {

double cosine(const Embedding& a, const Embedding& b) {
  return std::inner_product(a.begin(), a.end(), b.begin(), 0.0);
}

std::shared_ptr<LocalEmbedder> open() {
  LocalEmbedderOptions options;
  options.model = local::smollm2_path();
  options.name = "smollm2";
  options.threads = 1;  // two would wait for one another on a busy machine
  return LocalEmbedder::open(options).value();
}

TEST(LocalEmbedderModel, PointsOfAlikeTextsAreNear) {
  if (!std::filesystem::exists(local::smollm2_path())) GTEST_SKIP() << "smollm2 is not here";
  const auto embedder = open();
  EXPECT_TRUE(embedder->identity().starts_with("smollm2@"));
  EXPECT_TRUE(embedder->identity().ends_with(":embedding"));
  const std::vector<std::string> texts = {
      "My invoice shows the wrong amount.", "The bill I got charges me too much.",
      "The router's red light keeps blinking.", "My modem has no signal since today."};
  const std::vector<Embedding> points = embedder->embed(texts, {}).value();
  ASSERT_EQ(points.size(), 4U);
  for (const Embedding& point : points) EXPECT_NEAR(cosine(point, point), 1, 1e-5);
  EXPECT_GT(cosine(points[0], points[1]), cosine(points[0], points[2]));
  EXPECT_GT(cosine(points[2], points[3]), cosine(points[1], points[3]));
}

TEST(LocalEmbedderModel, APointDoesNotDependOnItsCompany) {
  if (!std::filesystem::exists(local::smollm2_path())) GTEST_SKIP() << "smollm2 is not here";
  const auto embedder = open();
  const std::vector<std::string> alone = {"one text"};
  const std::vector<std::string> together = {"another, longer text", "one text", ""};
  const std::vector<Embedding> points = embedder->embed(together, {}).value();
  EXPECT_EQ(points[1], embedder->embed(alone, {}).value().front());
  EXPECT_EQ(points[2].size(), points[1].size());
}

TEST(LocalEmbedder, SaysWhatIsWrongWithAFile) {
  LocalEmbedderOptions options;
  options.model = "none.gguf";
  const auto missing = LocalEmbedder::open(options);
  ASSERT_FALSE(missing);
  EXPECT_EQ(missing.error().kind, ErrorKind::bad_request);
}

}  // namespace
}  // namespace hone
