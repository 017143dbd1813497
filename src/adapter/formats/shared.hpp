// What several formats have in common.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "adapter/formats/layout.hpp"

namespace hone::internal {

inline constexpr std::size_t kFreeTextTokens = 256;

// Sentences of the message formats.
inline constexpr std::string_view kIncompleteNote =
    "This is an example in which some fields are left out.";
inline constexpr std::string_view kNoInputs = "There are no input fields.";

// "Your input fields:" and "Your output fields:", a numbered line each.
std::string field_list(const Signature& signature);

// Whether a demo has the field; null is a value of an optional only.
bool has_value(const Value& values, const Field& field);

// Whether a type's text is any text at all: a str (or an optional one) without limits.
bool is_free_text(const Type& type);

// How a slot in a plain text format is set.
struct SlotStyle {
  std::string lead;
  std::string close;       // after a label
  std::string terminator;  // after a value that has no end of its own; also its stop string
  std::vector<std::string> text_stop;  // after free text
  bool escape_labels = false;          // & and < as XML entities
};
ReplyPart text_slot(const Field& field, const SlotStyle& style);

std::string escape_xml(std::string_view text);
std::string unescape_xml(std::string_view text);

// "Field Name: value" sections. The labels of inputs end a section too (a model that goes on with
// an example of its own), as does a second section of the same field. Text before the first label
// goes to the first output when that has no section and `leading_text` is set.
struct LabelledFields {
  explicit LabelledFields(const Signature& signature);
  std::vector<std::string> inputs;  // labels, in the signature's order
  std::vector<std::string> outputs;
};
std::vector<RawOutput> read_labelled(std::string_view reply, const LabelledFields& fields,
                                     bool leading_text);

// The members of an object that name outputs, in any case and with blanks for underscores.
std::vector<RawOutput> outputs_of_object(const Value& object, const Signature& signature);

// A reply without the format's own marks: a JSON object with some output, labelled lines, or, when
// there is one output only, the whole text.
std::vector<RawOutput> read_unmarked(std::string_view reply, const Signature& signature);

bool any_found(const std::vector<RawOutput>& outputs);

}  // namespace hone::internal
