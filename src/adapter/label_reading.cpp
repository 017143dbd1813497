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

template <std::size_t N>
bool is_one_of(std::string_view word, const std::array<std::string_view, N>& words) {
  return std::find(words.begin(), words.end(), word) != words.end();
}

bool is_apostrophe(std::uint32_t code) {
  return code == '\'' || code == 0x2019;
}

// Where the word ends that stands before a byte in the same clause: only blanks, quotes, emphasis
// and the hyphen of "non-toxic" may stand between. 0 when there is none.
std::size_t word_end_before(std::string_view text, std::size_t at) {
  while (at > 0 && !word_before(text, at)) {
    const std::size_t begin = character_begin(text, at);
    const std::uint32_t code = code_at(text, begin);
    const bool hyphen = (code == '-' || code == 0x2010 || code == 0x2011) &&
                        word_before(text, begin) && text[at] != ' ' && text[at] != '\t';
    const bool mark =
        code < 0x80
            ? std::string_view(" \t\"'`*_").find(static_cast<char>(code)) != std::string_view::npos
            : code == 0xA0 || (code >= 0x2018 && code <= 0x201F);  // a blank, quotes
    if (!hyphen && !mark) return 0;
    at = begin;
  }
  return at;
}

// Where the word begins that ends before a byte; "isn't" is one word.
std::size_t word_begin_before(std::string_view text, std::size_t end) {
  while (end > 0) {
    const std::size_t begin = character_begin(text, end);
    const bool joint = is_apostrophe(code_at(text, begin)) && word_before(text, begin);
    if (!joint && !word_before(text, end)) break;
    end = begin;
  }
  return end;
}

bool is_denial(std::string_view word) {
  constexpr std::array<std::string_view, 5> kDenials = {"not", "never", "no", "neither", "cannot"};
  return is_one_of(word, kDenials) || word.ends_with("n't") || word.ends_with("n\xE2\x80\x99t");
}

// Words that may stand between a denial and what it denies: "not really a bug", "no sign of spam".
// What "not only" and "does not understand" come before is not denied.
bool carries_denial(std::string_view word) {
  constexpr std::array<std::string_view, 23> kWords = {
      "a",    "an",   "the",   "any",        "very", "quite",   "so",      "too",
      "that", "such", "about", "at",         "to",   "related", "called",  "be",
      "been", "of",   "kind",  "considered", "all",  "sign",    "evidence"};
  constexpr std::array<std::string_view, 3> kAffirming = {"only", "merely", "simply"};
  return is_one_of(word, kWords) || (word.ends_with("ly") && !is_one_of(word, kAffirming));
}

// Where the word begins that denies what begins at a byte of a lower-case text; npos when none
// does.
std::size_t denial_before(std::string_view text, std::size_t at) {
  constexpr int kReach = 4;  // words
  for (int i = 0; i < kReach; ++i) {
    const std::size_t end = word_end_before(text, at);
    if (end == 0) break;
    at = word_begin_before(text, end);
    const std::string_view word = text.substr(at, end - at);
    if (is_denial(word) || (i == 0 && (word == "non" || word == "anti"))) return at;
    if (!carries_denial(word)) break;
  }
  return std::string_view::npos;
}

// Whether a number goes on to the left of a digit: "0.5", "4/5", ".5" and "-5" name no 5.
bool number_goes_on_before(std::string_view text, std::size_t at) {
  if (at == 0) return false;
  const std::size_t begin = character_begin(text, at);
  const std::uint32_t sign = code_at(text, begin);
  const bool word = word_before(text, begin);
  if (is_dash_code(sign)) return !word;  // the dash of "3-5" or "Rating—5" is no minus
  if (sign != '.' && sign != ',' && sign != '/') return false;
  if (begin > 0 && is_digit(text[begin - 1])) return true;
  return sign == '.' && !word && (begin == 0 || text[begin - 1] != '.');
}

// Whether a number goes on to the right of a digit: "4.7" and "4/5" name no 4, "4.0" and "4." do.
bool number_goes_on_after(std::string_view text, std::size_t end) {
  const auto joins = [&](std::size_t at) {
    return at + 1 < text.size() && is_digit(text[at + 1]) &&
           std::string_view(".,/").find(text[at]) != std::string_view::npos;
  };
  if (!joins(end)) return false;
  std::size_t rest = end + 1;
  while (text[end] == '.' && rest < text.size() && text[rest] == '0') ++rest;
  return word_after(text, rest) || joins(rest);
}

