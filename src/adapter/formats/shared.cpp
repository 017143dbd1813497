#include "adapter/formats/shared.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "hone/base/text.hpp"

#include "adapter/field_text.hpp"
#include "adapter/grammar.hpp"
#include "adapter/json_repair.hpp"

namespace hone::internal {
namespace {

struct Entity {
  std::string_view name;
  char character;
};
constexpr std::array<Entity, 6> kEntities = {{{"&lt;", '<'},
                                              {"&gt;", '>'},
                                              {"&quot;", '"'},
                                              {"&apos;", '\''},
                                              {"&#39;", '\''},
                                              {"&amp;", '&'}}};

// An absent optional says as much as a null one.
bool is_supplied(const Value& demo, const Field& field) {
  return has_value(demo, field) || field.type.kind() == TypeKind::optional;
}

std::string lower_words(std::string_view name) {
  std::string words = to_lower(trim(name));
  std::replace(words.begin(), words.end(), '_', ' ');
  std::replace(words.begin(), words.end(), '-', ' ');
  return words;
}

bool same_label(std::string_view a, std::string_view b) {
  return lower_words(a) == lower_words(b);
}

// Whether a text ends with a "**" that closes emphasis opened before the text.
bool closes_emphasis(std::string_view text) {
  bool open = true;
  for (std::size_t at = text.find("**"); at != std::string_view::npos;
       at = text.find("**", at + 2)) {
    open = !open;
  }
  return !open && text.ends_with("**");
}

// The label and the rest of a line "**Label:** rest" or "**Label: rest**", or nothing.
struct LabelledLine {
  std::string_view label;
  std::string_view rest;
};
std::optional<LabelledLine> split_line(std::string_view line) {
  line = trim(line);
  const std::string_view all = line;
  while (!line.empty() && std::string_view("*#->").find(line.front()) != std::string_view::npos) {
    line = trim(line.substr(1));
  }
  const std::size_t colon = line.find(':');
  if (colon == std::string_view::npos || colon == 0) return std::nullopt;
  LabelledLine out{trim(line.substr(0, colon)), trim(line.substr(colon + 1))};
  // Only emphasis that opened before the label ends behind the colon or the rest.
  const std::string_view marks = all.substr(0, all.size() - line.size());
  const bool open = marks.find("**") != std::string_view::npos && !out.label.ends_with('*');
  while (out.label.ends_with('*')) out.label = trim(out.label.substr(0, out.label.size() - 1));
  if (open && out.rest.starts_with("**")) {
    out.rest = trim(out.rest.substr(2));
  } else if (open && closes_emphasis(out.rest)) {
    out.rest = trim(out.rest.substr(0, out.rest.size() - 2));
  }
  return out;
}

std::optional<std::size_t> find_label(const std::vector<std::string>& labels,
                                      std::string_view label) {
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (labels[i] == label) return i;
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (same_label(labels[i], label)) return i;
  }
  return std::nullopt;
}

}  // namespace

DemoSet sort_demos(const Signature& signature, const std::vector<Value>& demos) {
  DemoSet set;
  for (const Value& demo : demos) {
    if (!demo.is_object()) continue;
    const auto all = [&](const std::vector<Field>& fields) {
      return std::all_of(fields.begin(), fields.end(),
                         [&](const Field& field) { return is_supplied(demo, field); });
    };
    const auto any = [&](const std::vector<Field>& fields) {
      return std::any_of(fields.begin(), fields.end(),
                         [&](const Field& field) { return has_value(demo, field); });
    };
    if (all(signature.inputs()) && all(signature.outputs())) {
      Value filled = demo;
      for (const std::vector<Field>* fields : {&signature.inputs(), &signature.outputs()}) {
        for (const Field& field : *fields) {
          if (!demo.find(field.name)) filled = filled.with(field.name, Value());
        }
      }
      set.complete.push_back(std::move(filled));
    } else if (any(signature.inputs()) && any(signature.outputs())) {
      set.incomplete.push_back(demo);
    }
  }
  return set;
}

bool has_value(const Value& values, const Field& field) {
  const Value* value = values.find(field.name);
  return value && (!value->is_null() || field.type.kind() == TypeKind::optional);
}

std::string field_list(const Signature& signature) {
  std::string out;
  const auto list = [&](std::string_view title, const std::vector<Field>& fields) {
    if (fields.empty()) return;
    out += title;
    std::size_t number = 1;
    for (const Field& field : fields) {
      out += "\n" + std::to_string(number++) + ". `" + field.name + "` (" + type_name(field.type) +
             ")";
      if (!field.type.description().empty()) out += ": " + field.type.description();
    }
    out += "\n";
  };
  list("Your input fields:", signature.inputs());
  list("Your output fields:", signature.outputs());
  return out;
}

bool is_free_text(const Type& type) {
  const Type value_type = strip_optional(type);
  return value_type.kind() == TypeKind::str && value_type.limits() == Limits{};
}

