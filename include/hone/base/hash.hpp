// Content hashes: identity of prompts, candidates and examples; checksums of downloaded files.
#pragma once

#include <compare>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"

namespace hone {

// 128-bit content hash (XXH3). Stable across runs, machines and versions of hone: it is stored in
// files. Not a cryptographic hash.
struct Hash {
  std::uint64_t high = 0;
  std::uint64_t low = 0;

  std::string hex() const;  // 32 lower-case hexadecimal digits
  friend auto operator<=>(const Hash&, const Hash&) = default;
};

Hash hash_of(std::string_view bytes);

// Combines parts so that ("ab", "c") and ("a", "bc") differ. Not thread safe; cheap for short
// inputs.
class Hasher {
 public:
  Hasher& add(std::string_view bytes);
  Hasher& add(std::uint64_t number);
  Hasher& add(double number);  // by bit pattern; -0.0 counts as 0.0
  Hasher& add(const Hash& hash);
  Hash finish() const;

 private:
  std::string buffer_;
};

// SHA-256 of a file in lower-case hexadecimal; an error when it cannot be read. Reads in 1 MiB
// pieces.
Result<std::string> sha256_file(const std::filesystem::path& path);

}  // namespace hone

template <>
struct std::hash<hone::Hash> {
  std::size_t operator()(const hone::Hash& h) const noexcept {
    return static_cast<std::size_t>(h.low ^ h.high);
  }
};