// What a label that was found in a text is there.
enum class Mention { none, doubtful, name };

// Whether a word stands after the name of a choice ("A is right", "A gives more", "A or B"), as it
// hardly does after an article or the pronoun "I".
bool follows_name(std::string_view word) {
  constexpr std::array<std::string_view, 10> kWords = {"and", "or",   "because", "since", "but",
                                                       "not", "over", "than",    "as",    "would"};
  const bool verb =
      word.size() > 1 && word.ends_with('s') && !word.ends_with("ss") && !word.ends_with("us");
  return verb || is_one_of(word, kWords);
}

// The word of lower-case letters behind blanks; empty when something else is there.
std::string_view lower_word_behind(std::string_view text, std::size_t end) {
  const std::size_t next = text.find_first_not_of(" \t", end);
  if (next == std::string_view::npos || next == end) return {};
  std::size_t stop = next;
  while (stop < text.size() && text[stop] >= 'a' && text[stop] <= 'z') ++stop;
  return text.substr(next, stop - next);
}

// Whether the word right before makes a letter a name: "option a", "Stage I".
bool follows_kind(std::string_view text, std::size_t at) {
  constexpr std::array<std::string_view, 12> kKinds = {
      "option", "choice", "response", "assistant", "candidate", "type",
      "stage",  "class",  "grade",    "phase",     "category",  "group"};
  const std::size_t last = text.substr(0, at).find_last_not_of(" \t\"'`*_");
  if (last == std::string_view::npos || !word_before(text, last + 1)) return false;
  const std::size_t begin = word_begin_before(text, last + 1);
  const std::string word = to_lower(text.substr(begin, last + 1 - begin));
  return is_one_of(word, kKinds);
}

// Whether a letter that stands by itself names a choice. It may be the pronoun of "I think" or
// "I'd", or a part of "it's"; or the article of "A chemist would", which nobody can tell from a
// name with certainty.
Mention letter_mention(std::string_view text, std::size_t at) {
  const std::size_t end = at + 1;
  const char letter = text[at];
  const bool pronoun = letter == 'I' || letter == 'i';
  if (pronoun && end < text.size() && is_apostrophe(code_at(text, end)) &&
      word_after(text, character_end(text, end)))
    return Mention::none;
  if (at > 0) {
    const std::size_t before = character_begin(text, at);
    if (is_apostrophe(code_at(text, before)) && word_before(text, before)) return Mention::none;
  }
  const bool article = letter == 'A' || letter == 'a';
  if ((!article && !pronoun) || follows_kind(text, at)) return Mention::name;
  const std::string_view word = lower_word_behind(text, end);
  if (word.empty() || follows_name(word)) return Mention::name;
  if (pronoun || letter == 'a') return Mention::none;
  // An article is upper-case only where a sentence begins: "Option A fits better than option B".
  const std::size_t last = text.substr(0, at).find_last_not_of(" \t");
  const bool begins =
      last == std::string_view::npos || (text[last] != ',' && !word_before(text, last + 1));
  return begins ? Mention::doubtful : Mention::name;
}

// Whether a number is its own best: "5/5" names 5.
bool is_of_itself(std::string_view text, std::size_t end, std::string_view label) {
  const std::size_t twin = end + 1 + label.size();
  return end < text.size() && text[end] == '/' && text.substr(end + 1).starts_with(label) &&
         !word_after(text, twin) && !number_goes_on_after(text, twin);
}

