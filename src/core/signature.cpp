#include "hone/core/signature.hpp"

#include <algorithm>
#include <cctype>
#include <set>

#include "hone/base/text.hpp"

namespace hone {
namespace {

bool is_field_name(std::string_view name) {
  return !name.empty() && !std::isdigit(static_cast<unsigned char>(name.front())) &&
         std::all_of(name.begin(), name.end(),
                     [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; });
}

std::string name_list(const std::vector<Field>& fields) {
  std::vector<std::string> names;
  for (const Field& field : fields) names.push_back("`" + field.name + "`");
  return join(names, ", ");
}

std::string fields_text(const std::vector<Field>& fields) {
  std::vector<std::string> texts;
  for (const Field& field : fields) {
    std::string text = field.name + ": " + field.type.to_string();
    if (!field.type.description().empty()) text += " " + Value(field.type.description()).to_json();
    texts.push_back(std::move(text));
  }
  return join(texts, ", ");
}

Value fields_json(const std::vector<Field>& fields) {
  Value::List out;
  for (const Field& field : fields) {
    out.push_back(Value::object({{"name", field.name}, {"type", field.type.to_json()}}));
  }
  return Value(std::move(out));
}

Result<std::vector<Field>> fields_from_json(const Value& json, const std::string& where) {
  if (!json.is_list()) return bad_request(where, "expected a list of fields");
  std::vector<Field> fields;
  for (const Value& entry : json.as_list()) {
    const Value name = entry.get("name");
    if (!name.is_string()) return bad_request(where, "a field needs a \"name\"");
    const Value type = entry.get("type");
    Result<Type> parsed = type.is_string() ? parse_type(type.as_string())
                                           : Type::from_json(type, where + "." + name.as_string());
    if (!parsed) return parsed.error();
    Type field_type = *parsed;
    if (const Value text = entry.get("description"); text.is_string()) {
      field_type = field_type.with_description(text.as_string());
    }
    fields.push_back({name.as_string(), std::move(field_type)});
  }
  return fields;
}

Result<void> check_fields(const std::vector<Field>& fields, const Value& values,
                          std::string_view where) {
  std::vector<std::string> faults;
  const std::string prefix = where.empty() ? std::string() : std::string(where) + ": ";
  for (const Field& field : fields) {
    const Value* value = values.find(field.name);
    if (!value) {
      if (field.type.kind() == TypeKind::optional) continue;
      std::vector<std::string> there;
      if (values.is_object()) {
        for (const auto& [name, ignored] : values.as_object()) there.push_back(name);
      }
      faults.push_back(prefix + "field '" + field.name + "' is missing (there: " +
                       (there.empty() ? "nothing" : join(there, ", ")) + ")");
    } else if (Result<void> fits = field.type.check(*value, field.name); !fits) {
      faults.push_back(prefix + fits.error().message);
    }
  }
  if (faults.empty()) return {};
  return bad_request({}, join(faults, "; "));
}

}  // namespace

std::string Field::label() const {
  std::string out;
  bool start = true;
  for (const char c : name) {
    if (c == '_') {
      out.push_back(' ');
      start = true;
    } else {
      out.push_back(start ? static_cast<char>(std::toupper(static_cast<unsigned char>(c))) : c);
      start = false;
    }
  }
  return out;
}

Result<Signature> Signature::make(std::vector<Field> inputs, std::vector<Field> outputs,
                                  std::string instructions) {
  std::set<std::string> seen;
  for (const std::vector<Field>* fields : {&inputs, &outputs}) {
    for (const Field& field : *fields) {
      if (!is_field_name(field.name)) {
        return bad_request("signature",
                           "'" + field.name + "' is not a field name (letters, digits and '_')");
      }
      if (!seen.insert(field.name).second) {
        return bad_request("signature", "field '" + field.name + "' is there twice");
      }
    }
  }
  if (outputs.empty()) return bad_request("signature", "needs at least one output field");
  Signature out;
  if (trim(instructions).empty()) {
    instructions = inputs.empty() ? "Produce the fields " + name_list(outputs) + "."
                                  : "Given the fields " + name_list(inputs) +
                                        ", produce the fields " + name_list(outputs) + ".";
  }
  out.instructions_ = std::move(instructions);
  out.inputs_ = std::move(inputs);
  out.outputs_ = std::move(outputs);
  return out;
}

Result<Signature> Signature::from_json(const Value& json, std::string_view where) {
  const std::string place(where);
  if (json.is_string()) return parse(json.as_string());
  if (const Value text = json.get("signature"); text.is_string()) {
    const Value given = json.get("instructions");
    return parse(text.as_string(), given.is_string() ? given.as_string() : std::string());
  }
  auto inputs = fields_from_json(json.get("inputs"), place + ".inputs");
  if (!inputs) return inputs.error();
  auto outputs = fields_from_json(json.get("outputs"), place + ".outputs");
  if (!outputs) return outputs.error();
  const Value instructions = json.get("instructions");
  return make(std::move(*inputs), std::move(*outputs),
              instructions.is_string() ? instructions.as_string() : std::string());
}

const Field* Signature::find_output(std::string_view name) const {
  const auto found = std::find_if(outputs_.begin(), outputs_.end(),
                                  [&](const Field& field) { return field.name == name; });
  return found == outputs_.end() ? nullptr : &*found;
}

const Field* Signature::find(std::string_view name) const {
  const auto found = std::find_if(inputs_.begin(), inputs_.end(),
                                  [&](const Field& field) { return field.name == name; });
  return found != inputs_.end() ? &*found : find_output(name);
}

Signature Signature::with_instructions(std::string instructions) const {
  Signature out = *this;
  out.instructions_ = std::move(instructions);
  return out;
}

Result<Signature> Signature::append_input(Field field) const {
  return insert_input(inputs_.size(), std::move(field));
}
Result<Signature> Signature::append_output(Field field) const {
  return insert_output(outputs_.size(), std::move(field));
}

Result<Signature> Signature::insert_input(std::size_t at, Field field) const {
  std::vector<Field> fields = inputs_;
  fields.insert(fields.begin() + static_cast<std::ptrdiff_t>(std::min(at, fields.size())),
                std::move(field));
  return make(std::move(fields), outputs_, instructions_);
}

Result<Signature> Signature::insert_output(std::size_t at, Field field) const {
  std::vector<Field> fields = outputs_;
  fields.insert(fields.begin() + static_cast<std::ptrdiff_t>(std::min(at, fields.size())),
                std::move(field));
  return make(inputs_, std::move(fields), instructions_);
}

Result<Signature> Signature::remove(std::string_view name) const {
  if (!find(name))
    return bad_request("signature", "there is no field '" + std::string(name) + "' to remove");
  std::vector<Field> inputs = inputs_;
  std::vector<Field> outputs = outputs_;
  const auto is_it = [&](const Field& field) { return field.name == name; };
  std::erase_if(inputs, is_it);
  std::erase_if(outputs, is_it);
  return make(std::move(inputs), std::move(outputs), instructions_);
}

std::string Signature::to_string() const {
  return fields_text(inputs_) + (inputs_.empty() ? "-> " : " -> ") + fields_text(outputs_);
}

Value Signature::to_json() const {
  return Value::object({{"instructions", instructions_},
                        {"inputs", fields_json(inputs_)},
                        {"outputs", fields_json(outputs_)}});
}

Hash Signature::hash() const {
  return Hasher().add(instructions_).add(fields_hash()).finish();
}

Hash Signature::fields_hash() const {
  return to_json().without("instructions").hash();
}

Result<void> Signature::check_inputs(const Value& values, std::string_view where) const {
  return check_fields(inputs_, values, where);
}
Result<void> Signature::check_outputs(const Value& values, std::string_view where) const {
  return check_fields(outputs_, values, where);
}

}  // namespace hone
