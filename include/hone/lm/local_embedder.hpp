// Embeddings of a GGUF model in this process.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/lm/embedder.hpp"

namespace hone {

struct LocalEmbedderOptions {
  std::filesystem::path model;     // a GGUF file: an embedding model, or one that continues texts
  std::string name;                // shown in the identity; empty = the file's stem
  std::size_t threads = 0;         // 0 = what this process may use
  std::size_t most_tokens = 1024;  // of a text; what is longer is cut at its end
};

// An embedding model's points are pooled as its file says. A model that continues texts has none of
// its own: its points are the means of its last layer over the text's tokens, which tell topics
// apart, if less well than a model made for it.
//
// Texts are computed one by one, so that a point never depends on what was asked for beside it;
// calls from several threads are served one after another. Cost: a prefill of the text. Identity:
// as LocalLm's, with ":embedding".
class LocalEmbedder final : public Embedder {
 public:
  // bad_request when the file is missing, damaged or of an unknown architecture, or lacks a
  // tokenizer; internal when memory runs out.
  static Result<std::shared_ptr<LocalEmbedder>> open(LocalEmbedderOptions options);
  ~LocalEmbedder() override;

  const std::string& identity() const override;
  // internal when the model gives no finite point.
  Result<std::vector<Embedding>> embed(std::span<const std::string> texts,
                                       std::stop_token stop) const override;

 private:
  struct State;
  explicit LocalEmbedder(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hone
