#include <utility>

#include "hone/base/text.hpp"

#include "adapter/field_text.hpp"
#include "adapter/formats/shared.hpp"

namespace hone::internal {
namespace {

constexpr std::string_view kCompleted = "[[ ## completed ## ]]";
constexpr std::string_view kNotSupplied = "Not supplied for this example.";

std::string marker(std::string_view name) {
  return "[[ ## " + std::string(name) + " ## ]]";
}

// The name in a marker that begins at `at` ("[[ ## label ## ]]", blanks free), and where the marker
// ends.
struct Marker {
  std::string_view name;
  std::size_t end = 0;
};
std::optional<Marker> marker_at(std::string_view text, std::size_t at) {
  const auto skip = [&](std::string_view part) {
    while (at < text.size() && (text[at] == ' ' || text[at] == '\t')) ++at;
    if (!text.substr(at).starts_with(part)) return false;
    at += part.size();
    return true;
  };
  if (!skip("[[") || !skip("##")) return std::nullopt;
  const std::size_t hash = text.find("##", at);
  const std::size_t line = text.find('\n', at);
  if (hash == std::string_view::npos || line < hash) return std::nullopt;
  Marker found;
  found.name = trim(text.substr(at, hash - at));
  at = hash;
  if (!skip("##") || !skip("]]")) return std::nullopt;
  found.end = at;
  return found;
}

class ChatLayout final : public Layout {
 public:
  explicit ChatLayout(const Signature& signature) : Layout(signature) {
    for (const Field& field : signature.inputs()) heads_.push_back(marker(field.name) + "\n");
    reminder_ = "Reply with the output fields, each below its marker: ";
    for (const Field& field : signature.outputs()) {
      const std::string note = type_note(field.type, false);
      reminder_ +=
          "`" + marker(field.name) + "`" + (note.empty() ? "" : " (" + note + ")") + ", then ";
    }
    reminder_ += "`" + std::string(kCompleted) + "`.";
  }

  Format format() const override { return Format::chat; }

  Segments fixed(const DemoSet& demos) const override {
    Segments out;
    out.emplace_back(Role::system, system_text());
    for (const Value& demo : demos.incomplete) {
      out.emplace_back(Role::user, std::string(kIncompleteNote) + "\n\n" + inputs_text(demo, true));
      out.emplace_back(Role::assistant, outputs_text(demo));
    }
    for (const Value& demo : demos.complete) {
      const std::string inputs = inputs_text(demo, false);
      out.emplace_back(Role::user, inputs.empty() ? std::string(kNoInputs) : inputs);
      out.emplace_back(Role::assistant, outputs_text(demo));
    }
    return out;
  }

  void render(const Value& inputs, Segments& out) const override {
    std::string text = inputs_text(inputs, false);
    if (!text.empty()) text += "\n\n";
    text += reminder_;
    out.emplace_back(Role::user, std::move(text));
  }

  ReplyPlan plan() const override {
    ReplyPlan plan;
    std::string forced;
    for (const Field& field : signature().outputs()) {
      plan.parts.emplace_back(ForcedText{forced + marker(field.name) + "\n"});
      plan.parts.push_back(text_slot(field, {.lead = {},
                                             .close = "\n",
                                             .terminator = "\n",
                                             .text_stop = {"[[ ##"},
                                             .escape_labels = false}));
      forced = "\n\n";
    }
    plan.stop = {std::string(kCompleted)};
    return plan;
  }

  std::vector<RawOutput> read(std::string_view reply) const override {
    std::vector<RawOutput> outputs(signature().outputs().size());
    RawOutput before;
    RawOutput* section = &before;
    std::size_t begin = 0;
    bool marked = false;
    const auto close = [&](std::size_t end) {
      if (section && !section->text)
        section->text = std::string(trim(reply.substr(begin, end - begin)));
    };
    for (std::size_t at = reply.find("[["); at != std::string_view::npos;
         at = reply.find("[[", at + 1)) {
      const std::optional<Marker> found = marker_at(reply, at);
      if (!found) continue;
      const std::optional<std::size_t> index = output_index(found->name);
      const bool known =
          index || to_lower(found->name) == "completed" || signature().find(found->name);
      if (!known) continue;
      close(at);
      // The first section of a name counts; text below any other marker is nobody's.
      section = index && !outputs[*index].found() ? &outputs[*index] : nullptr;
      begin = found->end;
      marked = marked || index;
    }
    close(reply.size());
    if (!marked) return read_unmarked(before.text.value_or(std::string()), signature());
    if (!outputs.front().found() && before.text && !before.text->empty()) outputs.front() = before;
    return outputs;
  }

  std::string missing_hint(const Field& field) const override {
    return "write it below the line " + marker(field.name);
  }

 private:
  std::optional<std::size_t> output_index(std::string_view name) const {
    const auto& fields = signature().outputs();
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (fields[i].name == name) return i;
    }
    for (std::size_t i = 0; i < fields.size(); ++i) {
      if (to_lower(fields[i].name) == to_lower(name)) return i;
    }
    return std::nullopt;
  }

  std::string system_text() const {
    std::string out = field_list(signature());
    out += "\nEvery message keeps to this layout, each value below the marker of its field:\n";
    for (const Field& field : signature().inputs())
      out += "\n" + marker(field.name) + "\n{" + field.name + "}\n";
    for (const Field& field : signature().outputs()) {
      out += "\n" + marker(field.name) + "\n{" + field.name + "}";
      if (const std::string note = type_note(field.type); !note.empty()) out += "        # " + note;
      out += "\n";
    }
    out += "\n" + std::string(kCompleted) + "\n\nYour task:\n";
    return out + std::string(trim(signature().instructions()));
  }

  std::string inputs_text(const Value& inputs, bool only_given) const {
    std::string out;
    out.reserve(512);
    for (std::size_t i = 0; i < heads_.size(); ++i) {
      const Field& field = signature().inputs()[i];
      const Value* value = inputs.find(field.name);
      if (only_given && !has_value(inputs, field)) continue;
      if (!out.empty()) out += "\n\n";
      out += heads_[i];
      if (value) out += plain_text(field.type, *value);
    }
    return out;
  }

  std::string outputs_text(const Value& demo) const {
    std::string out;
    for (const Field& field : signature().outputs()) {
      out += marker(field.name) + "\n";
      out += has_value(demo, field) ? plain_text(field.type, *demo.find(field.name))
                                    : std::string(kNotSupplied);
      out += "\n\n";
    }
    return out + std::string(kCompleted);
  }

  std::vector<std::string> heads_;
  std::string reminder_;
};

}  // namespace

std::unique_ptr<Layout> make_chat_layout(const Signature& signature) {
  return std::make_unique<ChatLayout>(signature);
}

}  // namespace hone::internal
