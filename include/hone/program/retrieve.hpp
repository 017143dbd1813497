// A step that looks passages up instead of asking a model.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/core/signature.hpp"
#include "hone/program/call.hpp"
#include "hone/program/corpus.hpp"

namespace hone {

struct RetrieveOptions {
  std::optional<std::int64_t> k = {};  // left open: 3, or what of it the range allows
  // What a search may choose k from, within 0 and the corpus's size. Left open: 1 to 10, stretched
  // to a given k, and no more than there are passages.
  std::optional<IntDomain> range = {};
};

// The `k` passages of a corpus that are nearest to a text. Costs no model call. A value whose
// copies share the corpus; const means concurrent. Its parameter is "<path>.k".
class Retrieve {
 public:
  // The signature takes one str, the query, and gives one list[str], the passages: "question ->
  // context: list[str]". bad_request for other fields, and for a range or k that does not fit.
  static Result<Retrieve> make(Signature signature, Corpus corpus, RetrieveOptions options = {});

  // Best first. The call's trace gets a step with inputs and outputs, without prompt and usage.
  std::vector<std::string> operator()(Call& call, const std::string& query) const;

  const std::string& path() const { return path_; }
  const Signature& signature() const { return signature_; }
  const Corpus& corpus() const { return corpus_; }
  std::int64_t k() const { return k_; }
  const IntDomain& range() const { return range_; }

  Retrieve with_path(std::string path) const;
  // What can be tuned, with full path and current value.
  std::vector<Param> params() const;
  // With the candidate's k; one outside the range is a bad_request.
  Result<Retrieve> with(const Candidate& candidate) const;

 private:
  Retrieve(Signature signature, Corpus corpus, std::int64_t k, IntDomain range)
      : signature_(std::move(signature)), corpus_(std::move(corpus)), k_(k), range_(range) {}

  std::string path_;
  Signature signature_;
  Corpus corpus_;
  std::int64_t k_;
  IntDomain range_;
};

}  // namespace hone
