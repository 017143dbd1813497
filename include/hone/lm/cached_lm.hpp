// A language model that remembers its answers.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hone/lm/lm.hpp"

namespace hone {

struct ResponseCache;

struct CacheOptions {
  // Of replies kept in memory; the least recently used go first. 0 keeps none (a file still
  // serves).
  std::size_t max_bytes = std::size_t{64} << 20;
  // An SQLite file that outlives the process and may be shared by several; made when it is not
  // there.
  std::optional<std::filesystem::path> file;
  // What messages call the file; a study log keeps replies too.
  std::string file_kind = "cache";
};

// Since the cache was opened. Every request is in exactly one of the first four.
struct CacheStats {
  std::size_t memory_hits = 0;
  std::size_t file_hits = 0;
  std::size_t joined = 0;         // waited for an identical request in flight
  std::size_t misses = 0;         // went to the model
  std::size_t file_failures = 0;  // replies that could not be saved, rows that could not be read
};

// How many replies a cache file or study log keeps, whoever is writing to it. bad_request as of
// CachedLm::open, and when it is not there.
Result<std::size_t> count_kept_replies(const std::filesystem::path& file,
                                       std::string_view file_kind = "cache");

// Requests are the same when their request_key is. Identical ones in flight, from several threads
// or inside one batch, are sent once. What a batch misses goes to the inner model as one batch, in
// order. Failures are handed to everybody who waits and are not kept; a caller that waits for one
// that was stopped, or refused with other settings or biases than its own, sends the request
// itself.
//
// A reply from the cache counts one call, one cached call, its prompt tokens, and no computed or
// generated token (what it took when it was made is in `cached_generated_tokens`). Where the plan
// is a single choice and the reply holds its labels' scores, a kept reply serves any bias: the
// label is chosen anew and the text rebuilt.
//
// Trouble with the file while it is open (full disk, a row that makes no sense) never fails a
// request; it is counted. The file holds JSON text only: nothing in it is executed or trusted
// beyond its type. Thread safe.
class CachedLm final : public Lm {
 public:
  // bad_request when the file is damaged, no cache of hone's, or made by a newer hone: it is left
  // as it is.
  static Result<std::unique_ptr<CachedLm>> open(std::shared_ptr<const Lm> inner,
                                                CacheOptions options = {});
  ~CachedLm() override;
  // The same replies for another object of the same model: whichever of them is asked first, the
  // others have its reply, and stats() are of all together. Precondition: equal identities.
  std::unique_ptr<CachedLm> beside(std::shared_ptr<const Lm> inner) const;

  const LmInfo& info() const override;  // of the inner model
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

  CacheStats stats() const;

 private:
  CachedLm(std::shared_ptr<const Lm> inner, std::shared_ptr<ResponseCache> cache);
  std::shared_ptr<const Lm> inner_;
  std::shared_ptr<ResponseCache> cache_;
};

}  // namespace hone
