#include "adapter/grammar_text.hpp"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstdint>
#include <limits>
#include <utility>

#include "adapter/utf8.hpp"

namespace hone::internal {
namespace {

constexpr std::size_t kEndless = std::numeric_limits<std::size_t>::max() / 4;

enum class NodeKind { literal, characters, rule, sequence, choice, repeat };

struct Node {
  NodeKind kind = NodeKind::sequence;
  std::string text;  // of a literal
  std::vector<std::pair<std::uint32_t, std::uint32_t>> ranges;
  bool negated = false;
  std::size_t rule = 0;
  std::size_t low = 1;
  std::size_t high = 1;
  std::vector<Node> children;
};

bool holds(const Node& characters, std::uint32_t code) {
  const bool inside = std::any_of(
      characters.ranges.begin(), characters.ranges.end(),
      [code](const auto& range) { return range.first <= code && code <= range.second; });
  return inside != characters.negated;
}

// Throws Error: the reader is private and its caller turns it into a Result.
class Reader {
 public:
  std::vector<Node> read(std::string_view grammar) {
    for (std::size_t at = 0; at < grammar.size();) {
      const std::size_t end = std::min(grammar.find('\n', at), grammar.size());
      const std::string_view line = grammar.substr(at, end - at);
      at = end + 1;
      if (line.empty()) continue;
      const std::size_t mark = line.find(" ::= ");
      if (mark == std::string_view::npos) fail(line);
      text_ = line.substr(mark + 5);
      at_ = 0;
      Node body = alternatives();
      if (at_ != text_.size()) fail(line);
      const std::size_t place = place_of(std::string(line.substr(0, mark)));
      rules_[place] = std::move(body);
      known_[place] = true;
    }
    if (places_.find("root") == places_.end()) fail("no root");
    for (const bool known : known_) {
      if (!known) fail("a rule that is not there");
    }
    std::swap(rules_[0], rules_[places_.at("root")]);
    const std::size_t root = places_.at("root");
    if (root != 0) {
      for (Node& rule : rules_) renumber(rule, root);
    }
    return std::move(rules_);
  }

 private:
  [[noreturn]] static void fail(std::string_view what) {
    throw_error(internal_error("grammar", "cannot be read at: " + std::string(what.substr(0, 80))));
  }
  char peek() const { return at_ < text_.size() ? text_[at_] : '\0'; }
  void blanks() {
    while (peek() == ' ') ++at_;
  }
  std::size_t place_of(const std::string& name) {
    const auto [found, is_new] = places_.emplace(name, rules_.size());
    if (is_new) {
      rules_.emplace_back();
      known_.push_back(false);
    }
    return found->second;
  }
  static void renumber(Node& node, std::size_t root) {
    if (node.kind == NodeKind::rule)
      node.rule = node.rule == root ? 0 : node.rule == 0 ? root : node.rule;
    for (Node& child : node.children) renumber(child, root);
  }

  Node alternatives() {
    Node choice;
    choice.kind = NodeKind::choice;
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
      if (peek() != ')') fail(text_.substr(at_));
      ++at_;
    } else {
      node.kind = NodeKind::rule;
      std::string name;
      while (std::isalnum(static_cast<unsigned char>(peek())) != 0 || peek() == '-' ||
             peek() == '_')
        name.push_back(text_[at_++]);
      if (name.empty()) fail(text_.substr(at_));
      node.rule = place_of(name);
    }
    return repeated(std::move(node));
  }

  Node repeated(Node node) {
    Node repeat;
    repeat.kind = NodeKind::repeat;
    if (peek() == '*') {
      repeat.low = 0;
      repeat.high = kEndless;
    } else if (peek() == '+') {
      repeat.high = kEndless;
    } else if (peek() == '?') {
      repeat.low = 0;
    } else if (peek() == '{') {
      const std::size_t end = text_.find('}', at_);
      if (end == std::string_view::npos) fail(text_.substr(at_));
      const std::string_view inside = text_.substr(at_ + 1, end - at_ - 1);
      const std::size_t comma = inside.find(',');
      repeat.low = number(inside.substr(0, comma));
      repeat.high = comma == std::string_view::npos ? repeat.low
                    : comma + 1 == inside.size()    ? kEndless
                                                    : number(inside.substr(comma + 1));
      at_ = end;
    } else {
      return node;
    }
    ++at_;
    repeat.children.push_back(std::move(node));
    return repeat;
  }

  static std::size_t number(std::string_view digits) {
    std::size_t value = 0;
    const auto [end, fault] = std::from_chars(digits.data(), digits.data() + digits.size(), value);
    if (fault != std::errc() || end != digits.data() + digits.size()) fail(digits);
    return value;
  }

  std::uint32_t character() {
    if (at_ >= text_.size()) fail(text_);
    auto byte = static_cast<unsigned char>(text_[at_++]);
    if (byte != '\\') {
      if (byte < 0x80) return byte;
      std::size_t more = byte >= 0xF0 ? 3 : byte >= 0xE0 ? 2 : 1;
      std::uint32_t code = byte & (0x3FU >> more);
      for (; more > 0 && at_ < text_.size(); --more)
        code = (code << 6U) | (static_cast<unsigned char>(text_[at_++]) & 0x3FU);
      return code;
    }
    if (at_ >= text_.size()) fail(text_);
    byte = static_cast<unsigned char>(text_[at_++]);
    switch (byte) {
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'x':
        return hexadecimal(2);
      case 'u':
        return hexadecimal(4);
      case 'U':
        return hexadecimal(8);
      default:
        return byte;
    }
  }

