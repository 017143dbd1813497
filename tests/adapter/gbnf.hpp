// A small reader of GBNF that draws random texts from a grammar: an independent check of what
// grammars match.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "hone/base/rng.hpp"

namespace hone::testing {

class Gbnf {
 public:
  explicit Gbnf(std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t end = text.find('\n', at);
      const std::string_view line = text.substr(at, end - at);
      at = end == std::string_view::npos ? text.size() : end + 1;
      if (line.empty()) continue;
      const std::size_t mark = line.find(" ::= ");
      if (mark == std::string_view::npos) throw std::runtime_error("no rule: " + std::string(line));
      text_ = line.substr(mark + 5);
      at_ = 0;
      Node body = alternatives();
      if (at_ != text_.size()) throw std::runtime_error("cannot read: " + std::string(line));
      if (!rules_.emplace(std::string(line.substr(0, mark)), std::move(body)).second) {
        throw std::runtime_error("rule twice: " + std::string(line));
      }
    }
    for (const std::string& name : references_) {
      if (!rules_.contains(name)) throw std::runtime_error("no rule named " + name);
    }
    if (!rules_.contains("root")) throw std::runtime_error("no root");
  }

  std::string draw(Rng& rng) const {
    std::string out;
    generate(rules_.at("root"), rng, out);
    return out;
  }

 private:
  enum class Kind { literal, characters, rule, sequence, choice, repeat };
  struct Node {
    Kind kind = Kind::sequence;
    std::string text;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
    bool negated = false;
    std::size_t low = 1, high = 1;
    std::vector<Node> children;
  };

  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void blanks() {
    while (peek() == ' ') ++at_;
  }

  Node alternatives() {
    Node choice{Kind::choice, {}, {}, false, 1, 1, {}};
    choice.children.push_back(sequence());
    while (peek() == '|') {
      ++at_;
      choice.children.push_back(sequence());
    }
    return choice;
  }

  Node sequence() {
    Node out;
    for (blanks(); at_ < text_.size() && peek() != '|' && peek() != ')'; blanks())
      out.children.push_back(item());
    if (out.children.empty())
      throw std::runtime_error("empty alternative in " + std::string(text_));
    return out;
  }

  Node item() {
    Node node;
    if (peek() == '"') {
      node = literal();
    } else if (peek() == '[') {
      node = characters();
    } else if (peek() == '(') {
      ++at_;
      node = alternatives();
      if (peek() != ')') throw std::runtime_error("no ) in " + std::string(text_));
      ++at_;
    } else {
      node.kind = Kind::rule;
      while (isalnum(static_cast<unsigned char>(peek())) || peek() == '-')
        node.text.push_back(text_[at_++]);
      if (node.text.empty())
        throw std::runtime_error("cannot read at " + std::string(text_.substr(at_)));
      references_.push_back(node.text);
    }
    std::size_t low = 1;
    std::size_t high = 1;
    if (peek() == '*') {
      ++at_, low = 0, high = 12;
    } else if (peek() == '?') {
      ++at_, low = 0;
    } else if (peek() == '{') {
      const std::size_t end = text_.find('}', at_);
      const std::string inside(text_.substr(at_ + 1, end - at_ - 1));
      const std::size_t comma = inside.find(',');
      low = std::stoul(inside);
      high = comma == std::string::npos ? low : std::stoul(inside.substr(comma + 1));
      if (high < low || high > 1000)
        throw std::runtime_error("bad repetition in " + std::string(text_));
      at_ = end + 1;
    } else {
      return node;
    }
    Node repeat{Kind::repeat, {}, {}, false, low, high, {}};
    repeat.children.push_back(std::move(node));
    return repeat;
  }

