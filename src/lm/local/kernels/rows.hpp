// Arithmetic on rows of logits.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace hone::local {

// log(sum(exp(row))). NaN when the row holds one or nothing finite. Deterministic: one order of
// additions.
double log_sum_exp(std::span<const float> row);

// Index of the largest, the first of equals; row.size() when the row holds a NaN.
std::size_t argmax(std::span<const float> row);

// Indices of the `count` largest, largest first, the first of equals first. Linear for few.
std::vector<std::size_t> largest(std::span<const float> row, std::size_t count);

// A draw with weights exp((row[i] - top) / temperature): the smallest index whose weights up to it
// exceed `share` (in [0, 1)) of them all. `top` is the largest entry. Deterministic.
std::size_t draw_softmax(std::span<const float> row, float top, double temperature, double share);

}  // namespace hone::local
