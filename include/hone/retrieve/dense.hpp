// Retrieval by nearness of points.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/value.hpp"
#include "hone/retrieve/retriever.hpp"

namespace hone {

// Cosine to every text's point, by brute force. The mean of the points is subtracted first from
// them and from the query (Mu, Viswanath 2018, "All-but-the-Top"): points of language models lie in
// a narrow cone, and without it everything is near everything. Points are kept in 8 bits a
// dimension, so that an index saved and read back ranks the same. Cost of a search: one product a
// text and dimension.
class DenseRetriever final : public Retriever {
 public:
  // `embedder` says whose points these are. bad_request unless all have one dimension, above 0,
  // and finite numbers.
  static Result<DenseRetriever> make(std::span<const std::vector<float>> points,
                                     std::string embedder);

  std::size_t size() const override { return lengths_.size(); }
  const std::string& embedder() const { return embedder_; }
  Result<std::vector<Hit>> search(const std::string& query, std::size_t k,
                                  const EmbedText& embed) const override;

  // {"embedder": …, "mean": base64, "points": [base64, …]}, and back; bad_request names `where`.
  Value to_json() const;
  static Result<DenseRetriever> from_json(const Value& json, std::string_view where);

 private:
  DenseRetriever() = default;
  void measure();

  std::string embedder_;
  std::vector<float> mean_;
  std::vector<std::int8_t> points_;  // one after another
  std::vector<double> lengths_;      // of each
};

}  // namespace hone
