// Finding the texts of a fixed set that a query is about.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "hone/base/result.hpp"

namespace hone {

struct Hit {
  std::size_t text = 0;  // its place among the texts
  double score = 0;      // higher is nearer; comparable within one search only
};

// A text as a point of unit length; what a dense retriever asks of its caller.
using EmbedText = std::function<Result<std::vector<float>>(const std::string& text)>;

// Immutable: const means concurrent.
class Retriever {
 public:
  virtual ~Retriever() = default;
  virtual std::size_t size() const = 0;
  // The `k` nearest texts (all, when there are fewer), best first, equal ones in the given order.
  // `embed` may be empty for retrievers that need no points. Errors: those of `embed`; bad_request
  // when it is missing or gives points of another dimension.
  virtual Result<std::vector<Hit>> search(const std::string& query, std::size_t k,
                                          const EmbedText& embed) const = 0;
};

}  // namespace hone
