#include "hone/retrieve/keyword.hpp"

#include <gtest/gtest.h>

namespace hone {
namespace {

std::vector<std::size_t> ranking(const KeywordRetriever& index, const std::string& query,
                                 std::size_t k = 10) {
  std::vector<std::size_t> out;
  for (const Hit& hit : index.search(query, k).value()) out.push_back(hit.text);
  return out;
}

TEST(KeywordRetriever, RanksByRareSharedWords) {
  const KeywordRetriever index(
      {"the cat sat", "the dog barked", "the cat and the dog", "Fünf Äpfel"});
  EXPECT_EQ(ranking(index, "DOG").front(), 1U) << "the shorter text of two with the word";
  EXPECT_EQ(ranking(index, "the cat sat").front(), 0U);
  EXPECT_EQ(ranking(index, "Fünf").front(), 3U);
  EXPECT_EQ(ranking(index, "nothing shared"), (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_EQ(ranking(index, "the dog", 2), (std::vector<std::size_t>{1, 2}));
  EXPECT_TRUE(ranking(KeywordRetriever({}), "a").empty());
}

TEST(KeywordRetriever, ScoresAreThoseOfBm25) {
  const KeywordRetriever index({"red apple", "green apple tree", "blue sky over a sea"});
  const std::vector<Hit> hits = index.search("red", 1).value();
  // ln(1 + 2.5 / 1.5) × 2.2 / (1 + 1.2 × (0.25 + 0.75 × 2 / (10 / 3)))
  EXPECT_NEAR(hits.front().score, 1.172, 0.001);
}

}  // namespace
}  // namespace hone
