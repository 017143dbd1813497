#include <utility>

#include "hone/adapter/schema.hpp"
#include "hone/base/text.hpp"

#include "adapter/field_text.hpp"
#include "adapter/formats/shared.hpp"
#include "adapter/grammar.hpp"
#include "adapter/json_repair.hpp"

namespace hone::internal {
namespace {

// A label as it stands between the quotes of a JSON string.
std::string string_body(const std::string& text) {
  const std::string json = Value(text).to_json();
  return json.substr(1, json.size() - 2);
}

// The members of a demo that `fields` name, in that order.
Value members(const Value& demo, const std::vector<Field>& fields) {
  Value::Object out;
  for (const Field& field : fields) {
    if (has_value(demo, field)) out.emplace_back(field.name, *demo.find(field.name));
  }
  return Value::object(std::move(out));
}

class JsonLayout final : public Layout {
 public:
  explicit JsonLayout(const Signature& signature) : Layout(signature) {
    reminder_ = "Reply with one JSON object with ";
    reminder_ += signature.outputs().size() == 1 ? "the key " : "these keys, in this order: ";
    std::vector<std::string> names;
    for (const Field& field : signature.outputs()) names.push_back(Value(field.name).to_json());
    reminder_ += join(names, ", ") + ".";
    for (const Field& field : signature.inputs()) {
      heads_.push_back((heads_.empty() ? "{" : ", ") + Value(field.name).to_json() + ": ");
    }
  }

  Format format() const override { return Format::json; }

  Segments fixed(const DemoSet& demos) const override {
    Segments out;
    out.emplace_back(Role::system, system_text());
    const auto add = [&](const Value& demo, const std::string& note) {
      const Value inputs = members(demo, signature().inputs());
      out.emplace_back(Role::user, note + (signature().inputs().empty() ? std::string(kNoInputs)
                                                                        : inputs.to_json()));
      out.emplace_back(Role::assistant, members(demo, signature().outputs()).to_json());
    };
    for (const Value& demo : demos.incomplete) add(demo, std::string(kIncompleteNote) + "\n\n");
    for (const Value& demo : demos.complete) add(demo, {});
    return out;
  }

  void render(const Value& inputs, Segments& out) const override {
    std::string text;
    text.reserve(512);
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      const Value* value = inputs.find(signature().inputs()[i].name);
      text += heads_[i];
      text += value ? value->to_json() : std::string("null");
    }
    if (!heads_.empty()) text += "}\n\n";
    text += reminder_;
    out.emplace_back(Role::user, std::move(text));
  }

  ReplyPlan plan() const override {
    ReplyPlan plan;
    std::string forced = "{";
    const auto& fields = signature().outputs();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const Type& type = fields[i].type;
      const std::string after = i + 1 == fields.size() ? "}" : ",";
      plan.parts.emplace_back(ForcedText{forced + Value(fields[i].name).to_json() + ":"});
      forced.clear();
      const Choices choices = choices_of(type);
      if (!choices.labels.empty()) {
        // A plain enum's quotes are forced; with null among the labels they are part of the choice.
        LabelSlot slot{fields[i].name, " ", {}, after, {}};
        const bool bare = !choices.is_boolean && choices.null.empty();
        for (const std::string& label : choices.labels) {
          slot.labels.push_back(bare                 ? string_body(label)
                                : choices.is_boolean ? label
                                                     : Value(label).to_json());
        }
        if (!choices.null.empty()) slot.labels.emplace_back("null");
        if (bare) {
          slot.lead = " \"";
          slot.close = "\"";
          forced = "\"";
        }
        plan.parts.emplace_back(std::move(slot));
      } else {
        const bool is_string = type.kind() == TypeKind::str;
        SlotGrammar grammar =
            is_string ? json_string_tail_grammar(type) : json_slot_grammar(type, after);
        TextSlot slot;
        slot.field = fields[i].name;
        slot.lead = is_string ? " \"" : " ";
        if (!grammar.has_end) slot.stop = {after};
        slot.grammar = std::move(grammar.text);
        slot.max_tokens = grammar.max_bytes;
        plan.parts.emplace_back(std::move(slot));
      }
      forced += i + 1 == fields.size() ? "}" : ", ";
    }
    plan.parts.emplace_back(ForcedText{forced});
    plan.json_schema = json_schema(fields);
    return plan;
  }

  std::vector<RawOutput> read(std::string_view reply) const override {
    if (reply.find('{') != std::string_view::npos) {
      if (const auto object = repair_json(reply, JsonShape::object);
          object && object->is_object()) {
        std::vector<RawOutput> outputs = outputs_of_object(*object, signature());
        if (any_found(outputs) || object->size() > 0) return outputs;
      }
    }
    if (trim(reply).empty()) return std::vector<RawOutput>(signature().outputs().size());
    // A bare list or value where one object with one member was asked for; bare text is no answer
    // to that.
    std::vector<RawOutput> outputs = read_unmarked(reply, signature());
    const bool is_text = strip_optional(signature().outputs().front().type).kind() == TypeKind::str;
    if (outputs.size() == 1 && is_text && outputs.front().text &&
        trim(reply) == *outputs.front().text)
      outputs.front() = {};
    return outputs;
  }

  std::string missing_hint(const Field& field) const override {
    return "give the JSON object the key " + Value(field.name).to_json();
  }

 private:
  std::string system_text() const {
    std::string out = field_list(signature());
    out += "\n";
    if (!signature().inputs().empty()) out += "The input is one JSON object. ";
    out += "Reply with one JSON object of this form and nothing else:\n{\n";
    bool first = true;
    for (const Field& field : signature().outputs()) {
      if (!first) out += ",\n";
      first = false;
      out +=
          "  " + Value(field.name).to_json() + ": " + json_sketch(field.type.with_description({}));
    }
    out += "\n}\n\nYour task:\n";
    return out + std::string(trim(signature().instructions()));
  }

  std::vector<std::string> heads_;
  std::string reminder_;
};

}  // namespace

std::unique_ptr<Layout> make_json_layout(const Signature& signature) {
  return std::make_unique<JsonLayout>(signature);
}

}  // namespace hone::internal
