// The order in which requests are computed: by their tokens, so that what two of them share lies
// between neighbours.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "lm/local/lane.hpp"

namespace hone::local {

std::size_t common_prefix(const Tokens& a, const Tokens& b);

// Sorts `order`, indices of works, by tokens; common[i] is what order[i] shares with order[i - 1].
void sort_by_tokens(std::span<const Work> works, std::vector<std::size_t>& order,
                    std::vector<std::size_t>& common);

// Takes those that are gone out of order[first ...]; `common` stays true of the neighbours they
// leave.
void erase_from(std::vector<std::size_t>& order, std::vector<std::size_t>& common,
                std::size_t first, const std::function<bool(std::size_t)>& is_gone);

}  // namespace hone::local