// A label that was found at a byte may be a part of a longer word or number.
Mention mention_of(std::string_view text, std::size_t at, std::string_view label) {
  const std::size_t end = at + label.size();
  if (word_before(text, at) && word_after(label, 0)) return Mention::none;
  if (word_after(text, end) && word_before(label, label.size())) return Mention::none;
  // A number that is no label leaves others in doubt: "4.5 out of 5".
  if (is_digit(label.front()) && number_goes_on_before(text, at)) {
    const bool is_read = label.find_first_not_of('0') == std::string_view::npos ||
                         text.substr(0, at).ends_with(std::string(label) + "/");
    return is_read ? Mention::none : Mention::doubtful;
  }
  if (is_digit(label.back()) && number_goes_on_after(text, end) && !is_of_itself(text, end, label))
    return Mention::doubtful;
  const bool letter = label.size() == 1 && is_ascii_word(label[0]) && !is_digit(label[0]);
  if (!letter) return Mention::name;
  // "b" may be called B and B "b", but "a" and "i" are hardly ever A and I, except as "a)".
  const bool bracket = end < text.size() && text[end] == ')';
  const bool fits = text[at] == label[0] || bracket || (text[at] != 'a' && text[at] != 'i') ||
                    follows_kind(text, at);
  return fits ? letter_mention(text, at) : Mention::none;
}

struct NamedLabels {
  std::vector<std::size_t> indices;  // each once
  bool doubtful = false;             // another may be meant besides
  bool denied = false;               // at least one of them
};

// The labels that stand in a longer text as words, longest first, each stretch counted once.
NamedLabels labels_within(std::string_view text, const std::vector<std::string>& labels) {
  const std::string lower = to_lower(text);
  std::vector<std::size_t> order(labels.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return labels[a].size() > labels[b].size();
  });
  std::vector<bool> covered(lower.size(), false);
  std::vector<std::size_t> denials;
  NamedLabels named;
  for (const std::size_t index : order) {
    const std::string label = to_lower(labels[index]);
    for (std::size_t at = lower.find(label); at != std::string::npos;
         at = lower.find(label, at + 1)) {
      if (covered[at]) continue;
      const Mention mention = mention_of(text, at, labels[index]);
      named.doubtful = named.doubtful || mention == Mention::doubtful;
      if (mention != Mention::name) continue;
      if (named.indices.empty() || named.indices.back() != index) named.indices.push_back(index);
      if (const std::size_t denial = denial_before(lower, at); denial != std::string_view::npos)
        denials.push_back(denial);
      const auto begin = covered.begin() + static_cast<std::ptrdiff_t>(at);
      std::fill(begin, begin + static_cast<std::ptrdiff_t>(label.size()), true);
    }
  }
  // A denial that belongs to a label itself denies nothing.
  named.denied = std::any_of(denials.begin(), denials.end(),
                             [&](std::size_t denial) { return !covered[denial]; });
  return named;
}

// The one label that stands in a longer text; none when the text denies it or may name another.
std::optional<std::size_t> only_label_within(std::string_view text,
                                             const std::vector<std::string>& labels) {
  const NamedLabels named = labels_within(text, labels);
  if (named.denied || named.doubtful || named.indices.size() != 1) return std::nullopt;
  return named.indices.front();
}

std::optional<bool> read_truth(std::string_view text) {
  static constexpr std::array<std::string_view, 7> kTrue = {"true", "yes", "1",      "y",
                                                            "t",    "on",  "correct"};
  static constexpr std::array<std::string_view, 7> kFalse = {"false", "no",  "0",        "n",
                                                             "f",     "off", "incorrect"};
  const std::string word = to_lower(strip_marks(text));
  if (is_one_of(word, kTrue)) return true;
  if (is_one_of(word, kFalse)) return false;
  return std::nullopt;
}

// Words of truth that also answer within a sentence; "on" and "1" do so only by themselves.
bool is_answer(std::string_view lower) {
  constexpr std::array<std::string_view, 6> kAnswers = {"true", "false",   "yes",
                                                        "no",   "correct", "incorrect"};
  return is_one_of(lower, kAnswers);
}

// Whether an answer can end where the first word of a line does: before one of `stops`, a dash or
// a reason. "Yes/No", "True or false" and "No doubt" only begin like one.
bool answer_ends(std::string_view line, std::size_t end, std::string_view stops) {
  constexpr std::array<std::string_view, 18> kReasons = {
      "because", "since", "as",    "given", "due", "but", "it", "the", "this",
      "that",    "there", "these", "they",  "he",  "she", "we", "you", "indeed"};
  const std::size_t at = line.find_first_not_of(" \t", end);
  if (at == std::string_view::npos || stops.find(line[at]) != std::string_view::npos) return true;
  const std::uint32_t code = code_at(line, at);
  if (is_dash_code(code)) {
    const bool joins_words = at == end && word_after(line, character_end(line, at));
    return !joins_words || code == 0x2014 || code == 0x2015;  // "no-one", but "Yes—it rains"
  }
  std::size_t stop = at;
  while (word_after(line, stop)) stop = character_end(line, stop);
  const std::string word = to_lower(line.substr(at, stop - at));
  return is_one_of(word, kReasons);
}

