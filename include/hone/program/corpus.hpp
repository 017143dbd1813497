// The passages that retrieve steps look through.
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"

namespace hone {

// Passages and an index of their words. Immutable; copies share everything; const means concurrent.
class Corpus {
 public:
  // Of a .jsonl, .json or .csv file each "text", behind "title | " where there is a title; of any
  // other file each line that is not blank. bad_request: a file that cannot be read or holds no
  // passage, an entry without a text, with its line. Cost: every word of it once.
  static Result<Corpus> load(const std::filesystem::path& path);
  // One without a file. A program with it is not saved as a whole.
  static Result<Corpus> of(std::vector<std::string> passages);

  const std::vector<std::string>& passages() const;
  const std::filesystem::path& path() const;  // absolute; empty without a file
  const Hash& hash() const;                   // of the passages, wherever they lie

  // The `k` nearest passages (all, when there are fewer) by shared words (BM25), best first. Those
  // that share none come last, in the corpus's order.
  std::vector<std::string> nearest(const std::string& query, std::size_t k) const;

 private:
  struct State;
  explicit Corpus(std::shared_ptr<const State> state) : state_(std::move(state)) {}
  static Result<Corpus> make(std::vector<std::string> passages, std::filesystem::path path);
  std::shared_ptr<const State> state_;
};

}  // namespace hone
