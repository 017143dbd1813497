#include "hone/lm/embedder.hpp"

#include <cmath>
#include <list>
#include <map>
#include <mutex>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {

// Least recently used texts go first.
struct CachedEmbedder::Memory {
  using Entries = std::list<std::pair<std::string, Embedding>>;

  explicit Memory(std::size_t most) : kept(most) {}

  const Embedding* find(std::string_view text) {
    const auto place = places.find(text);
    if (place == places.end()) return nullptr;
    entries.splice(entries.begin(), entries, place->second);
    return &entries.front().second;
  }
  void insert(const std::string& text, const Embedding& embedding) {
    if (places.contains(text)) return;
    entries.emplace_front(text, embedding);
    places.emplace(entries.front().first, entries.begin());
    if (entries.size() <= kept) return;
    places.erase(entries.back().first);
    entries.pop_back();
  }

  std::size_t kept;
  std::mutex mutex;
  Entries entries;  // last used first
  std::unordered_map<std::string_view, Entries::iterator> places;
};

CachedEmbedder::CachedEmbedder(std::shared_ptr<const Embedder> inner, std::size_t kept)
    : inner_(std::move(inner)), memory_(std::make_unique<Memory>(kept)) {}
CachedEmbedder::~CachedEmbedder() = default;

const std::string& CachedEmbedder::identity() const {
  return inner_->identity();
}

Result<std::vector<Embedding>> CachedEmbedder::embed(std::span<const std::string> texts,
                                                     std::stop_token stop) const {
  std::vector<Embedding> out(texts.size());
  std::vector<std::string> missing;
  std::map<std::string_view, std::vector<std::size_t>> places;  // of each missing text
  {
    const std::scoped_lock lock(memory_->mutex);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      if (const Embedding* known = memory_->find(texts[i])) {
        out[i] = *known;
        continue;
      }
      std::vector<std::size_t>& wanted = places[texts[i]];
      if (wanted.empty()) missing.push_back(texts[i]);
      wanted.push_back(i);
    }
  }
  if (missing.empty()) return out;
  const Result<std::vector<Embedding>> fresh = inner_->embed(missing, std::move(stop));
  if (!fresh) return fresh.error();
  const std::scoped_lock lock(memory_->mutex);
  for (std::size_t i = 0; i < missing.size(); ++i) {
    for (const std::size_t place : places.at(missing[i])) out[place] = (*fresh)[i];
    memory_->insert(missing[i], (*fresh)[i]);
  }
  return out;
}

Result<void> normalize(Embedding& embedding, std::string_view text, const std::string& where) {
  // The squares of floats do not overflow a double.
  double squares = 0;
  for (const float x : embedding) squares += static_cast<double>(x) * static_cast<double>(x);
  if (!std::isfinite(squares) || squares <= 0) {
    const std::string what =
        squares == 0 ? "is all zeros" : "has a number that is none or too large";
    return bad_reply(where, "the embedding of \"" + shorten(text, 40) + "\" " + what +
                                ": nothing can be near it; is this an embedding model?");
  }
  const double scale = 1 / std::sqrt(squares);
  for (float& x : embedding) x = static_cast<float>(static_cast<double>(x) * scale);
  return {};
}

}  // namespace hone
