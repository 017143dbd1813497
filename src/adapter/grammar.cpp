#include "adapter/grammar.hpp"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>
#include <vector>

#include "hone/adapter/schema.hpp"
#include "hone/base/text.hpp"
#include "hone/core/value.hpp"

#include "adapter/field_text.hpp"
#include "adapter/number_grammar.hpp"

namespace hone {
namespace internal {
namespace {

// Bounds for types without limits of their own: every value ends by the grammar, never by running
// out of tokens in its middle.
constexpr std::size_t kTopString = 640;
constexpr std::size_t kInnerString = 120;
constexpr std::size_t kTopItems = 8;
constexpr std::size_t kInnerItems = 4;
constexpr std::size_t kMostString = 1024;  // a counted string is a rule a byte
constexpr std::size_t kMostItems = 64;

std::string literal(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    switch (c) {
      case '"':
        out += "\\\"";
        break;
      case '\\':
        out += "\\\\";
        break;
      case '\n':
        out += "\\n";
        break;
      case '\r':
        out += "\\r";
        break;
      case '\t':
        out += "\\t";
        break;
      default:
        out.push_back(c);
    }
  }
  return out + "\"";
}

struct Rule {
  std::string name;
  std::size_t max_bytes = 0;
  bool has_end = true;
};

class GrammarBuilder {
 public:
  std::string finish(const std::string& root) const {
    std::string out = "root ::= " + root + "\n";
    for (const auto& [name, body] : rules_)
      out.append(name).append(" ::= ").append(body).append("\n");
    return out;
  }

  // JSON strings whose text is `min` to `max` bytes, counted as written (an escape counts two),
  // closing quote included and opening quote not. One rule a byte keeps the count exact whatever
  // the script: a regular expression counts characters, but limits are bytes.
  std::string string_tail(std::size_t min, std::size_t max) {
    const std::string stem = min == 0 ? "s" : "s" + std::to_string(min) + "-" + std::to_string(max);
    for (std::size_t left = 0; left <= max; ++left) {
      const std::size_t used = max - left;
      const bool may_end = min == 0 || used >= min;
      std::vector<std::string> parts;
      if (may_end) parts.emplace_back(R"("\"")");
      const auto step = [&](const char* chars, std::size_t bytes) {
        if (left >= bytes) {
          parts.push_back(std::string(chars) + " " + stem + "-" + std::to_string(left - bytes));
        }
      };
      step(R"([ !#-\[\]-~])", 1);
      step(R"([\u0080-\u07FF])", 2);
      step(R"([\u0800-\uFFFF])", 3);
      step(R"([\U00010000-\U0010FFFF])", 4);
      if (may_end) step(R"("\\" ["\\/nt])", 2);
      add(stem + "-" + std::to_string(left), join(parts, " | "));
    }
    return stem + "-" + std::to_string(max);
  }

  // One line of `min` to `max` bytes that neither begins nor ends with a blank (readers trim
  // those).
  std::string line(std::size_t min, std::size_t max) {
    const std::string stem = "l" + std::to_string(min) + "-" + std::to_string(max);
    const auto name = [&](bool after_blank, std::size_t left) {
      return stem + (after_blank ? "b-" : "-") + std::to_string(left);
    };
    for (std::size_t left = 0; left <= max; ++left) {
      for (const bool after_blank : {false, true}) {
        if (after_blank && (left == 0 || left == max)) continue;
        std::vector<std::string> parts;
        if (!after_blank && max - left >= min) parts.emplace_back("\"\"");
        const auto step = [&](const char* chars, std::size_t bytes, bool blank) {
          if (left >= bytes && !(blank && left == bytes)) {
            parts.push_back(std::string(chars) + " " + name(blank, left - bytes));
          }
        };
        step("[!-~]", 1, false);
        if (left != max) step("\" \"", 1, true);
        step(R"([\u0080-\u07FF])", 2, false);
        step(R"([\u0800-\uFFFF])", 3, false);
        step(R"([\U00010000-\U0010FFFF])", 4, false);
        add(name(after_blank, left), join(parts, " | "));
      }
    }
    return name(false, max);
  }

  Rule json(const Type& type, int depth) {
    const Limits& limits = type.limits();
    switch (type.kind()) {
      case TypeKind::str: {
        const auto [low, high] = string_bounds(limits, depth);
        return rule("string", "\"\\\"\" " + string_tail(low, high), high + 2);
      }
      case TypeKind::integer: {
        NumberPattern number = integer_pattern(limits);
        return rule("int", std::move(number.expression), number.max_bytes, false);
      }
      case TypeKind::real: {
        NumberPattern number = real_pattern(limits);
        return rule("number", std::move(number.expression), number.max_bytes, false);
      }
      case TypeKind::boolean:
        return rule("bool", "\"true\" | \"false\"", 5);
      case TypeKind::enumeration: {
        std::vector<std::string> parts;
        std::size_t longest = 0;
        for (const std::string& label : type.labels()) {
          const std::string text = Value(label).to_json();
          longest = std::max(longest, text.size());
          parts.push_back(literal(text));
        }
        return rule("label", join(parts, " | "), longest);
      }
      case TypeKind::optional: {
        const Rule element = json(type.element(), depth);
        return rule("optional", "\"null\" | " + element.name,
                    std::max<std::size_t>(element.max_bytes, 4), element.has_end);
      }
      case TypeKind::list:
        return json_list(type, depth);
      case TypeKind::structure: {
        std::string body;
        std::string between = "{";
        std::size_t bytes = 1;
        for (const TypeField& field : type.fields()) {
          const std::string head = between + Value(field.name).to_json() + ": ";
          const Rule member = json(field.type, depth + 1);
          body += literal(head) + " " + member.name + " ";
          bytes += head.size() + member.max_bytes;
          between = ", ";
        }
        body += literal(type.fields().empty() ? "{}" : "}");
        return rule("object", body, bytes + 2);
      }
    }
    return {};
  }

