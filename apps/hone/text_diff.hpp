// What changed between two texts, for people.
#pragma once

#include <string>
#include <string_view>

namespace hone::cli {

// Word by word, as "kept [-gone-] {+new+} kept": a longest common subsequence of words and the
// white space between them. Texts of more than two thousand words are shown whole, one after the
// other. Equal texts give the text.
std::string word_diff(std::string_view before, std::string_view after);

}  // namespace hone::cli
