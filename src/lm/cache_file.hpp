// The response cache on disk.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

// One row a reply. Thread safe; several processes may have the same file open. A file that may not
// be written is read only: nothing can be saved.
class CacheFile {
 public:
  // `kind` is what messages call the file.
  static Result<std::unique_ptr<CacheFile>> open(const std::filesystem::path& path,
                                                 std::string_view kind);
  ~CacheFile();

  // One entry a key: the reply or nothing. What cannot be read counts into `failures` and is
  // nothing.
  std::vector<std::optional<LmReply>> find(std::span<const Hash> keys, std::size_t& failures) const;
  // All in one transaction; the number that could not be saved. What is there stays: a reply whose
  // key is taken becomes the stored one, but for its usage, so that processes which asked the same
  // at the same time go on with one answer.
  std::size_t save(std::span<std::pair<Hash, LmReply>> replies) const;

 private:
  struct State;
  explicit CacheFile(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace hone
