// Texts that a grammar matches, made without a model.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"

namespace hone::internal {

// Reads the GBNF that reply plans hold (literals, character classes, groups, alternatives,
// repetitions) and writes texts of it. Immutable.
class GrammarText {
 public:
  // internal when it is no such grammar.
  static Result<GrammarText> parse(std::string_view grammar);
  ~GrammarText();
  GrammarText(GrammarText&& other) noexcept;
  GrammarText& operator=(GrammarText&& other) noexcept;

  // Follows `wish` byte by byte wherever the grammar allows its next one, until it is used up or
  // nothing fits; from there, and where it does not fit, the shortest way to the end. Wishes are
  // ASCII.
  std::string write(std::string_view wish) const;

 private:
  struct Rules;
  explicit GrammarText(std::unique_ptr<const Rules> rules);
  std::unique_ptr<const Rules> rules_;
};

}  // namespace hone::internal