  std::uint32_t character() {
    auto c = static_cast<unsigned char>(text_[at_++]);
    if (c != '\\') {
      if (c < 0x80) return c;
      std::size_t more = c >= 0xF0 ? 3 : c >= 0xE0 ? 2 : 1;
      std::uint32_t code = c & (0x3FU >> more);
      for (; more > 0; --more)
        code = (code << 6U) | (static_cast<unsigned char>(text_[at_++]) & 0x3FU);
      return code;
    }
    c = static_cast<unsigned char>(text_[at_++]);
    const auto hex = [&](std::size_t digits) {
      const std::string part(text_.substr(at_, digits));
      at_ += digits;
      return static_cast<std::uint32_t>(std::stoul(part, nullptr, 16));
    };
    switch (c) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return hex(2);
      case 'u':
        return hex(4);
      case 'U':
        return hex(8);
      case '\\':
      case '"':
      case '[':
      case ']':
        return c;
      default:
        throw std::runtime_error("bad escape in " + std::string(text_));
    }
  }

  Node literal() {
    Node node;
    node.kind = Kind::literal;
    for (++at_; peek() != '"';) {
      if (at_ >= text_.size())
        throw std::runtime_error("no end of literal in " + std::string(text_));
      append(node.text, character());
    }
    ++at_;
    return node;
  }

  Node characters() {
    Node node;
    node.kind = Kind::characters;
    ++at_;
    if (peek() == '^') ++at_, node.negated = true;
    while (peek() != ']') {
      if (at_ >= text_.size()) throw std::runtime_error("no ] in " + std::string(text_));
      const std::uint32_t low = character();
      std::uint32_t high = low;
      if (peek() == '-') ++at_, high = character();
      if (high < low) throw std::runtime_error("bad range in " + std::string(text_));
      node.ranges.emplace_back(low, high);
    }
    ++at_;
    return node;
  }

  static void append(std::string& out, std::uint32_t code) {
    const auto put = [&](std::uint32_t byte) { out.push_back(static_cast<char>(byte)); };
    if (code < 0x80) {
      put(code);
    } else if (code < 0x800) {
      put(0xC0U | (code >> 6U)), put(0x80U | (code & 0x3FU));
    } else if (code < 0x10000) {
      put(0xE0U | (code >> 12U)), put(0x80U | ((code >> 6U) & 0x3FU)), put(0x80U | (code & 0x3FU));
    } else {
      put(0xF0U | (code >> 18U)), put(0x80U | ((code >> 12U) & 0x3FU));
      put(0x80U | ((code >> 6U) & 0x3FU)), put(0x80U | (code & 0x3FU));
    }
  }

  void generate(const Node& node, Rng& rng, std::string& out) const {
    switch (node.kind) {
      case Kind::literal:
        out += node.text;
        return;
      case Kind::rule:
        generate(rules_.at(node.text), rng, out);
        return;
      case Kind::sequence:
        for (const Node& child : node.children) generate(child, rng, out);
        return;
      case Kind::choice:
        generate(node.children[rng.below(node.children.size())], rng, out);
        return;
      case Kind::repeat: {
        const std::size_t count = node.low + rng.below(node.high - node.low + 1);
        for (std::size_t i = 0; i < count; ++i) generate(node.children.front(), rng, out);
        return;
      }
      case Kind::characters: {
        if (node.negated) {
          std::uint32_t code = 0;
          const auto excluded = [&] {
            for (const auto& [low, high] : node.ranges) {
              if (code >= low && code <= high) return true;
            }
            return false;
          };
          do {
            code = static_cast<std::uint32_t>(0x20 + rng.below(0x60));
          } while (excluded());
          append(out, code);
          return;
        }
        const auto& [low, high] = node.ranges[rng.below(node.ranges.size())];
        auto code = static_cast<std::uint32_t>(low + rng.below(high - low + 1));
        if (code >= 0xD800 && code < 0xE000) code = 0x4E2D;  // surrogates are no characters
        append(out, code);
        return;
      }
    }
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<std::string> references_;
  std::map<std::string, Node> rules_;
};

}  // namespace hone::testing
