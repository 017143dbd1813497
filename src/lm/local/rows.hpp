// Arithmetic on rows of logits.
#pragma once

#include <cstddef>
#include <span>

namespace hone::local {

// log(sum(exp(row))). NaN when the row holds one or nothing finite. Deterministic: one order of
// additions.
double log_sum_exp(std::span<const float> row);

// Index of the largest, the first of equals; row.size() when the row holds a NaN.
std::size_t argmax(std::span<const float> row);

}  // namespace hone::local