ReplyPart text_slot(const Field& field, const SlotStyle& style) {
  const Choices choices = choices_of(field.type);
  if (!choices.labels.empty()) {
    LabelSlot slot;
    slot.field = field.name;
    slot.lead = style.lead;
    slot.close = style.close;
    for (const std::string& label : choices.labels) {
      std::string text = choices.is_boolean ? label : label_text(label);
      slot.labels.push_back(style.escape_labels ? escape_xml(text) : std::move(text));
    }
    if (!choices.null.empty()) slot.labels.push_back(choices.null);
    return slot;
  }
  TextSlot slot;
  slot.field = field.name;
  slot.lead = style.lead;
  if (is_free_text(field.type)) {
    slot.stop = style.text_stop;
    slot.max_tokens = kFreeTextTokens;
    return slot;
  }
  SlotGrammar grammar = text_slot_grammar(field.type, style.terminator);
  if (!grammar.has_end) slot.stop = {style.terminator};
  slot.grammar = std::move(grammar.text);
  slot.max_tokens = grammar.max_bytes;
  return slot;
}

std::string escape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (const char c : text) {
    if (c == '&') {
      out += "&amp;";
    } else if (c == '<') {
      out += "&lt;";
    } else {
      out.push_back(c);
    }
  }
  return out;
}

std::string unescape_xml(std::string_view text) {
  std::string out;
  out.reserve(text.size());
  for (std::size_t i = 0; i < text.size();) {
    const Entity* found = nullptr;
    if (text[i] == '&') {
      for (const Entity& entity : kEntities) {
        if (text.substr(i).starts_with(entity.name)) found = &entity;
      }
    }
    out.push_back(found ? found->character : text[i]);
    i += found ? found->name.size() : 1;
  }
  return out;
}

LabelledFields::LabelledFields(const Signature& signature) {
  std::set<std::string> seen;
  bool clash = false;
  const auto add = [&](const std::vector<Field>& fields, std::vector<std::string>& labels) {
    for (const Field& field : fields) {
      labels.push_back(field.label());
      clash = !seen.insert(lower_words(field.label())).second || clash;
    }
  };
  add(signature.inputs(), inputs);
  add(signature.outputs(), outputs);
  if (!clash) return;  // else names, which always differ
  for (std::size_t i = 0; i < inputs.size(); ++i) inputs[i] = signature.inputs()[i].name;
  for (std::size_t i = 0; i < outputs.size(); ++i) outputs[i] = signature.outputs()[i].name;
}

std::vector<RawOutput> read_labelled(std::string_view reply, const LabelledFields& fields,
                                     bool leading_text) {
  std::vector<RawOutput> outputs(fields.outputs.size());
  std::string leading;
  std::string* section = leading_text ? &leading : nullptr;
  bool seen_output = false;
  for (std::size_t at = 0; at <= reply.size();) {
    const std::size_t end = std::min(reply.find('\n', at), reply.size());
    const std::string_view line = reply.substr(at, end - at);
    at = end + 1;
    const std::optional<LabelledLine> labelled = split_line(line);
    if (labelled) {
      if (const auto index = find_label(fields.outputs, labelled->label)) {
        if (outputs[*index].found()) break;  // the model went on with another example
        outputs[*index].text = std::string(labelled->rest);
        section = &*outputs[*index].text;
        seen_output = true;
        continue;
      }
      if (find_label(fields.inputs, labelled->label)) {
        if (seen_output || !trim(leading).empty()) break;
        section = nullptr;
        continue;
      }
    }
    if (section) {
      if (!section->empty() || section != &leading) section->push_back('\n');
      section->append(line);
    }
  }
  for (RawOutput& output : outputs) {
    if (output.text) output.text = std::string(trim(*output.text));
  }
  if (!trim(leading).empty() && !outputs.front().found())
    outputs.front().text = std::string(trim(leading));
  return outputs;
}

std::vector<RawOutput> outputs_of_object(const Value& object, const Signature& signature) {
  std::vector<RawOutput> outputs(signature.outputs().size());
  if (!object.is_object()) return outputs;
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const std::string& name = signature.outputs()[i].name;
    const Value* member = object.find(name);
    for (const auto& [key, value] : object.as_object()) {
      if (!member && same_label(key, name)) member = &value;
    }
    if (member) outputs[i].value = *member;
  }
  return outputs;
}

std::vector<RawOutput> read_unmarked(std::string_view reply, const Signature& signature) {
  if (reply.find('{') != std::string_view::npos) {
    if (const auto object = repair_json(reply, JsonShape::object); object && object->is_object()) {
      std::vector<RawOutput> outputs = outputs_of_object(*object, signature);
      if (any_found(outputs)) return outputs;
    }
  }
  std::vector<RawOutput> outputs = read_labelled(reply, LabelledFields(signature), false);
  if (any_found(outputs) || outputs.size() != 1) return outputs;
  const bool is_text = strip_optional(signature.outputs().front().type).kind() == TypeKind::str;
  const std::string_view whole = is_text ? trim(reply) : without_fence(reply);
  if (!whole.empty()) outputs.front().text = std::string(whole);
  return outputs;
}

bool any_found(const std::vector<RawOutput>& outputs) {
  return std::any_of(outputs.begin(), outputs.end(),
                     [](const RawOutput& output) { return output.found(); });
}

}  // namespace hone::internal
