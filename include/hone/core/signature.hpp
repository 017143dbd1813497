// What a step takes and gives.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"
#include "hone/core/type.hpp"
#include "hone/core/value.hpp"

namespace hone {

// A named field. Its description (from its type) is shown to the model.
struct Field {
  std::string name;  // letters, digits and '_', not beginning with a digit
  Type type = Type::str();

  // The name as words for prompts: "search_query" -> "Search Query".
  std::string label() const;
  friend bool operator==(const Field&, const Field&) = default;
};

// Instructions, inputs and outputs. A value: every edit returns a new one. Build one from a string,
// from JSON, or from C++ structs (typed/signature_of.hpp):
//
//   Signature::parse("question, context: list[str] -> answer: str(..200), confidence: enum(low,
//   high)")
//
// A field may carry a description: `age: int(0..120) "in years"`. A field without a type is a str.
class Signature {
 public:
  // A bad string is a bad_request that points at the character and says what was expected there.
  static Result<Signature> parse(std::string_view text, std::string_view instructions = {});
  static Result<Signature> from_json(const Value& json, std::string_view where = "signature");
  // Field names must be well formed and different from each other, with at least one output.
  static Result<Signature> make(std::vector<Field> inputs, std::vector<Field> outputs,
                                std::string instructions = {});

  // Never empty: without given ones, "Given the fields a, b, produce the fields c."
  const std::string& instructions() const { return instructions_; }
  const std::vector<Field>& inputs() const { return inputs_; }
  const std::vector<Field>& outputs() const { return outputs_; }
  const Field* find(std::string_view name) const;  // nullptr when there is none
  const Field* find_output(std::string_view name) const;

  Signature with_instructions(std::string instructions) const;
  // At the end, or before position `at` of the inputs or outputs; bad_request on a name already
  // taken.
  Result<Signature> append_input(Field field) const;
  Result<Signature> append_output(Field field) const;
  Result<Signature> insert_input(std::size_t at, Field field) const;
  Result<Signature> insert_output(std::size_t at, Field field) const;
  Result<Signature> remove(std::string_view name) const;

  std::string to_string() const;  // the string form, without instructions; parse reads it back
  Value to_json() const;
  Hash hash() const;         // of everything, instructions included
  Hash fields_hash() const;  // of the fields alone: what a saved program must agree with

  // All inputs there and of their types; all faults at once. Fields the signature does not name are
  // allowed.
  Result<void> check_inputs(const Value& values, std::string_view where) const;
  Result<void> check_outputs(const Value& values, std::string_view where) const;

  friend bool operator==(const Signature&, const Signature&) = default;

 private:
  Signature() = default;
  std::string instructions_;
  std::vector<Field> inputs_;
  std::vector<Field> outputs_;
};

// Reads the text form of a type alone: "list[enum(a, b)]".
Result<Type> parse_type(std::string_view text);

}  // namespace hone