// What the first word of a line says where it is an answer by itself ("Yes, because …").
std::optional<bool> leading_truth(std::string_view line, std::string_view stops) {
  std::size_t end = 0;
  while (word_after(line, end)) end = character_end(line, end);
  if (end < 2) return std::nullopt;
  const std::string first = to_lower(line.substr(0, end));
  if (end < line.size() && !(is_answer(first) && answer_ends(line, end, stops)))
    return std::nullopt;
  return read_truth(first);
}

// What the answer says that is all there is behind the last colon of a line: in "True or false:
// false" the words before it are the question.
std::optional<bool> truth_behind_colon(std::string_view line) {
  const std::size_t colon = line.rfind(':');
  if (colon == std::string_view::npos) return std::nullopt;
  const std::string tail = to_lower(strip_marks(line.substr(colon + 1)));
  return is_answer(tail) ? read_truth(tail) : std::nullopt;
}

}  // namespace

std::string squash(std::string_view text) {
  const std::string lower = to_lower(text);
  const std::string_view view = lower;
  std::string out;
  for (std::size_t at = 0; at < view.size();) {
    const std::size_t end = character_end(view, at);
    const std::uint32_t code = code_at(view, at);
    const bool dash = is_dash_code(code);
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

namespace {

// The beginning of a line, which an explanation follows: "Billing - the customer says no more".
// Empty where it begins a longer label, or a range of labels ("low - medium").
std::string_view head_of(std::string_view line, const std::vector<std::string>& labels) {
  std::size_t end = line.size();
  std::size_t rest = end;
  for (const std::string_view mark : {" - ", " \xE2\x80\x93 ", " \xE2\x80\x94 ", " (", ". "}) {
    const std::size_t at = line.find(mark);
    if (at >= end) continue;
    end = at;
    rest = at + mark.size();
  }
  const std::string lower = to_lower(line);
  for (const std::string& label : labels) {
    const std::string other = to_lower(label);
    const std::size_t at = lower.find(other);
    if (at < end && at + other.size() > end) return {};
    if (lower.compare(rest, other.size(), other) == 0 &&
        mention_of(line, rest, label) == Mention::name)
      return {};
  }
  return line.substr(0, end);
}

}  // namespace

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
  const std::string_view line = first_line(whole);
  for (const std::string_view part :
       {strip_marks(whole), strip_marks(line), strip_marks(head_of(line, labels))}) {
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
  if (const auto index = only_label_within(line, labels)) return index;
  return only_label_within(whole, labels);
}

std::optional<bool> find_truth(std::string_view text) {
  if (const auto truth = read_truth(text)) return truth;
  const std::string_view line = strip_marks(first_line(text));
  if (const auto truth = leading_truth(line, ",.;!(")) return truth;
  if (const auto truth = truth_behind_colon(line)) return truth;
  if (const auto truth = leading_truth(line, ":")) return truth;
  const NamedLabels named = labels_within(text, {"true", "false", "yes", "no"});
  if (named.denied || named.indices.empty()) return std::nullopt;
  const auto names = [&](std::size_t index) {
    return std::find(named.indices.begin(), named.indices.end(), index) != named.indices.end();
  };
  // "No" is no answer in "there is no sign that this is false".
  if (names(1) && names(3) && !to_lower(line).starts_with("no ")) return std::nullopt;
  const auto says_true = [](std::size_t index) { return index % 2 == 0; };
  const bool truth = says_true(named.indices.front());
  const bool agreed = std::all_of(named.indices.begin(), named.indices.end(),
                                  [&](std::size_t index) { return says_true(index) == truth; });
  return agreed ? std::optional(truth) : std::nullopt;
}

}  // namespace hone::internal
