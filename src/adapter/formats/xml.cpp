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

std::size_t find_tag(const std::string& lower_text, std::string_view open, const std::string& name,
                     std::size_t from) {
  const std::string tag = std::string(open) + name;
  for (std::size_t at = lower_text.find(tag, from); at != std::string::npos;
       at = lower_text.find(tag, at + 1)) {
    const std::size_t after = lower_text.find_first_not_of(" \t", at + tag.size());
    if (after != std::string::npos && lower_text[after] == '>') return at;
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
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const std::string name = to_lower(fields[i].name);
      const std::size_t open = find_tag(lower, "<", name, 0);
      if (open == std::string::npos) continue;
      const std::size_t begin = lower.find('>', open) + 1;
      const std::string_view content =
          reply.substr(begin, content_end(reply, lower, fields[i], begin) - begin);
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
    // A tag cut short by a stop string or a token limit is not part of the value.
    return std::min(end, lower.find("</", begin));
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
