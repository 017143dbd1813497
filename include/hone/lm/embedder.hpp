// Texts as points: what is near means alike.
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"

namespace hone {

// Of unit length, so that the inner product of two is their cosine.
using Embedding = std::vector<float>;

// Thread safe: const means concurrent.
class Embedder {
 public:
  virtual ~Embedder() = default;
  // Model and endpoint, with a content hash where there is one: points of different identities
  // cannot be compared. The same on every machine with the same model.
  virtual const std::string& identity() const = 0;
  // One point a text, in order, all of one dimension; or the first error: bad_request, temporary,
  // bad_reply, stopped. A text's point does not depend on the others asked for with it. Blocking.
  virtual Result<std::vector<Embedding>> embed(std::span<const std::string> texts,
                                               std::stop_token stop) const = 0;
};

// Remembers the points of the last `kept` texts, so that a text is asked about once. Two threads
// that miss the same text at the same time both ask. Memory: a text and its point each.
class CachedEmbedder final : public Embedder {
 public:
  explicit CachedEmbedder(std::shared_ptr<const Embedder> inner, std::size_t kept = 20'000);
  ~CachedEmbedder() override;

  const std::string& identity() const override;  // of the inner one
  Result<std::vector<Embedding>> embed(std::span<const std::string> texts,
                                       std::stop_token stop) const override;

 private:
  struct Memory;
  std::shared_ptr<const Embedder> inner_;
  std::unique_ptr<Memory> memory_;
};

// Scales to unit length what a model gave for `text`. A number that is not finite, or nothing but
// zeros, has no direction: a bad_reply of `where` with the text's beginning.
Result<void> normalize(Embedding& embedding, std::string_view text, const std::string& where);

}  // namespace hone
