// A prompt as a list of hashed segments: the common structure of cache keys, prefix sharing and
// golden tests.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/hash.hpp"

namespace hone {

// Whose words a segment is. `text` is for prompts that are one running text (no chat template):
// base models.
enum class Role { system, user, assistant, text };

std::string_view to_string(Role role);

// One message, or for Role::text one stretch of the running text. A running text is cut so that
// white space between two stretches begins the later one; tokenizing stretch by stretch then gives
// the tokens of the whole.
class Segment {
 public:
  Segment(Role role, std::string text)
      : role_(role),
        text_(std::move(text)),
        hash_(Hasher().add(static_cast<std::uint64_t>(role)).add(text_).finish()) {}
  Role role() const { return role_; }
  const std::string& text() const { return text_; }
  const Hash& hash() const { return hash_; }

 private:
  Role role_;
  std::string text_;
  Hash hash_;
};

using Segments = std::vector<Segment>;

// The segments every call of a predictor has in common (instructions, demos), rendered once and
// shared, then those of this call. Copies are cheap in the shared part.
class Prompt {
 public:
  Prompt() : fixed_(std::make_shared<const Segments>()) {}
  Prompt(std::shared_ptr<const Segments> fixed, Segments rest)
      : fixed_(std::move(fixed)), rest_(std::move(rest)) {}

  const Segments& fixed() const { return *fixed_; }
  const Segments& rest() const { return rest_; }
  std::size_t size() const { return fixed_->size() + rest_.size(); }
  const Segment& operator[](std::size_t i) const {
    return i < fixed_->size() ? (*fixed_)[i] : rest_[i - fixed_->size()];
  }
  // A running text (every segment Role::text) as opposed to chat messages. Prompts never mix the
  // two.
  bool is_text() const { return size() > 0 && (*this)[0].role() == Role::text; }
  Hash hash() const;
  // For people, logs and golden tests: each segment under a line with its role.
  std::string dump() const;

 private:
  std::shared_ptr<const Segments> fixed_;
  Segments rest_;
};

}  // namespace hone
