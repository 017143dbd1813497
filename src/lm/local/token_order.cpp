#include "lm/local/token_order.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace hone::local {

std::size_t common_prefix(const Tokens& a, const Tokens& b) {
  return static_cast<std::size_t>(std::mismatch(a.begin(), a.end(), b.begin(), b.end()).first -
                                  a.begin());
}

void sort_by_tokens(std::span<const Work> works, std::vector<std::size_t>& order,
                    std::vector<std::size_t>& common) {
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto compared = works[a].tokens <=> works[b].tokens;
    return compared != 0 ? compared < 0 : a < b;
  });
  common.assign(order.size(), 0);
  for (std::size_t i = 1; i < order.size(); ++i) {
    common[i] = common_prefix(works[order[i - 1]].tokens, works[order[i]].tokens);
  }
}

void erase_from(std::vector<std::size_t>& order, std::vector<std::size_t>& common,
                std::size_t first, const std::function<bool(std::size_t)>& is_gone) {
  constexpr std::size_t kAll = std::numeric_limits<std::size_t>::max();
  std::size_t kept = first;
  std::size_t shared = kAll;  // with the last one kept: the least of the steps between
  for (std::size_t place = first; place < order.size(); ++place) {
    shared = std::min(shared, common[place]);
    if (is_gone(order[place])) continue;
    order[kept] = order[place];
    common[kept++] = std::exchange(shared, kAll);
  }
  order.resize(kept);
  common.resize(kept);
}

}  // namespace hone::local