  Rule text(const Type& type, int depth) {
    switch (type.kind()) {
      case TypeKind::str: {
        if (!type.limits().min_length && !type.limits().max_length)
          return {"[^\\r\\n]*", 4096, false};
        const auto [low, high] = string_bounds(type.limits(), 0);
        return {line(low, high), high, false};
      }
      case TypeKind::enumeration: {
        std::vector<std::string> parts;
        std::size_t longest = 0;
        bool prefix = false;
        for (const std::string& label : type.labels()) {
          const std::string shown = label_text(label);
          longest = std::max(longest, shown.size());
          parts.push_back(literal(shown));
          for (const std::string& other : type.labels()) {
            prefix = prefix || (other != label && label_text(other).starts_with(shown));
          }
        }
        return rule("label", join(parts, " | "), longest, !prefix);
      }
      case TypeKind::optional: {
        const Choices choices = choices_of(type);
        const std::string null = choices.null.empty() ? std::string(kNullWord) : choices.null;
        const Rule element = text(type.element(), depth);
        const bool has_end = element.has_end && type.element().kind() != TypeKind::enumeration;
        return rule("optional", literal(null) + " | " + element.name,
                    std::max(element.max_bytes, null.size()), has_end);
      }
      default:
        return json(type, depth);
    }
  }

 private:
  static std::pair<std::size_t, std::size_t> string_bounds(const Limits& limits, int depth) {
    std::size_t high = limits.max_length.value_or(depth == 0 ? kTopString : kInnerString);
    const std::size_t low = std::min(limits.min_length.value_or(0), kMostString);
    high = std::min(high, kMostString);
    if (!limits.max_length) high = std::max(high, std::min(low * 2, kMostString));
    return {std::min(low, high), high};
  }

  Rule json_list(const Type& type, int depth) {
    const Limits& limits = type.limits();
    const std::size_t low = std::min(limits.min_length.value_or(0), kMostItems);
    std::size_t high =
        limits.max_length.value_or(std::max(depth == 0 ? kTopItems : kInnerItems, low));
    high = std::max(std::min(high, kMostItems), low);
    if (high == 0) return rule("list", "\"[]\"", 2);
    const Rule item = json(type.element(), depth + 1);
    const std::string more = std::to_string(low > 0 ? low - 1 : 0) + "," + std::to_string(high - 1);
    std::string body = "\"[\" " + item.name +
                       (high > 1 ? " (\", \" " + item.name + "){" + more + "}" : "") + " \"]\"";
    if (low == 0) body = "\"[]\" | " + body;
    return rule("list", body, 2 + high * (item.max_bytes + 2));
  }

  void add(const std::string& name, std::string body) {
    if (!known_.emplace(name, body).second) return;
    rules_.emplace_back(name, std::move(body));
  }

  // A rule of its own; equal ones are shared.
  Rule rule(const std::string& stem, std::string body, std::size_t max_bytes, bool has_end = true) {
    for (const auto& [name, known] : rules_) {
      if (known == body) return {name, max_bytes, has_end};
    }
    std::string name = stem;
    for (int i = 2; known_.contains(name); ++i) name = stem + std::to_string(i);
    add(name, std::move(body));
    return {name, max_bytes, has_end};
  }

  std::vector<std::pair<std::string, std::string>> rules_;
  std::map<std::string, std::string> known_;
};

SlotGrammar with_terminator(const GrammarBuilder& builder, const Rule& rule,
                            std::string_view terminator) {
  SlotGrammar grammar;
  grammar.has_end = rule.has_end;
  const bool open = !rule.has_end && !terminator.empty();
  grammar.text = builder.finish(open ? rule.name + " " + literal(terminator) : rule.name);
  grammar.max_bytes = rule.max_bytes + (open ? terminator.size() : 0);
  return grammar;
}

}  // namespace

SlotGrammar json_slot_grammar(const Type& type, std::string_view terminator) {
  GrammarBuilder builder;
  const Rule rule = builder.json(type, 0);
  return with_terminator(builder, rule, terminator);
}

SlotGrammar json_string_tail_grammar(const Type& type) {
  const Limits& limits = type.limits();
  const std::size_t low = std::min(limits.min_length.value_or(0), kMostString);
  const std::size_t open_high = std::max(kTopString, std::min(low * 2, kMostString));
  const std::size_t high =
      std::max(std::min(limits.max_length.value_or(open_high), kMostString), low);
  GrammarBuilder builder;
  const std::string root = builder.string_tail(low, high);
  return {builder.finish(root), high + 1, true};
}

SlotGrammar text_slot_grammar(const Type& type, std::string_view terminator) {
  GrammarBuilder builder;
  const Rule rule = builder.text(type, 0);
  return with_terminator(builder, rule, terminator);
}

}  // namespace internal

std::string json_grammar(const Type& type) {
  return internal::json_slot_grammar(type, {}).text;
}
std::string text_grammar(const Type& type) {
  return internal::text_slot_grammar(type, {}).text;
}

}  // namespace hone
