#include "hone/retrieve/dense.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "hone/base/rng.hpp"

namespace hone {
namespace {

using ::testing::HasSubstr;

std::vector<float> random_point(Rng& rng, std::size_t dimension, float shift) {
  std::vector<float> point(dimension);
  double squares = 0;
  for (float& x : point) {
    x = static_cast<float>(rng.normal()) + shift;
    squares += static_cast<double>(x) * static_cast<double>(x);
  }
  for (float& x : point) x = static_cast<float>(static_cast<double>(x) / std::sqrt(squares));
  return point;
}

// Texts are numbers of these points.
EmbedText embed_from(const std::vector<std::vector<float>>& points) {
  return [&points](const std::string& text) -> Result<std::vector<float>> {
    return points.at(std::stoul(text));
  };
}

std::vector<std::size_t> ranking(const DenseRetriever& index, const std::string& query,
                                 const EmbedText& embed, std::size_t k) {
  std::vector<std::size_t> out;
  for (const Hit& hit : index.search(query, k, embed).value()) out.push_back(hit.text);
  return out;
}

TEST(DenseRetriever, FindsAPointByItself) {
  Rng rng(1);
  std::vector<std::vector<float>> points;
  // All in one narrow cone: without the mean taken out, every cosine is about 0.99.
  for (int i = 0; i < 50; ++i) points.push_back(random_point(rng, 64, 10));
  const DenseRetriever index = DenseRetriever::make(points, "e").value();
  EXPECT_EQ(index.size(), 50U);
  for (std::size_t i = 0; i < points.size(); ++i) {
    const std::vector<Hit> hits = index.search(std::to_string(i), 2, embed_from(points)).value();
    ASSERT_EQ(hits.front().text, i);
    EXPECT_GT(hits[0].score, 0.999);
    EXPECT_LT(hits[1].score, 0.7);
  }
}

TEST(DenseRetriever, FewPointsAreNotCentred) {
  const std::vector<std::vector<float>> points = {{1, 0}, {0.6F, 0.8F}, {0, 1}};
  const DenseRetriever index = DenseRetriever::make(points, "e").value();
  EXPECT_EQ(ranking(index, "0", embed_from(points), 5), (std::vector<std::size_t>{0, 1, 2}));
  EXPECT_EQ(ranking(index, "2", embed_from(points), 2), (std::vector<std::size_t>{2, 1}));
}

TEST(DenseRetriever, SavedAndReadBackItRanksTheSame) {
  Rng rng(2);
  std::vector<std::vector<float>> points;
  for (int i = 0; i < 40; ++i) points.push_back(random_point(rng, 31, 0.5));
  const DenseRetriever index = DenseRetriever::make(points, "e").value();
  const DenseRetriever read = DenseRetriever::from_json(index.to_json(), "file").value();
  EXPECT_EQ(read.to_json(), index.to_json());
  EXPECT_EQ(read.embedder(), "e");
  for (std::size_t i = 0; i < points.size(); ++i) {
    ASSERT_EQ(ranking(read, std::to_string(i), embed_from(points), 40),
              ranking(index, std::to_string(i), embed_from(points), 40));
  }
}

TEST(DenseRetriever, SaysWhatIsWrong) {
  const std::vector<std::vector<float>> even = {{1, 0}, {0, 1}};
  EXPECT_FALSE(DenseRetriever::make({}, "e"));
  EXPECT_FALSE(DenseRetriever::make(std::vector<std::vector<float>>{{1, 0}, {1}}, "e"));
  const DenseRetriever index = DenseRetriever::make(even, "e").value();
  const auto missing = index.search("0", 1, {});
  ASSERT_FALSE(missing);
  EXPECT_THAT(missing.error().text(), HasSubstr("'e'"));
  const std::vector<std::vector<float>> longer = {{1, 0, 0}};
  EXPECT_FALSE(index.search("0", 1, embed_from(longer)));
  const float none = std::nanf("");
  const auto odd = DenseRetriever::make(std::vector<std::vector<float>>{{1, 0}, {none, 1}}, "e");
  ASSERT_FALSE(odd);
  EXPECT_THAT(odd.error().text(), HasSubstr("point 1"));
  const std::vector<std::vector<float>> no_query = {{none, 0}};
  EXPECT_FALSE(index.search("0", 1, embed_from(no_query)));
  const auto failing = index.search("0", 1, [](const std::string&) -> Result<std::vector<float>> {
    return temporary("server", "is away");
  });
  ASSERT_FALSE(failing);
  EXPECT_EQ(failing.error().kind, ErrorKind::temporary);
}

}  // namespace
}  // namespace hone
