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
// really spam"). Inside a sentence a letter counts only in its own case and where it is no article
// or pronoun ("A chemist"), a number only where it is no part of another ("0.5", "-5").
std::optional<std::size_t> find_label(std::string_view text,
                                      const std::vector<std::string>& labels);

// A word of truth ("yes", "off") by itself; the first word of an answer where punctuation or a
// reason follows; what stands alone behind the last colon of its first line ("Yes/No: no"); or
// what all such words in it say. None when there is none, they differ, or one is denied.
std::optional<bool> find_truth(std::string_view text);

}  // namespace hone::internal
