#include "hone/adapter/schema.hpp"

#include <cstdint>
#include <utility>

namespace hone {
namespace {

Value whole_if_possible(double bound) {
  constexpr double kExact = 9007199254740992.0;  // 2^53
  const auto whole = bound > -kExact && bound < kExact ? static_cast<std::int64_t>(bound) : 0;
  return static_cast<double>(whole) == bound ? Value(whole) : Value(bound);
}

struct Member {
  const std::string& name;
  const Type& type;
};

Value object_schema(const std::vector<Member>& members) {
  Value::Object properties;
  std::vector<std::string> names;
  for (const Member& member : members) {
    properties.emplace_back(member.name, json_schema(member.type));
    names.push_back(member.name);
  }
  return Value::object({{"type", "object"},
                        {"properties", Value::object(std::move(properties))},
                        {"required", Value::strings(names)},
                        {"additionalProperties", false}});
}

Value bare_schema(const Type& type) {
  const Limits& limits = type.limits();
  const auto typed = [](const char* name) { return Value::object({{"type", name}}); };
  switch (type.kind()) {
    // Lengths of strings are left out: strict servers refuse the keywords, and a reply's lengths
    // are checked anyway.
    case TypeKind::str:
      return typed("string");
    case TypeKind::integer:
    case TypeKind::real: {
      Value schema = typed(type.kind() == TypeKind::integer ? "integer" : "number");
      if (limits.min) schema = schema.with("minimum", whole_if_possible(*limits.min));
      if (limits.max) schema = schema.with("maximum", whole_if_possible(*limits.max));
      return schema;
    }
    case TypeKind::boolean:
      return typed("boolean");
    case TypeKind::enumeration:
      return typed("string").with("enum", Value::strings(type.labels()));
    case TypeKind::list: {
      Value schema = typed("array").with("items", json_schema(type.element()));
      if (limits.min_length) schema = schema.with("minItems", *limits.min_length);
      if (limits.max_length) schema = schema.with("maxItems", *limits.max_length);
      return schema;
    }
    case TypeKind::optional:
      return Value::object({{"anyOf", Value::list({json_schema(type.element()), typed("null")})}});
    case TypeKind::structure: {
      std::vector<Member> members;
      for (const TypeField& field : type.fields()) members.push_back({field.name, field.type});
      return object_schema(members);
    }
  }
  return {};
}

}  // namespace

Value json_schema(const Type& type) {
  const Value schema = bare_schema(type);
  return type.description().empty() ? schema : schema.with("description", type.description());
}

Value json_schema(const std::vector<Field>& fields) {
  std::vector<Member> members;
  for (const Field& field : fields) members.push_back({field.name, field.type});
  return object_schema(members);
}

}  // namespace hone
