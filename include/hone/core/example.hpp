// Labelled examples and the files they come from.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/value.hpp"

namespace hone {

// An object of named values, identified by its content: the same example is the same wherever it
// stands, so that train and validation entries never collide and caches survive reordering.
class Example {
 public:
  explicit Example(Value fields) : fields_(std::move(fields)), id_(fields_.hash()) {}
  const Value& fields() const { return fields_; }
  Value get(std::string_view name) const { return fields_.get(name); }
  const Hash& id() const { return id_; }
  // The part of it that a signature's inputs (or outputs) name.
  Value inputs(const Signature& signature) const;
  Value outputs(const Signature& signature) const;

 private:
  Value fields_;
  Hash id_;
};

using Examples = std::vector<Example>;

// Reads .jsonl (one object a line, blank lines skipped), .json (an array of objects) or .csv
// (header line, RFC 4180 quoting; every value a string), chosen by the file's extension. Numbers,
// labels and lists given as strings are read as the signature's types where a signature is given,
// and every example must have its fields. A bad_request names file and line: "train.jsonl:17: not
// JSON: …". An empty file is an error, and so is a name given twice: a CSV column, a key of one
// object.
struct LoadOptions {
  std::optional<Signature> signature;
  std::optional<std::size_t> limit;  // only the first so many
};
Result<Examples> load_examples(const std::filesystem::path& path, const LoadOptions& options = {});

// As above for text already in memory; `where` stands in for the file name in messages.
enum class DataFormat { jsonl, json, csv };
Result<Examples> parse_examples(std::string_view text, DataFormat format, std::string_view where,
                                const LoadOptions& options = {});

// Shuffles with the seed, then cuts in order; fractions must be positive and sum to at most 1. Any
// split that would be empty is a bad_request.
Result<std::vector<Examples>> split_examples(const Examples& examples,
                                             std::span<const double> fractions, std::uint64_t seed);

}  // namespace hone
