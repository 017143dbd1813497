// The part of the response cache that is in memory.
#pragma once

#include <cstddef>
#include <list>
#include <unordered_map>
#include <utility>

#include "hone/base/hash.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

// Least recently used replies go first. Not thread safe.
class ReplyMemory {
 public:
  explicit ReplyMemory(std::size_t max_bytes) : max_bytes_(max_bytes) {}

  const LmReply* find(const Hash& key);  // valid until the next call
  void insert(const Hash& key, const LmReply& reply);
  std::size_t bytes() const { return bytes_; }

 private:
  using Entries = std::list<std::pair<Hash, LmReply>>;
  std::size_t max_bytes_;
  std::size_t bytes_ = 0;
  Entries entries_;  // last used first
  std::unordered_map<Hash, Entries::iterator> places_;
};

}  // namespace hone
