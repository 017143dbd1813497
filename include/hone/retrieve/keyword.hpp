// Retrieval by shared words.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "hone/retrieve/retriever.hpp"

namespace hone {

// BM25 (Robertson, Zaragoza 2009) with k1 = 1.2, b = 0.75 over lower-cased runs of letters and
// digits; bytes outside ASCII count as letters. Needs no `embed`, never fails. Cost of a search:
// the texts that share a word with the query.
class KeywordRetriever final : public Retriever {
 public:
  explicit KeywordRetriever(const std::vector<std::string>& texts);

  std::size_t size() const override { return lengths_.size(); }
  Result<std::vector<Hit>> search(const std::string& query, std::size_t k,
                                  const EmbedText& embed = {}) const override;

 private:
  struct Posting {
    std::size_t text;
    double count;
  };
  std::map<std::string, std::vector<Posting>, std::less<>> postings_;
  std::vector<double> lengths_;
  double mean_length_ = 0;
};

}  // namespace hone
