#include "adapter/label_reading.hpp"

#include <algorithm>
#include <array>
#include <cstdint>

#include "hone/base/text.hpp"

#include "adapter/field_text.hpp"
#include "adapter/words.hpp"

namespace hone::internal {
namespace {

// Whether an ASCII sign tells labels apart ("-1", "<5%", "C++", "1.0") rather than joins words
// ("top-up"); `left` and `right` are its nearest neighbours that are no blanks.
bool is_telling_sign(char sign, char left, char right) {
  const auto letter = [](char c) {
    return !is_digit(c) && (is_ascii_word(c) || static_cast<unsigned char>(c) >= 0x80);
  };
  switch (sign) {
    case '+':
    case '<':
    case '>':
    case '#':
      return !(letter(left) && letter(right));
    case '-':
      return !(letter(left) && (letter(right) || is_digit(right))) &&
             !(is_digit(left) && letter(right));
    case '.':
    case '/':
      return is_digit(left) && is_digit(right);
    default:
      return false;
  }
}

// Where the word begins that denies what begins at a byte of a lower-case text ("not a bug"); npos
// when none does.
std::size_t denial_before(std::string_view text, std::size_t at) {
  for (int i = 0; i < 2; ++i) {  // twice: an article may stand between
    const std::size_t last =
        at == 0 ? std::string_view::npos : text.find_last_not_of(" \t\"'`*_", at - 1);
    if (last == std::string_view::npos) return last;
    std::size_t begin = last + 1;
    while (begin > 0) {
      const std::size_t previous = character_begin(text, begin);
      const std::uint32_t code = code_at(text, previous);
      if (!is_word_code(code) && code != '\'' && code != 0x2019) break;
      begin = previous;
    }
    const std::string_view word = text.substr(begin, last + 1 - begin);
    if (word == "not" || word == "never" || word == "no" || word == "neither" ||
        word.ends_with("n't") || word.ends_with("n\xE2\x80\x99t"))
      return begin;
    if (word != "a" && word != "an" && word != "the") break;
    at = begin;
  }
  return std::string_view::npos;
}

// The one label that stands in a longer text as a word, longest labels first, each stretch counted
// once; none when the text denies it.
std::optional<std::size_t> only_label_within(std::string_view text,
                                             const std::vector<std::string>& labels) {
  const std::string lower = to_lower(text);
  std::vector<std::size_t> order(labels.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return labels[a].size() > labels[b].size();
  });
  std::vector<bool> covered(lower.size(), false);
  std::optional<std::size_t> found;
  std::vector<std::size_t> denials;
  for (const std::size_t index : order) {
    const std::string label = to_lower(labels[index]);
    for (std::size_t at = lower.find(label); at != std::string::npos;
         at = lower.find(label, at + 1)) {
      const std::size_t end = at + label.size();
      const bool whole = !(word_before(lower, at) && word_after(label, 0)) &&
                         !(word_after(lower, end) && word_before(label, label.size()));
      if (!whole || covered[at]) continue;
      if (found && *found != index) return std::nullopt;
      found = index;
      if (const std::size_t denial = denial_before(lower, at); denial != std::string_view::npos)
        denials.push_back(denial);
      std::fill(covered.begin() + static_cast<std::ptrdiff_t>(at),
                covered.begin() + static_cast<std::ptrdiff_t>(end), true);
    }
  }
  // A denial that belongs to a label itself denies nothing.
  const bool denied = std::any_of(denials.begin(), denials.end(),
                                  [&](std::size_t denial) { return !covered[denial]; });
  return denied ? std::nullopt : found;
}

std::optional<bool> read_truth(std::string_view text) {
  static constexpr std::array<std::string_view, 7> kTrue = {"true", "yes", "1",      "y",
                                                            "t",    "on",  "correct"};
  static constexpr std::array<std::string_view, 7> kFalse = {"false", "no",  "0",        "n",
                                                             "f",     "off", "incorrect"};
  const std::string word = to_lower(strip_marks(text));
  if (std::find(kTrue.begin(), kTrue.end(), word) != kTrue.end()) return true;
  if (std::find(kFalse.begin(), kFalse.end(), word) != kFalse.end()) return false;
  return std::nullopt;
}

}  // namespace

std::string squash(std::string_view text) {
  const std::string lower = to_lower(text);
  const std::string_view view = lower;
  std::string out;
  for (std::size_t at = 0; at < view.size();) {
    const std::size_t end = character_end(view, at);
    const std::uint32_t code = code_at(view, at);
    const bool dash = (code >= 0x2010 && code <= 0x2015) || code == 0x2212;
    if (code < 0x80 || dash) {
      const std::string_view before = trim(view.substr(0, at));
      const std::string_view after = trim(view.substr(end));
      const char sign = dash ? '-' : view[at];
      if (is_ascii_word(sign) || is_telling_sign(sign, before.empty() ? ' ' : before.back(),
                                                 after.empty() ? ' ' : after.front()))
        out.push_back(sign);
    } else if (code != 0xA0 && !(code >= 0x2000 && code <= 0x206F)) {  // blanks and quotes
      out += view.substr(at, end - at);
    }
    at = end;
  }
  return out;
}

std::optional<std::size_t> find_label(std::string_view text,
                                      const std::vector<std::string>& labels) {
  const auto find = [&](const auto& equals) -> std::optional<std::size_t> {
    for (std::size_t i = 0; i < labels.size(); ++i) {
      if (equals(labels[i])) return i;
    }
    return std::nullopt;
  };
  const std::string_view whole = trim(text);
  if (const auto index = find([&](const std::string& label) { return label == text; }))
    return index;
  if (const auto index = find([&](const std::string& label) { return label_text(label) == whole; }))
    return index;
  for (const std::string_view part : {strip_marks(whole), strip_marks(first_line(whole))}) {
    if (part.empty()) continue;
    if (const auto index = find([&](const std::string& label) { return label == part; }))
      return index;
    const std::string lower = to_lower(part);
    if (const auto index = find([&](const std::string& label) { return to_lower(label) == lower; }))
      return index;
    const std::string bare = squash(part);
    if (bare.empty()) continue;
    const auto same = [&](const std::string& label) { return squash(label) == bare; };
    if (std::count_if(labels.begin(), labels.end(), same) == 1) return find(same);
  }
  if (const auto index = only_label_within(first_line(whole), labels)) return index;
  return only_label_within(whole, labels);
}

std::optional<bool> find_truth(std::string_view text) {
  if (const auto truth = read_truth(text)) return truth;
  // "Yes, because …": the first word, then the only such word anywhere.
  const std::string_view line = strip_marks(first_line(text));
  std::size_t end = 0;
  while (word_after(line, end)) end = character_end(line, end);
  const std::string first = to_lower(line.substr(0, end));
  constexpr std::array<std::string_view, 6> kAnswers = {"true", "false",   "yes",
                                                        "no",   "correct", "incorrect"};
  // "On balance, no": other words of truth count only where they are the whole line.
  const bool answers =
      end == line.size() || std::find(kAnswers.begin(), kAnswers.end(), first) != kAnswers.end();
  if (end > 1 && answers) {
    if (const auto truth = read_truth(first)) return truth;
  }
  if (const auto index = only_label_within(text, {"true", "false", "yes", "no"}))
    return *index % 2 == 0;
  return std::nullopt;
}

}  // namespace hone::internal
