// The best of many scores.
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "hone/retrieve/retriever.hpp"

namespace hone {

// The `k` highest, best first, equal ones in the given order.
inline std::vector<Hit> best_hits(const std::vector<double>& scores, std::size_t k) {
  std::vector<Hit> hits;
  hits.reserve(scores.size());
  for (std::size_t i = 0; i < scores.size(); ++i) hits.push_back({i, scores[i]});
  const auto middle = hits.begin() + static_cast<std::ptrdiff_t>(std::min(k, hits.size()));
  std::partial_sort(hits.begin(), middle, hits.end(), [](const Hit& a, const Hit& b) {
    return a.score != b.score ? a.score > b.score : a.text < b.text;
  });
  hits.erase(middle, hits.end());
  return hits;
}

}  // namespace hone
