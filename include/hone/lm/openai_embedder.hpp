// Embeddings of any OpenAI-compatible server.
#pragma once

#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/lm/embedder.hpp"
#include "hone/lm/openai.hpp"

namespace hone {

// Posts texts to /embeddings, up to 64 together, several posts at once, and tries again as OpenAiLm
// does. temporary: an answer that is no list of as many points of one dimension. Thread safe.
class OpenAiEmbedder final : public Embedder {
 public:
  // As OpenAiLm::open; sends nothing.
  static Result<std::unique_ptr<OpenAiEmbedder>> open(OpenAiOptions options);
  ~OpenAiEmbedder() override;

  const std::string& identity() const override;  // "openai:URL#MODEL:embedding"
  Result<std::vector<Embedding>> embed(std::span<const std::string> texts,
                                       std::stop_token stop) const override;

 private:
  struct Server;
  explicit OpenAiEmbedder(std::unique_ptr<const Server> server);
  std::unique_ptr<const Server> server_;
};

}  // namespace hone
