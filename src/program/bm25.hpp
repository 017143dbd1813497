// Ranks a fixed set of short texts by the words they share with a query.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hone {

// BM25 (Robertson, Zaragoza 2009) with k1 = 1.2, b = 0.75 over lower-cased runs of letters and
// digits; bytes outside ASCII count as letters. Immutable.
class Bm25 {
 public:
  explicit Bm25(const std::vector<std::string>& texts);
  // Every text's index, best first; equal scores in the given order.
  std::vector<std::size_t> rank(std::string_view query) const;

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
