#include "hone/adapter/prompt_template.hpp"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "hone/base/text.hpp"

#include "adapter/coercion.hpp"
#include "adapter/formats/layout.hpp"

namespace hone {
namespace {

constexpr std::array<std::string_view, kFormats.size()> kNames = {"chat", "completion", "json",
                                                                  "xml"};

std::shared_ptr<const internal::Layout> make_layout(const Signature& signature, Format format) {
  switch (format) {
    case Format::chat:
      return internal::make_chat_layout(signature);
    case Format::completion:
      return internal::make_completion_layout(signature);
    case Format::json:
      return internal::make_json_layout(signature);
    case Format::xml:
      return internal::make_xml_layout(signature);
  }
  return internal::make_chat_layout(signature);
}

}  // namespace

std::string_view to_string(Format format) {
  return kNames.at(static_cast<std::size_t>(format));
}

Result<Format> parse_format(std::string_view name) {
  const auto found = std::find(kNames.begin(), kNames.end(), name);
  if (found != kNames.end()) return kFormats.at(static_cast<std::size_t>(found - kNames.begin()));
  const std::vector<std::string> known(kNames.begin(), kNames.end());
  return bad_request("format", "unknown format '" + shorten(name, 40) + "'" +
                                   did_you_mean(name, known) + " (formats: " + join(known, ", ") +
                                   ")");
}

PromptTemplate::PromptTemplate(const Signature& signature, Format format,
                               const std::vector<Value>& demos)
    : layout_(make_layout(signature, format)),
      fixed_(
          std::make_shared<const Segments>(layout_->fixed(internal::sort_demos(signature, demos)))),
      plan_(std::make_shared<const ReplyPlan>(layout_->plan())) {}

Format PromptTemplate::format() const {
  return layout_->format();
}
const Signature& PromptTemplate::signature() const {
  return layout_->signature();
}

Prompt PromptTemplate::render(const Value& inputs) const {
  Segments rest;
  layout_->render(inputs, rest);
  return {fixed_, std::move(rest)};
}

ParsedReply PromptTemplate::parse(std::string_view reply) const {
  const std::string repaired = is_utf8(reply) ? std::string() : to_utf8(reply);
  const std::vector<internal::RawOutput> raw = layout_->read(repaired.empty() ? reply : repaired);
  ParsedReply parsed;
  Value::Object outputs;
  const auto& fields = signature().outputs();
  const bool readable =
      std::any_of(raw.begin(), raw.end(), [](const auto& output) { return output.found(); });
  for (std::size_t i = 0; i < fields.size(); ++i) {
    const Field& field = fields[i];
    std::optional<Value> value;
    if (raw[i].value) {
      value = internal::coerce_value(field.type, *raw[i].value, field.name, parsed.faults);
    } else if (raw[i].text) {
      value = internal::coerce_text(field.type, *raw[i].text, field.name, parsed.faults);
    } else if (readable && field.type.kind() == TypeKind::optional) {
      value = Value();
    } else {
      parsed.faults.push_back(internal::missing_fault(field.name, layout_->missing_hint(field)));
    }
    if (value) outputs.emplace_back(field.name, std::move(*value));
  }
  parsed.outputs = Value::object(std::move(outputs));
  return parsed;
}

std::string PromptTemplate::fault_message(const std::vector<Error>& faults) {
  std::string out = "Your last reply cannot be used:\n";
  for (const Error& fault : faults) out += "- " + fault.text() + "\n";
  return out + "Write the whole reply again in the layout asked for, with this mended.";
}

}  // namespace hone
