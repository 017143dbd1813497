// Which of a type's labels a text names, and whether it says yes or no.
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace hone::internal {

// Letters, digits and telling signs only ("-1", "C++"), lower case: "Pending top-up" and
// "pending_top_up" are the same name to a model.
std::string squash(std::string_view text);

// Exact matches first, then looser ones, so that labels which differ in case alone stay apart. The
// label's index; none when no label or several are named, or the text denies the only one ("not
// spam").
std::optional<std::size_t> find_label(std::string_view text,
                                      const std::vector<std::string>& labels);

// A word of truth ("yes", "off") by itself, the first word of an answer, or the only such word in
// it; none when there is none, or it is denied.
std::optional<bool> find_truth(std::string_view text);

}  // namespace hone::internal
