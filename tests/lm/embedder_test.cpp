#include "hone/lm/embedder.hpp"

#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <thread>

namespace hone {
namespace {

// Counts what it is asked; a text's point is its length and a constant.
class Lengths final : public Embedder {
 public:
  const std::string& identity() const override { return identity_; }
  Result<std::vector<Embedding>> embed(std::span<const std::string> texts,
                                       std::stop_token) const override {
    asked += texts.size();
    std::vector<Embedding> points;
    for (const std::string& text : texts) {
      if (text == "fail") return temporary("lengths", "not now");
      points.push_back({static_cast<float>(text.size()), 1});
    }
    return points;
  }
  mutable std::atomic<std::size_t> asked{0};

 private:
  std::string identity_ = "lengths";
};

std::vector<Embedding> points(const Embedder& embedder, const std::vector<std::string>& texts) {
  return embedder.embed(texts, {}).value();
}

TEST(CachedEmbedder, AsksAboutATextOnce) {
  const auto inner = std::make_shared<Lengths>();
  const CachedEmbedder cached(inner);
  EXPECT_EQ(cached.identity(), "lengths");
  EXPECT_EQ(points(cached, {"a", "bb", "a"}), (std::vector<Embedding>{{1, 1}, {2, 1}, {1, 1}}));
  EXPECT_EQ(inner->asked, 2U);
  EXPECT_EQ(points(cached, {"bb", "ccc"}), (std::vector<Embedding>{{2, 1}, {3, 1}}));
  EXPECT_EQ(inner->asked, 3U);
}

TEST(CachedEmbedder, ForgetsWhatWasUsedLongestAgo) {
  const auto inner = std::make_shared<Lengths>();
  const CachedEmbedder cached(inner, 2);
  points(cached, {"a", "bb"});
  points(cached, {"a"});
  points(cached, {"ccc"});  // "bb" goes
  EXPECT_EQ(inner->asked, 3U);
  points(cached, {"a", "ccc"});
  EXPECT_EQ(inner->asked, 3U);
  points(cached, {"bb"});
  EXPECT_EQ(inner->asked, 4U);
}

TEST(CachedEmbedder, KeepsNoFailure) {
  const auto inner = std::make_shared<Lengths>();
  const CachedEmbedder cached(inner);
  const std::vector<std::string> texts = {"fail"};
  EXPECT_FALSE(cached.embed(texts, {}));
  EXPECT_FALSE(cached.embed(texts, {}));
  EXPECT_EQ(inner->asked, 2U);
}

TEST(CachedEmbedder, ConcurrentCallersGetTheirOwn) {
  const auto inner = std::make_shared<Lengths>();
  const CachedEmbedder cached(inner, 8);
  std::vector<std::jthread> threads;
  std::atomic<int> wrong{0};
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      for (std::size_t i = 0; i < 200; ++i) {
        const std::vector<std::string> texts = {std::string(i % 20, 'x')};
        wrong +=
            cached.embed(texts, {}).value().front().front() == static_cast<float>(i % 20) ? 0 : 1;
      }
    });
  }
  threads.clear();
  EXPECT_EQ(wrong, 0);
}

TEST(Normalize, GivesUnitLength) {
  Embedding point = {3, 4};
  ASSERT_TRUE(normalize(point, "text", "model"));
  EXPECT_NEAR(point[0], 0.6, 1e-6);
  EXPECT_NEAR(point[1], 0.8, 1e-6);
  Embedding large = {std::numeric_limits<float>::max(), 0, std::numeric_limits<float>::max()};
  ASSERT_TRUE(normalize(large, "text", "model"));
  EXPECT_NEAR(large[0], std::sqrt(0.5), 1e-6);
}

TEST(Normalize, RefusesWhatHasNoDirection) {
  for (const Embedding& odd :
       {Embedding{0, 0}, Embedding{1, std::nanf("")}, Embedding{1, -HUGE_VALF}}) {
    Embedding point = odd;
    const Result<void> refused = normalize(point, "My invoice is wrong, and the next", "model");
    ASSERT_FALSE(refused);
    EXPECT_EQ(refused.error().kind, ErrorKind::bad_reply);
    EXPECT_EQ(refused.error().where, "model");
    EXPECT_NE(refused.error().message.find("My invoice"), std::string::npos)
        << refused.error().text();
  }
}

}  // namespace
}  // namespace hone
