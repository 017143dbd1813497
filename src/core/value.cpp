#include "hone/core/value.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace hone {

std::string_view to_string(ValueKind kind) {
  switch (kind) {
    case ValueKind::null:
      return "null";
    case ValueKind::boolean:
      return "bool";
    case ValueKind::integer:
      return "int";
    case ValueKind::real:
      return "float";
    case ValueKind::string:
      return "str";
    case ValueKind::list:
      return "list";
    case ValueKind::object:
      return "object";
  }
  return "null";
}

Value::Value(List items) : state_(std::make_shared<const List>(std::move(items))) {}

Value Value::object(Object fields) {
  Object unique;
  unique.reserve(fields.size());
  for (auto& [name, value] : fields) {
    const auto same = std::find_if(unique.begin(), unique.end(),
                                   [&](const auto& field) { return field.first == name; });
    if (same != unique.end()) {
      same->second = std::move(value);
    } else {
      unique.emplace_back(std::move(name), std::move(value));
    }
  }
  Value out;
  out.state_ = std::make_shared<const Object>(std::move(unique));
  return out;
}

Value Value::strings(const std::vector<std::string>& items) {
  return Value(List(items.begin(), items.end()));
}
Value Value::numbers(const std::vector<double>& items) {
  return Value(List(items.begin(), items.end()));
}

double Value::as_double() const {
  if (const auto* integer = std::get_if<std::int64_t>(&state_))
    return static_cast<double>(*integer);
  return std::get<double>(state_);
}

const Value* Value::find(std::string_view name) const {
  if (!is_object()) return nullptr;
  for (const auto& [field, value] : as_object()) {
    if (field == name) return &value;
  }
  return nullptr;
}

Value Value::get(std::string_view name) const {
  const Value* found = find(name);
  return found ? *found : Value();
}

Value Value::with(std::string_view name, Value value) const {
  Object fields = is_object() ? as_object() : Object{};
  fields.emplace_back(std::string(name), std::move(value));
  return object(std::move(fields));
}

Value Value::without(std::string_view name) const {
  if (!is_object()) return *this;
  Object fields = as_object();
  std::erase_if(fields, [&](const auto& field) { return field.first == name; });
  return object(std::move(fields));
}

std::size_t Value::size() const {
  if (is_list()) return as_list().size();
  if (is_object()) return as_object().size();
  return 0;
}

std::string Value::text() const {
  return is_string() ? as_string() : to_json();
}

void Value::add_to(Hasher& hasher) const {
  // Equal values have equal hashes: a whole real counts as the integer it equals, and fields count
  // in order of their names.
  if (kind() == ValueKind::real && as_double() == std::floor(as_double()) &&
      std::abs(as_double()) < 9e15) {
    return Value(static_cast<std::int64_t>(as_double())).add_to(hasher);
  }
  hasher.add(static_cast<std::uint64_t>(kind()));
  switch (kind()) {
    case ValueKind::null:
      break;
    case ValueKind::boolean:
      hasher.add(std::uint64_t{as_bool()});
      break;
    case ValueKind::integer:
      hasher.add(static_cast<std::uint64_t>(as_int()));
      break;
    case ValueKind::real:
      hasher.add(as_double());
      break;
    case ValueKind::string:
      hasher.add(as_string());
      break;
    case ValueKind::list:
      hasher.add(std::uint64_t{size()});
      for (const Value& item : as_list()) item.add_to(hasher);
      break;
    case ValueKind::object: {
      hasher.add(std::uint64_t{size()});
      std::vector<const Object::value_type*> fields;
      for (const Object::value_type& field : as_object()) fields.push_back(&field);
      std::sort(fields.begin(), fields.end(),
                [](const auto* a, const auto* b) { return a->first < b->first; });
      for (const Object::value_type* field : fields) {
        hasher.add(field->first);
        field->second.add_to(hasher);
      }
      break;
    }
  }
}

Hash Value::hash() const {
  Hasher hasher;
  add_to(hasher);
  return hasher.finish();
}

bool operator==(const Value& a, const Value& b) {
  if (a.is_number() && b.is_number()) {
    return a.is_int() && b.is_int() ? a.as_int() == b.as_int() : a.as_double() == b.as_double();
  }
  if (a.kind() != b.kind()) return false;
  switch (a.kind()) {
    case ValueKind::null:
      return true;
    case ValueKind::boolean:
      return a.as_bool() == b.as_bool();
    case ValueKind::string:
      return a.as_string() == b.as_string();
    case ValueKind::list:
      return a.as_list() == b.as_list();
    case ValueKind::object:
      return a.size() == b.size() &&
             std::all_of(a.as_object().begin(), a.as_object().end(), [&](const auto& field) {
               const Value* other = b.find(field.first);
               return other && *other == field.second;
             });
    default:
      return false;
  }
}

}  // namespace hone
