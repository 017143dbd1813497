#include <algorithm>
#include <utility>

#include "hone/base/text.hpp"

#include "adapter/field_text.hpp"
#include "adapter/formats/shared.hpp"

namespace hone::internal {
namespace {

bool holds_json(const Type& type) {
  const TypeKind kind = strip_optional(type).kind();
  return kind == TypeKind::list || kind == TypeKind::structure;
}

// Inside JSON a "<" is written as an escape, so that no value can look like a closing tag.
std::string json_without_tags(const Value& value) {
  std::string out;
  for (const char c : value.to_json()) {
    if (c == '<') {
      out += "\\u003c";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string element(const Field& field, const Value& value) {
  const bool json = holds_json(field.type) && !value.is_null();
  return "<" + field.name + ">" +
         (json ? json_without_tags(value) : escape_xml(plain_text(field.type, value))) + "</" +
         field.name + ">";
}

std::size_t find_tag(std::string_view text, std::string_view open, const std::string& name,
                     std::size_t from) {
  const std::string tag = std::string(open) + name;
  for (std::size_t at = text.find(tag, from); at != std::string::npos;
       at = text.find(tag, at + 1)) {
    const std::size_t after = text.find_first_not_of(" \t", at + tag.size());
    if (after != std::string::npos && text[after] == '>') return at;
  }
  return std::string::npos;
}

// Where a field's element begins: after the fields before it if it is there, else anywhere; names
// may differ in case alone, so the one written alike comes first.
std::size_t find_element(std::string_view reply, std::string_view lower, const std::string& name,
                         std::size_t from) {
  for (const std::size_t begin : {from, std::size_t{0}}) {
    std::size_t at = find_tag(reply, "<", name, begin);
    if (at == std::string::npos) at = find_tag(lower, "<", to_lower(name), begin);
    if (at != std::string::npos) return at;
  }
  return std::string::npos;
}

class XmlLayout final : public Layout {
 public:
  explicit XmlLayout(const Signature& signature) : Layout(signature) {
    reminder_ = signature.outputs().size() == 1 ? "Reply with the field "
                                                : "Reply with these fields, in this order: ";
    std::vector<std::string> tags;
    for (const Field& field : signature.outputs()) {
      const std::string note = type_note(field.type, false);
      tags.push_back("<" + field.name + ">" + (note.empty() ? "" : " (" + note + ")"));
    }
    reminder_ += join(tags, ", ") + ".";
  }

  Format format() const override { return Format::xml; }

  Segments fixed(const DemoSet& demos) const override {
    Segments out;
    out.emplace_back(Role::system, system_text());
    const auto add = [&](const Value& demo, const std::string& note) {
      const std::string inputs = elements(demo, signature().inputs(), true);
      out.emplace_back(Role::user, note + (inputs.empty() ? std::string(kNoInputs) : inputs));
      out.emplace_back(Role::assistant, elements(demo, signature().outputs(), true));
    };
    for (const Value& demo : demos.incomplete) add(demo, std::string(kIncompleteNote) + "\n\n");
    for (const Value& demo : demos.complete) add(demo, {});
    return out;
  }

  void render(const Value& inputs, Segments& out) const override {
    std::string text = elements(inputs, signature().inputs(), false);
    if (!text.empty()) text += "\n\n";
    text += reminder_;
    out.emplace_back(Role::user, std::move(text));
  }

  ReplyPlan plan() const override {
    ReplyPlan plan;
    std::string forced;
    for (const Field& field : signature().outputs()) {
      const std::string end = "</" + field.name + ">";
      plan.parts.emplace_back(ForcedText{forced + "<" + field.name + ">"});
      plan.parts.push_back(text_slot(field, {.lead = {},
                                             .close = "</",
                                             .terminator = "</",
                                             .text_stop = {end},
                                             .escape_labels = true}));
      forced = end + "\n";
    }
    forced.pop_back();
    plan.parts.emplace_back(ForcedText{forced});
    plan.stop = {forced};
    return plan;
  }

  std::vector<RawOutput> read(std::string_view reply) const override {
    const auto& fields = signature().outputs();
    std::vector<RawOutput> outputs(fields.size());
    const std::string lower = to_lower(reply);
    std::size_t end = 0;  // of the field before: a value may name the tag of a later one
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::size_t open = find_element(reply, lower, fields[i].name, end);
      if (open == std::string::npos) continue;
      const std::size_t begin = lower.find('>', open) + 1;
      end = content_end(reply, lower, fields[i], begin);
      const std::string_view content = reply.substr(begin, end - begin);
      const bool json = holds_json(fields[i].type);
      outputs[i].text = json ? std::string(trim(content)) : unescape_xml(trim(content));
    }
    return any_found(outputs) ? outputs : read_unmarked(reply, signature());
  }

  std::string missing_hint(const Field& field) const override {
    return "write it as <" + field.name + ">…</" + field.name + ">";
  }

 private:
  // Where a value ends: at its closing tag (of several, for JSON, the first that leaves a whole
  // value), else at the next field, else at the end.
  std::size_t content_end(std::string_view reply, const std::string& lower, const Field& field,
                          std::size_t begin) const {
    const std::string name = to_lower(field.name);
    const std::size_t first = find_tag(lower, "</", name, begin);
    if (first != std::string::npos) {
      if (!holds_json(field.type)) return first;
      constexpr int kTries = 8;
      std::size_t end = first;
      for (int i = 0; i < kTries && end != std::string::npos; ++i) {
        if (Value::parse_json(trim(reply.substr(begin, end - begin)))) return end;
        end = find_tag(lower, "</", name, end + 1);
      }
      return first;
    }
    std::size_t end = lower.size();
    for (const Field& other : signature().outputs()) {
      end = std::min(end, find_tag(lower, "<", to_lower(other.name), begin));
    }
    const std::string_view rest = trim(std::string_view(lower).substr(begin, end - begin));
    if (rest.empty()) return end;
    end = static_cast<std::size_t>(rest.data() - lower.data()) + rest.size();
    // A tag cut short by a stop string or a token limit is not part of the value.
    const std::string tag = "</" + name + ">";
    for (std::size_t length = std::min(tag.size() - 1, rest.size()); length > 0; --length) {
      if (rest.ends_with(std::string_view(tag).substr(0, length))) return end - length;
    }
    // Nor is a last closing tag of what the value did not open.
    const std::size_t close = rest.rfind("</");
    if (close == std::string_view::npos || rest.find('>', close) != rest.size() - 1) return end;
    const std::string other(rest.substr(close + 2, rest.size() - close - 3));
    return rest.find("<" + other) == std::string_view::npos ? end - (rest.size() - close) : end;
  }

  std::string system_text() const {
    std::string out = field_list(signature());
    out +=
        "\nEvery value stands inside the tags of its field. Reply in this layout and with nothing "
        "else:\n\n";
    for (const Field& field : signature().outputs()) {
      out += "<" + field.name + ">{" + field.name + "}</" + field.name + ">";
      if (const std::string note = type_note(field.type); !note.empty()) out += "        # " + note;
      out += "\n";
    }
    out += "\nYour task:\n";
    return out + std::string(trim(signature().instructions()));
  }

  static std::string elements(const Value& values, const std::vector<Field>& fields,
                              bool only_given) {
    std::string out;
    out.reserve(256);
    for (const Field& field : fields) {
      const Value* value = values.find(field.name);
      if (only_given && !has_value(values, field)) continue;
      if (!out.empty()) out += "\n";
      out += value ? element(field, *value) : "<" + field.name + "></" + field.name + ">";
    }
    return out;
  }

  std::string reminder_;
};

}  // namespace

std::unique_ptr<Layout> make_xml_layout(const Signature& signature) {
  return std::make_unique<XmlLayout>(signature);
}

}  // namespace hone::internal
