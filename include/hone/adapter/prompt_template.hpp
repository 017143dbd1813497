// Signature + demos + inputs -> prompt, and reply text -> values. All rendering and parsing starts
// here.
#pragma once

#include <array>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/prompt.hpp"
#include "hone/core/reply_plan.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/value.hpp"

namespace hone {

namespace internal {
class Layout;
}

// How a prompt is laid out; docs/adapter.md shows each one whole.
enum class Format {
  chat,        // messages with [[ ## field ## ]] markers, DSPy's layout
  completion,  // one running text of "Field: value" lines: what small and base models do best with
  json,        // messages; the reply is one JSON object
  xml,         // messages; every value inside <field>…</field>
};

inline constexpr std::array<Format, 4> kFormats = {Format::chat, Format::completion, Format::json,
                                                   Format::xml};

std::string_view to_string(Format format);
Result<Format> parse_format(std::string_view name);  // bad_request with near names

// What was read from a reply. `outputs` has every output that could be read; `faults` names every
// one that could not, in words a model can act on ("confidence: 'medium' is not one of low, high").
struct ParsedReply {
  Value outputs;
  std::vector<Error> faults;
  bool ok() const { return faults.empty(); }
};

// A signature in a format with its demos, rendered once; immutable, copies are cheap, const means
// concurrent.
//
// Demos are objects with the signature's fields. A demo with every field is complete; one that
// lacks some but has an input and an output is shown before the complete ones as far as it goes (in
// the completion format, with its missing fields left out); others are dropped.
class PromptTemplate {
 public:
  PromptTemplate(const Signature& signature, Format format, const std::vector<Value>& demos);

  // Cost: the inputs' text alone (about a microsecond a kilobyte). Precondition: the inputs fit the
  // signature (Signature::check_inputs); a missing input is rendered as empty.
  Prompt render(const Value& inputs) const;

  const std::shared_ptr<const ReplyPlan>& reply_plan() const { return plan_; }

  // Reads a reply to render()'s prompt: lenient about white space, quotes, case of labels, broken
  // JSON, extra text around it. Never throws; an unreadable reply has a fault for every output.
  ParsedReply parse(std::string_view reply) const;

  // A user message that tells the model what was wrong with its last reply, for a retry on a remote
  // model.
  static std::string fault_message(const std::vector<Error>& faults);

  Format format() const;
  const Signature& signature() const;

 private:
  std::shared_ptr<const internal::Layout> layout_;
  std::shared_ptr<const Segments> fixed_;
  std::shared_ptr<const ReplyPlan> plan_;
};

}  // namespace hone
