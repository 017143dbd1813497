#include <algorithm>
#include <utility>

#include "hone/base/text.hpp"

#include "adapter/field_text.hpp"
#include "adapter/formats/shared.hpp"

namespace hone::internal {
namespace {

// Longer lists of labels cost more, on every call of a small model, than they help it: demos show
// them.
constexpr std::size_t kListedLabels = 16;
constexpr std::size_t kListedBytes = 480;  // about 120 tokens

// How line breaks in a value are kept from breaking the layout.
enum class Lines {
  indent,   // inputs: two blanks before every further line
  keep,     // the last output: the reply ends at an empty line, so only those must go
  one_line  // other outputs: the reply's value ends with its line
};

void append_value(std::string& out, std::string_view value, Lines lines) {
  value = trim(value);
  if (value.find_first_of("\r\n") == std::string_view::npos) {
    out += value;
    return;
  }
  bool first = true;
  for (std::size_t at = 0; at <= value.size();) {
    const std::size_t end = std::min(value.find_first_of("\r\n", at), value.size());
    const std::string_view line = value.substr(at, end - at);
    at = end + 1;
    if (trim(line).empty()) continue;
    if (!first) out += lines == Lines::indent ? "\n  " : lines == Lines::keep ? "\n" : " ";
    first = false;
    out += trim(line);
  }
}

class CompletionLayout final : public Layout {
 public:
  explicit CompletionLayout(const Signature& signature) : Layout(signature), labels_(signature) {
    for (const std::string& label : labels_.inputs)
      heads_.push_back((heads_.empty() ? "\n\n" : "\n") + label + ":");
  }

  Format format() const override { return Format::completion; }

  Segments fixed(const DemoSet& demos) const override {
    Segments out;
    out.emplace_back(Role::text, head_text(demos));
    for (const std::vector<Value>* set : {&demos.incomplete, &demos.complete}) {
      for (const Value& demo : *set) out.emplace_back(Role::text, demo_text(demo));
    }
    return out;
  }

  void render(const Value& inputs, Segments& out) const override {
    if (heads_.empty()) return;
    std::string text;
    text.reserve(512);
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      const Field& field = signature().inputs()[i];
      text += heads_[i];
      append_field(text, field, inputs.find(field.name), Lines::indent);
    }
    out.emplace_back(Role::text, std::move(text));
  }

  ReplyPlan plan() const override {
    ReplyPlan plan;
    const auto& fields = signature().outputs();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      const bool first_of_all = i == 0 && heads_.empty();
      plan.parts.emplace_back(
          ForcedText{(first_of_all ? "\n\n" : "\n") + labels_.outputs[i] + ":"});
      const std::string end = i + 1 == fields.size() ? "\n\n" : "\n";
      plan.parts.push_back(text_slot(fields[i], {.lead = " ",
                                                 .close = "\n",
                                                 .terminator = "\n",
                                                 .text_stop = {end},
                                                 .escape_labels = false}));
    }
    plan.stop = {"\n\n"};
    return plan;
  }

  std::vector<RawOutput> read(std::string_view reply) const override {
    std::vector<RawOutput> outputs = read_labelled(reply, labels_, true);
    const bool bare_object = trim(reply).starts_with('{') || trim(reply).starts_with("```");
    if (outputs.size() > 1 && bare_object) {
      std::vector<RawOutput> members = read_unmarked(reply, signature());
      if (any_found(members)) return members;
    }
    return outputs;
  }

  std::string missing_hint(const Field& field) const override {
    return "write a line that begins with \"" + output_label(field) + ":\"";
  }

 private:
  std::string output_label(const Field& field) const {
    for (std::size_t i = 0; i < labels_.outputs.size(); ++i) {
      if (signature().outputs()[i].name == field.name) return labels_.outputs[i];
    }
    return field.label();
  }

  // Whether the complete demos show every label there is: then a line that lists them says nothing
  // new.
  static bool shows_all_labels(const DemoSet& demos, const Field& field) {
    const Type type = strip_optional(field.type);
    if (type.kind() != TypeKind::enumeration) return false;
    return std::all_of(type.labels().begin(), type.labels().end(), [&](const std::string& label) {
      return std::any_of(demos.complete.begin(), demos.complete.end(),
                         [&](const Value& demo) { return demo.get(field.name) == Value(label); });
    });
  }

  std::string head_text(const DemoSet& demos) const {
    std::string out(trim(signature().instructions()));
    for (std::size_t i = 0; i < labels_.inputs.size(); ++i) {
      add_note(out, labels_.inputs[i], {}, signature().inputs()[i].type.description());
    }
    for (std::size_t i = 0; i < labels_.outputs.size(); ++i) {
      const Type& type = signature().outputs()[i].type;
      const bool shown = shows_all_labels(demos, signature().outputs()[i]);
      add_note(out, labels_.outputs[i], shown ? std::string() : output_note(type),
               type.description());
    }
    return out;
  }

  // Only what a line of the demos would not show by itself: a plain number or text needs no words.
  static std::string output_note(const Type& type) {
    const Type value_type = strip_optional(type);
    const bool has_limits = !(value_type.limits() == Limits{});
    switch (value_type.kind()) {
      case TypeKind::str:
      case TypeKind::integer:
      case TypeKind::real:
        if (!has_limits && type.kind() != TypeKind::optional) return {};
        break;
      case TypeKind::enumeration: {
        std::size_t bytes = 0;
        for (const std::string& label : value_type.labels()) bytes += label.size() + 2;
        if (value_type.labels().size() > kListedLabels || bytes > kListedBytes) return {};
        std::string note = type_note(type);
        if (note.starts_with("exactly ")) note.erase(0, 8);
        return note;
      }
      default:
        break;
    }
    return type_note(type);
  }

  static void add_note(std::string& out, const std::string& label, const std::string& note,
                       const std::string& description) {
    std::string about(trim(description));
    while (about.ends_with('.')) about.pop_back();
    if (note.empty() && about.empty()) return;
    out += "\n" + label + " is " + (note.empty() ? about : note);
    if (!note.empty() && !about.empty()) out += " (" + about + ")";
    out += ".";
  }

  // Nothing, not even the blank, when there is no value: a line then ends with its colon.
  static void append_field(std::string& out, const Field& field, const Value* value, Lines lines) {
    if (!value) return;
    const std::size_t before = out.size();
    out.push_back(' ');
    if (value->is_string() && field.type.kind() == TypeKind::str && is_utf8(value->as_string())) {
      append_value(out, value->as_string(), lines);
    } else {
      append_value(out, plain_text(field.type, *value), lines);
    }
    if (out.size() == before + 1) out.pop_back();
  }

  std::string demo_text(const Value& demo) const {
    std::string out;
    const auto add = [&](const Field& field, const std::string& label, Lines lines) {
      if (!has_value(demo, field)) return;
      out += (out.empty() ? "\n\n" : "\n") + label + ":";
      append_field(out, field, demo.find(field.name), lines);
    };
    const auto& outputs = signature().outputs();
    for (std::size_t i = 0; i < labels_.inputs.size(); ++i) {
      add(signature().inputs()[i], labels_.inputs[i], Lines::indent);
    }
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      add(outputs[i], labels_.outputs[i], i + 1 == outputs.size() ? Lines::keep : Lines::one_line);
    }
    return out;
  }

  LabelledFields labels_;
  std::vector<std::string> heads_;
};

}  // namespace

std::unique_ptr<Layout> make_completion_layout(const Signature& signature) {
  return std::make_unique<CompletionLayout>(signature);
}

}  // namespace hone::internal
