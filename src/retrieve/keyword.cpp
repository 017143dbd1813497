#include "hone/retrieve/keyword.hpp"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "retrieve/ranked.hpp"

namespace hone {
namespace {

constexpr double kSaturation = 1.2;
constexpr double kLengthShare = 0.75;

std::vector<std::string> words_of(std::string_view text) {
  std::vector<std::string> words;
  std::string word;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    const bool is_upper = c >= 'A' && c <= 'Z';
    if (byte >= 0x80 || is_upper || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      word += is_upper ? static_cast<char>(c - 'A' + 'a') : c;
    } else if (!word.empty()) {
      words.push_back(std::move(word));
      word.clear();
    }
  }
  if (!word.empty()) words.push_back(std::move(word));
  return words;
}

}  // namespace

KeywordRetriever::KeywordRetriever(const std::vector<std::string>& texts) {
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::map<std::string, double> counts;
    const std::vector<std::string> words = words_of(texts[i]);
    for (const std::string& word : words) counts[word] += 1;
    for (const auto& [word, count] : counts) postings_[word].push_back({i, count});
    lengths_.push_back(static_cast<double>(words.size()));
    mean_length_ += lengths_.back() / static_cast<double>(texts.size());
  }
}

Result<std::vector<Hit>> KeywordRetriever::search(const std::string& query, std::size_t k,
                                                  const EmbedText&) const {
  std::vector<double> scores(lengths_.size(), 0.0);
  const auto total = static_cast<double>(lengths_.size());
  for (const std::string& word : words_of(query)) {
    const auto found = postings_.find(word);
    if (found == postings_.end()) continue;
    const auto holding = static_cast<double>(found->second.size());
    const double rarity = std::log(1.0 + (total - holding + 0.5) / (holding + 0.5));
    for (const Posting& posting : found->second) {
      const double length = lengths_[posting.text] / std::max(mean_length_, 1e-9);
      scores[posting.text] +=
          rarity * posting.count * (kSaturation + 1) /
          (posting.count + kSaturation * (1 - kLengthShare + kLengthShare * length));
    }
  }
  return best_hits(scores, k);
}

}  // namespace hone