  std::uint32_t hexadecimal(std::size_t digits) {
    const std::string_view part = text_.substr(at_, digits);
    std::uint32_t value = 0;
    const auto [end, fault] = std::from_chars(part.data(), part.data() + part.size(), value, 16);
    if (fault != std::errc() || end != part.data() + digits) fail(part);
    at_ += digits;
    return value;
  }

  Node literal() {
    Node node;
    node.kind = NodeKind::literal;
    for (++at_; peek() != '"';) append_utf8(node.text, character());
    ++at_;
    return node;
  }

  Node characters() {
    Node node;
    node.kind = NodeKind::characters;
    ++at_;
    if (peek() == '^') {
      ++at_;
      node.negated = true;
    }
    while (peek() != ']') {
      const std::uint32_t low = character();
      std::uint32_t high = low;
      if (peek() == '-') {
        ++at_;
        high = character();
      }
      node.ranges.emplace_back(low, high);
    }
    ++at_;
    return node;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::vector<Node> rules_;
  std::vector<bool> known_;
  std::map<std::string, std::size_t> places_;
};

}  // namespace

struct GrammarText::Rules {
  std::vector<Node> rules;            // the first is the root
  std::vector<std::size_t> shortest;  // bytes, by rule

  void measure() {
    shortest.assign(rules.size(), kEndless);
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t i = rules.size(); i-- > 0;) {
        const std::size_t length = shortest_of(rules[i]);
        changed = changed || length < shortest[i];
        shortest[i] = std::min(shortest[i], length);
      }
    }
  }

  std::size_t shortest_of(const Node& node) const {
    switch (node.kind) {
      case NodeKind::literal:
        return node.text.size();
      case NodeKind::characters:
        return 1;
      case NodeKind::rule:
        return shortest[node.rule];
      case NodeKind::repeat:
        return node.low == 0
                   ? 0
                   : std::min(kEndless, node.low * std::min(kEndless / node.low,
                                                            shortest_of(node.children[0])));
      case NodeKind::sequence: {
        std::size_t sum = 0;
        for (const Node& child : node.children) sum = std::min(kEndless, sum + shortest_of(child));
        return sum;
      }
      case NodeKind::choice:
        break;
    }
    std::size_t least = kEndless;
    for (const Node& child : node.children) least = std::min(least, shortest_of(child));
    return least;
  }

  // Whether a text of the node may begin with this byte.
  bool may_begin(const Node& node, char byte, int depth = 8) const {
    if (depth == 0) return false;
    switch (node.kind) {
      case NodeKind::literal:
        return node.text.starts_with(byte);
      case NodeKind::characters:
        return holds(node, static_cast<unsigned char>(byte));
      case NodeKind::rule:
        return may_begin(rules[node.rule], byte, depth - 1);
      case NodeKind::repeat:
        return node.high > 0 && may_begin(node.children[0], byte, depth);
      case NodeKind::sequence:
        for (const Node& child : node.children) {
          if (may_begin(child, byte, depth)) return true;
          if (shortest_of(child) > 0) return false;
        }
        return false;
      case NodeKind::choice:
        break;
    }
    return std::any_of(node.children.begin(), node.children.end(),
                       [&](const Node& child) { return may_begin(child, byte, depth); });
  }

  void write(const Node& node, std::string_view& wish, std::string& out) const {
    switch (node.kind) {
      case NodeKind::literal:
        for (const char byte : node.text) {
          if (!wish.empty() && wish.front() == byte) wish.remove_prefix(1);
          out += byte;
        }
        return;
      case NodeKind::characters:
        if (!wish.empty() && holds(node, static_cast<unsigned char>(wish.front()))) {
          out += wish.front();
          wish.remove_prefix(1);
        } else {
          append_utf8(out, any_of(node));
        }
        return;
      case NodeKind::rule:
        return write(rules[node.rule], wish, out);
      case NodeKind::sequence:
        for (const Node& child : node.children) write(child, wish, out);
        return;
      case NodeKind::repeat:
        for (std::size_t i = 0; i < node.high; ++i) {
          if (i >= node.low && (wish.empty() || !may_begin(node.children[0], wish.front()))) return;
          write(node.children[0], wish, out);
        }
        return;
      case NodeKind::choice:
        return write(chosen(node, wish), wish, out);
    }
  }

 private:
  const Node& chosen(const Node& choice, std::string_view wish) const {
    const Node* least = &choice.children.front();
    for (const Node& child : choice.children) {
      if (!wish.empty() && may_begin(child, wish.front())) return child;
      if (shortest_of(child) < shortest_of(*least)) least = &child;
    }
    return *least;
  }

  static std::uint32_t any_of(const Node& characters) {
    for (const char32_t code : std::u32string_view(U"a1 A")) {
      if (holds(characters, code)) return code;
    }
    for (std::uint32_t code = 0x21; code < 0x7F; ++code) {
      if (holds(characters, code)) return code;
    }
    return characters.ranges.empty() ? 'a' : characters.ranges.front().first;
  }
};

GrammarText::GrammarText(std::unique_ptr<const Rules> rules) : rules_(std::move(rules)) {}
GrammarText::~GrammarText() = default;
GrammarText::GrammarText(GrammarText&& other) noexcept = default;
GrammarText& GrammarText::operator=(GrammarText&& other) noexcept = default;

Result<GrammarText> GrammarText::parse(std::string_view grammar) {
  auto rules = std::make_unique<Rules>();
  try {
    rules->rules = Reader().read(grammar);
  } catch (const Exception& fault) {
    return fault.error();
  }
  rules->measure();
  if (rules->shortest.front() >= kEndless) return internal_error("grammar", "has no finite text");
  return GrammarText(std::move(rules));
}

std::string GrammarText::write(std::string_view wish) const {
  std::string out;
  rules_->write(rules_->rules.front(), wish, out);
  return out;
}

}  // namespace hone::internal
