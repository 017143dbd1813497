#include "hone/core/type.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "hone/base/text.hpp"

namespace hone {

struct Type::Node {
  TypeKind kind = TypeKind::str;
  std::string description;
  Limits limits;
  std::vector<std::string> labels;
  std::vector<Type> element;  // none or one
  std::vector<TypeField> fields;
};

namespace {

bool is_plain_label(std::string_view label) {
  return !label.empty() && label.front() != ' ' && label.back() != ' ' &&
         label.find_first_of(",()[]{}\"':?\\\n") == std::string_view::npos;
}

std::string label_text(std::string_view label) {
  return is_plain_label(label) ? std::string(label) : Value(label).to_json();
}

template <class T>
std::string range_text(const std::optional<T>& low, const std::optional<T>& high) {
  if (!low && !high) return {};
  const auto text = [](const std::optional<T>& bound) {
    return bound ? number_text(static_cast<double>(*bound)) : std::string();
  };
  return "(" + text(low) + ".." + text(high) + ")";
}

std::string_view kind_name(TypeKind kind) {
  switch (kind) {
    case TypeKind::str:
      return "str";
    case TypeKind::integer:
      return "int";
    case TypeKind::real:
      return "float";
    case TypeKind::boolean:
      return "bool";
    case TypeKind::enumeration:
      return "enum";
    case TypeKind::list:
      return "list";
    case TypeKind::optional:
      return "optional";
    case TypeKind::structure:
      return "struct";
  }
  return "str";
}

void collect_faults(const Type& type, const Value& value, const std::string& where,
                    std::vector<std::string>& faults) {
  const auto fault = [&](const std::string& what) { faults.push_back(where + ": " + what); };
  const auto wrong_kind = [&] {
    fault("expected " + type.to_string() + ", got " + std::string(to_string(value.kind())) + " " +
          shorten(value.to_json(), 60));
  };
  const auto check_length = [&](std::size_t length, const char* unit) {
    const Limits& limits = type.limits();
    if (limits.min_length && length < *limits.min_length) {
      fault("needs at least " + std::to_string(*limits.min_length) + " " + unit + ", has " +
            std::to_string(length));
    }
    if (limits.max_length && length > *limits.max_length) {
      fault("may have at most " + std::to_string(*limits.max_length) + " " + unit + ", has " +
            std::to_string(length));
    }
  };
  const auto check_range = [&](double number) {
    if (!std::isfinite(number)) return fault(number_text(number) + " is not a finite number");
    const Limits& limits = type.limits();
    if (limits.min && number < *limits.min) {
      fault(number_text(number) + " is below the least allowed, " + number_text(*limits.min));
    }
    if (limits.max && number > *limits.max) {
      fault(number_text(number) + " is above the most allowed, " + number_text(*limits.max));
    }
  };
  switch (type.kind()) {
    case TypeKind::str:
      if (!value.is_string()) return wrong_kind();
      return check_length(value.as_string().size(), "characters");
    case TypeKind::integer:
      if (!value.is_int()) return wrong_kind();
      return check_range(value.as_double());
    case TypeKind::real:
      if (!value.is_number()) return wrong_kind();
      return check_range(value.as_double());
    case TypeKind::boolean:
      if (!value.is_bool()) wrong_kind();
      return;
    case TypeKind::enumeration: {
      if (!value.is_string()) return wrong_kind();
      const auto& labels = type.labels();
      if (std::find(labels.begin(), labels.end(), value.as_string()) == labels.end()) {
        const std::vector<std::string> shown(
            labels.begin(), labels.begin() + std::min<std::ptrdiff_t>(std::ssize(labels), 8));
        fault("'" + shorten(value.as_string(), 60) + "' is not one of " + join(shown, ", ") +
              (labels.size() > shown.size() ? ", … (" + std::to_string(labels.size()) + " labels)"
                                            : "") +
              did_you_mean(value.as_string(), labels));
      }
      return;
    }
    case TypeKind::list: {
      if (!value.is_list()) return wrong_kind();
      check_length(value.size(), "items");
      std::size_t index = 0;
      for (const Value& item : value.as_list()) {
        collect_faults(type.element(), item, where + "[" + std::to_string(index++) + "]", faults);
      }
      return;
    }
    case TypeKind::optional:
      if (!value.is_null()) collect_faults(type.element(), value, where, faults);
      return;
    case TypeKind::structure: {
      if (!value.is_object()) return wrong_kind();
      for (const TypeField& field : type.fields()) {
        const Value* member = value.find(field.name);
        if (!member && field.type.kind() != TypeKind::optional) {
          faults.push_back(where + "." + field.name + ": missing");
        } else if (member) {
          collect_faults(field.type, *member, where + "." + field.name, faults);
        }
      }
      return;
    }
  }
}

}  // namespace

Type Type::str() {
  return Type(std::make_shared<const Node>());
}
Type Type::integer() {
  return Type(std::make_shared<const Node>(Node{TypeKind::integer, {}, {}, {}, {}, {}}));
}
Type Type::real() {
  return Type(std::make_shared<const Node>(Node{TypeKind::real, {}, {}, {}, {}, {}}));
}
Type Type::boolean() {
  return Type(std::make_shared<const Node>(Node{TypeKind::boolean, {}, {}, {}, {}, {}}));
}

Type Type::enumeration(std::vector<std::string> labels) {
  if (labels.empty()) throw_error(bad_request("enum", "needs at least one label"));
  std::set<std::string> seen;
  for (const std::string& label : labels) {
    if (label.empty()) throw_error(bad_request("enum", "a label is empty"));
    if (!seen.insert(label).second)
      throw_error(bad_request("enum", "label '" + label + "' is there twice"));
  }
  return Type(
      std::make_shared<const Node>(Node{TypeKind::enumeration, {}, {}, std::move(labels), {}, {}}));
}

Type Type::list(Type element) {
  return Type(
      std::make_shared<const Node>(Node{TypeKind::list, {}, {}, {}, {std::move(element)}, {}}));
}
Type Type::optional(Type element) {
  return Type(
      std::make_shared<const Node>(Node{TypeKind::optional, {}, {}, {}, {std::move(element)}, {}}));
}
Type Type::structure(std::vector<TypeField> fields) {
  return Type(
      std::make_shared<const Node>(Node{TypeKind::structure, {}, {}, {}, {}, std::move(fields)}));
}

Type Type::with_description(std::string description) const {
  Node node = *node_;
  node.description = std::move(description);
  return Type(std::make_shared<const Node>(std::move(node)));
}
Type Type::with_limits(Limits limits) const {
  Node node = *node_;
  node.limits = limits;
  return Type(std::make_shared<const Node>(std::move(node)));
}

TypeKind Type::kind() const {
  return node_->kind;
}
const std::string& Type::description() const {
  return node_->description;
}
const Limits& Type::limits() const {
  return node_->limits;
}
const std::vector<std::string>& Type::labels() const {
  return node_->labels;
}
Type Type::element() const {
  return node_->element.at(0);
}
const std::vector<TypeField>& Type::fields() const {
  return node_->fields;
}

std::vector<Value> Type::choices() const {
  std::vector<Value> values;
  switch (node_->kind) {
    case TypeKind::boolean:
      return {Value(true), Value(false)};
    case TypeKind::enumeration:
      for (const std::string& label : node_->labels) values.emplace_back(label);
      return values;
    case TypeKind::optional:
      values = element().choices();
      if (!values.empty() && !values.back().is_null()) values.emplace_back();
      return values;
    default:
      return values;
  }
}

std::string Type::to_string() const {
  const Limits& limits = node_->limits;
  switch (node_->kind) {
    case TypeKind::str:
      return "str" + range_text(limits.min_length, limits.max_length);
    case TypeKind::integer:
      return "int" + range_text(limits.min, limits.max);
    case TypeKind::real:
      return "float" + range_text(limits.min, limits.max);
    case TypeKind::boolean:
      return "bool";
    case TypeKind::enumeration: {
      std::vector<std::string> labels;
      for (const std::string& label : node_->labels) labels.push_back(label_text(label));
      return "enum(" + join(labels, ", ") + ")";
    }
    case TypeKind::list:
      return "list[" + element().to_string() + "]" +
             range_text(limits.min_length, limits.max_length);
    case TypeKind::optional:
      return "optional[" + element().to_string() + "]";
    case TypeKind::structure: {
      std::vector<std::string> fields;
      for (const TypeField& field : node_->fields)
        fields.push_back(field.name + ": " + field.type.to_string());
      return "{" + join(fields, ", ") + "}";
    }
  }
  return "str";
}

Value Type::to_json() const {
  Value json = Value::object({{"kind", kind_name(node_->kind)}});
  if (!node_->description.empty()) json = json.with("description", node_->description);
  const Limits& limits = node_->limits;
  if (limits.min) json = json.with("min", *limits.min);
  if (limits.max) json = json.with("max", *limits.max);
  if (limits.min_length) json = json.with("min_length", *limits.min_length);
  if (limits.max_length) json = json.with("max_length", *limits.max_length);
  if (!node_->labels.empty()) json = json.with("labels", Value::strings(node_->labels));
  if (!node_->element.empty()) json = json.with("element", element().to_json());
  if (node_->kind == TypeKind::structure) {
    Value::List fields;
    for (const TypeField& field : node_->fields) {
      fields.push_back(Value::object({{"name", field.name}, {"type", field.type.to_json()}}));
    }
    json = json.with("fields", Value(std::move(fields)));
  }
  return json;
}

Result<Type> Type::from_json(const Value& json, std::string_view where) {
  const std::string place(where);
  const Value kind = json.get("kind");
  if (!kind.is_string()) return bad_request(place, "a type needs a \"kind\"");
  const std::string& name = kind.as_string();
  Type type = str();
  if (name == "int") {
    type = integer();
  } else if (name == "float") {
    type = real();
  } else if (name == "bool") {
    type = boolean();
  } else if (name == "enum") {
    std::vector<std::string> labels;
    const Value listed = json.get("labels");
    if (!listed.is_list() || listed.size() == 0)
      return bad_request(place, "an enum needs \"labels\"");
    for (const Value& label : listed.as_list()) {
      if (!label.is_string() || label.as_string().empty() ||
          std::find(labels.begin(), labels.end(), label.as_string()) != labels.end()) {
        return bad_request(place, "enum labels must be different, non-empty strings");
      }
      labels.push_back(label.as_string());
    }
    type = enumeration(std::move(labels));
  } else if (name == "list" || name == "optional") {
    Result<Type> element = from_json(json.get("element"), place + "." + name);
    if (!element) return element;
    type = name == "list" ? list(*element) : optional(*element);
  } else if (name == "struct") {
    std::vector<TypeField> fields;
    const Value listed = json.get("fields");
    if (!listed.is_list()) return bad_request(place, "a struct needs \"fields\"");
    for (const Value& field : listed.as_list()) {
      const Value field_name = field.get("name");
      if (!field_name.is_string()) return bad_request(place, "a struct's field needs a \"name\"");
      Result<Type> member = from_json(field.get("type"), place + "." + field_name.as_string());
      if (!member) return member;
      fields.push_back({field_name.as_string(), *member});
    }
    type = structure(std::move(fields));
  } else if (name != "str") {
    return bad_request(place, "unknown type kind '" + name + "'");
  }
  Limits limits;
  const auto number = [&](const char* key, std::optional<double>& out) {
    if (const Value* bound = json.find(key); bound && bound->is_number()) out = bound->as_double();
  };
  const auto length = [&](const char* key, std::optional<std::size_t>& out) {
    if (const Value* bound = json.find(key); bound && bound->is_int() && bound->as_int() >= 0) {
      out = static_cast<std::size_t>(bound->as_int());
    }
  };
  number("min", limits.min);
  number("max", limits.max);
  length("min_length", limits.min_length);
  length("max_length", limits.max_length);
  type = type.with_limits(limits);
  if (const Value text = json.get("description"); text.is_string())
    type = type.with_description(text.as_string());
  return type;
}

Result<void> Type::check(const Value& value, std::string_view where) const {
  std::vector<std::string> faults;
  collect_faults(*this, value, std::string(where), faults);
  if (faults.empty()) return {};
  return bad_request({}, join(faults, "; "));
}

bool operator==(const Type& a, const Type& b) {
  return a.node_ == b.node_ ||
         (a.node_->kind == b.node_->kind && a.node_->description == b.node_->description &&
          a.node_->limits == b.node_->limits && a.node_->labels == b.node_->labels &&
          a.node_->element == b.node_->element && a.node_->fields == b.node_->fields);
}

}  // namespace hone
