#include "reply_memory.hpp"

namespace hone {
namespace {

// What an entry takes, allocator and index included, near enough to keep a promise in megabytes.
std::size_t bytes_of(const LmReply& reply) {
  constexpr std::size_t kEntry = sizeof(LmReply) + 128;
  std::size_t bytes = kEntry + reply.text.capacity();
  for (const LabelScores& scores : reply.labels) {
    bytes += sizeof(LabelScores) + scores.field.capacity() +
             scores.log_probs.capacity() * sizeof(double);
  }
  for (const TokenScore& token : reply.tokens) bytes += sizeof(TokenScore) + token.text.capacity();
  return bytes;
}

}  // namespace

const LmReply* ReplyMemory::find(const Hash& key) {
  const auto place = places_.find(key);
  if (place == places_.end()) return nullptr;
  entries_.splice(entries_.begin(), entries_, place->second);
  return &place->second->second;
}

void ReplyMemory::insert(const Hash& key, const LmReply& reply) {
  if (bytes_of(reply) > max_bytes_ || places_.contains(key)) return;
  entries_.emplace_front(key, reply);
  places_.emplace(key, entries_.begin());
  bytes_ += bytes_of(entries_.front().second);
  while (bytes_ > max_bytes_) {
    bytes_ -= bytes_of(entries_.back().second);
    places_.erase(entries_.back().first);
    entries_.pop_back();
  }
}

}  // namespace hone
