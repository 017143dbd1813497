#include "lm/local/token_order.hpp"

#include <gtest/gtest.h>

#include <numeric>

#include "hone/base/rng.hpp"

namespace hone::local {
namespace {

TEST(TokenOrder, WhatNeighboursShareStaysTrueWhenSomeLeave) {
  Rng rng(3);
  for (int round = 0; round < 50; ++round) {
    std::vector<Work> works(30);
    for (Work& work : works) {
      for (std::size_t i = 0; i < 1 + rng.below(6); ++i)
        work.tokens.push_back(static_cast<Token>(rng.below(2)));
    }
    std::vector<std::size_t> order(works.size());
    std::iota(order.begin(), order.end(), std::size_t{0});
    std::vector<std::size_t> common;
    sort_by_tokens(works, order, common);
    const std::size_t first = 1 + rng.below(10);
    const std::vector<std::size_t> before(order.begin(),
                                          order.begin() + static_cast<std::ptrdiff_t>(first));
    erase_from(order, common, first, [](std::size_t work) { return work % 3 != 0; });
    ASSERT_EQ(order.size(), common.size());
    for (std::size_t i = 1; i < order.size(); ++i) {
      EXPECT_EQ(common[i], common_prefix(works[order[i - 1]].tokens, works[order[i]].tokens)) << i;
      if (i < first) {
        EXPECT_EQ(order[i], before[i]);
      } else {
        EXPECT_EQ(order[i] % 3, 0U);
      }
    }
  }
}

}  // namespace
}  // namespace hone::local
