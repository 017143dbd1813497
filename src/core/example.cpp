#include "hone/core/example.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>

#include "hone/base/file.hpp"
#include "hone/base/rng.hpp"
#include "hone/base/text.hpp"

#include "core/strict_json.hpp"

namespace hone {
namespace {

Value pick(const Value& fields, const std::vector<Field>& wanted) {
  Value::Object out;
  for (const Field& field : wanted) {
    if (const Value* value = fields.find(field.name)) out.emplace_back(field.name, *value);
  }
  return Value::object(std::move(out));
}

template <class T>
std::optional<T> read_number(std::string_view text) {
  text = trim(text);
  T number{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc{} || end != text.data() + text.size()) return std::nullopt;
  if (!std::isfinite(static_cast<double>(number))) return std::nullopt;  // "inf", "nan"
  return number;
}

// Data files often hold numbers and flags as strings; what reads exactly as the field's type
// becomes it. Anything else is left alone for check() to report.
Value read_as(const Type& type, const Value& value) {
  switch (type.kind()) {
    case TypeKind::integer:
      if (value.is_string()) {
        if (const auto number = read_number<std::int64_t>(value.as_string())) return Value(*number);
        const auto real = read_number<double>(value.as_string());
        if (real && *real == std::floor(*real) && std::abs(*real) < 9e15) {
          return Value(static_cast<std::int64_t>(*real));
        }
      }
      if (value.kind() == ValueKind::real && value.as_double() == std::floor(value.as_double()) &&
          std::abs(value.as_double()) < 9e15) {
        return Value(static_cast<std::int64_t>(value.as_double()));
      }
      return value;
    case TypeKind::real:
      if (value.is_string()) {
        if (const auto number = read_number<double>(value.as_string())) return Value(*number);
      }
      return value;
    case TypeKind::boolean:
      if (value.is_string()) {
        const std::string word = to_lower(trim(value.as_string()));
        if (word == "true" || word == "yes" || word == "1") return Value(true);
        if (word == "false" || word == "no" || word == "0") return Value(false);
      }
      return value;
    case TypeKind::str:
    case TypeKind::enumeration:
      return value.is_number() || value.is_bool() ? Value(value.text()) : value;
    case TypeKind::list: {
      const Value list =
          value.is_string() ? Value::parse_json(value.as_string()).value_or(value) : value;
      if (!list.is_list()) return value;
      Value::List items;
      for (const Value& item : list.as_list()) items.push_back(read_as(type.element(), item));
      return Value(std::move(items));
    }
    case TypeKind::optional:
      if (value.is_string() && value.as_string().empty()) return Value();
      return value.is_null() ? value : read_as(type.element(), value);
    case TypeKind::structure: {
      const Value object =
          value.is_string() ? Value::parse_json(value.as_string()).value_or(value) : value;
      if (!object.is_object()) return value;
      Value out = object;
      for (const TypeField& field : type.fields()) {
        if (const Value* member = object.find(field.name))
          out = out.with(field.name, read_as(field.type, *member));
      }
      return out;
    }
  }
  return value;
}

Result<Example> make_example(const Value& object, const std::string& where,
                             const LoadOptions& options) {
  if (!object.is_object()) {
    return bad_request(where, "expected an object, got " + shorten(object.to_json(), 60));
  }
  Value fields = object;
  if (options.signature) {
    for (const std::vector<Field>* wanted :
         {&options.signature->inputs(), &options.signature->outputs()}) {
      for (const Field& field : *wanted) {
        if (const Value* value = fields.find(field.name)) {
          fields = fields.with(field.name, read_as(field.type, *value));
        }
      }
    }
    for (const Result<void>& fits : {options.signature->check_inputs(fields, {}),
                                     options.signature->check_outputs(fields, {})}) {
      if (!fits) return bad_request(where, fits.error().message);
    }
  }
  return Example(std::move(fields));
}

// One record of a CSV text (RFC 4180); advances `at` past it and `line` past its lines. `where` is
// the file.
Result<void> read_csv_record(std::string_view text, const std::string& where, std::size_t& at,
                             std::vector<std::string>& cells, std::size_t& line) {
  const auto place = [&where](std::size_t number) { return where + ":" + std::to_string(number); };
  const std::size_t first_line = line;
  cells.assign(1, {});
  bool quoted = false;
  bool closed = false;  // the cell was in quotes
  while (at < text.size()) {
    const char c = text[at++];
    if (quoted) {
      if (c == '\n') ++line;
      if (c != '"') {
        cells.back().push_back(c);
      } else if (at < text.size() && text[at] == '"') {
        cells.back().push_back('"');
        ++at;
      } else {
        quoted = false;
        closed = true;
      }
    } else if (c == ',') {
      cells.emplace_back();
      closed = false;
    } else if (c == '\n') {
      ++line;
      return {};
    } else if (c == '\r') {
      continue;
    } else if (closed) {
      return bad_request(place(line),
                         "column " + std::to_string(cells.size()) +
                             ": text stands after a closing quote; a quote inside of quotes is "
                             "written twice (\"\")");
    } else if (c == '"' && cells.back().empty()) {
      quoted = true;
    } else {
      cells.back().push_back(c);
    }
  }
  if (quoted) return bad_request(place(first_line), "a quote is never closed");
  return {};
}

// Two columns of one name would be one field.
Result<void> check_header(const std::vector<std::string>& header, const std::string& where) {
  for (std::size_t i = 0; i < header.size(); ++i) {
    const auto same =
        std::find(header.begin(), header.begin() + static_cast<std::ptrdiff_t>(i), header[i]);
    const std::size_t first = static_cast<std::size_t>(same - header.begin());
    if (first == i) continue;
    return bad_request(where + ":1", "columns " + std::to_string(first + 1) + " and " +
                                         std::to_string(i + 1) + " are both called \"" + header[i] +
                                         "\"; rename one");
  }
  return {};
}

Result<Examples> parse_csv(std::string_view text, const std::string& where,
                           const LoadOptions& options) {
  std::size_t at = 0;
  std::size_t line = 1;
  std::vector<std::string> header;
  std::vector<std::string> cells;
  if (Result<void> read = read_csv_record(text, where, at, header, line); !read)
    return read.error();
  for (std::string& name : header) name = std::string(trim(name));
  if (Result<void> distinct = check_header(header, where); !distinct) return distinct.error();
  Examples out;
  while (at < text.size() && (!options.limit || out.size() < *options.limit)) {
    const std::string place = where + ":" + std::to_string(line);
    if (Result<void> read = read_csv_record(text, where, at, cells, line); !read)
      return read.error();
    if (cells.size() == 1 && trim(cells[0]).empty()) continue;
    if (cells.size() != header.size()) {
      return bad_request(place, "has " + std::to_string(cells.size()) + " cells, the header has " +
                                    std::to_string(header.size()));
    }
    Value::Object fields;
    for (std::size_t i = 0; i < cells.size(); ++i)
      fields.emplace_back(header[i], to_utf8(cells[i]));
    Result<Example> example = make_example(Value::object(std::move(fields)), place, options);
    if (!example) return example.error();
    out.push_back(*std::move(example));
  }
  return out;
}

Result<Examples> parse_jsonl(std::string_view text, const std::string& where,
                             const LoadOptions& options) {
  Examples out;
  std::size_t number = 0;
  while (!text.empty() && (!options.limit || out.size() < *options.limit)) {
    ++number;
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = trim(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty()) continue;
    const std::string place = where + ":" + std::to_string(number);
    Result<Value> value = parse_strict_json(line, place);
    if (!value) return value.error();
    Result<Example> example = make_example(*value, place, options);
    if (!example) return example.error();
    out.push_back(*std::move(example));
  }
  return out;
}

Result<Examples> parse_json(std::string_view text, const std::string& where,
                            const LoadOptions& options) {
  Result<Value> value = parse_strict_json(text, where);
  if (!value) return value.error();
  if (!value->is_list()) return bad_request(where, "expected an array of objects");
  Examples out;
  for (const Value& item : value->as_list()) {
    if (options.limit && out.size() >= *options.limit) break;
    Result<Example> example =
        make_example(item, where + "[" + std::to_string(out.size()) + "]", options);
    if (!example) return example.error();
    out.push_back(*std::move(example));
  }
  return out;
}

}  // namespace

Value Example::inputs(const Signature& signature) const {
  return pick(fields_, signature.inputs());
}
Value Example::outputs(const Signature& signature) const {
  return pick(fields_, signature.outputs());
}

Result<Examples> parse_examples(std::string_view text, DataFormat format, std::string_view where,
                                const LoadOptions& options) {
  const std::string place(where);
  if (text.starts_with("\xEF\xBB\xBF")) text.remove_prefix(3);
  Result<Examples> out = format == DataFormat::csv    ? parse_csv(text, place, options)
                         : format == DataFormat::json ? parse_json(text, place, options)
                                                      : parse_jsonl(text, place, options);
  if (out && out->empty()) return bad_request(place, "holds no examples");
  return out;
}

Result<Examples> load_examples(const std::filesystem::path& path, const LoadOptions& options) {
  const std::string extension = to_lower(path.extension().string());
  if (extension != ".jsonl" && extension != ".json" && extension != ".csv") {
    return bad_request(path.string(), "data must be a .jsonl, .json or .csv file");
  }
  const Result<std::string> text = read_file(path);
  if (!text) return text.error();
  const DataFormat format = extension == ".csv"    ? DataFormat::csv
                            : extension == ".json" ? DataFormat::json
                                                   : DataFormat::jsonl;
  return parse_examples(*text, format, path.string(), options);
}

Result<std::vector<Examples>> split_examples(const Examples& examples,
                                             std::span<const double> fractions,
                                             std::uint64_t seed) {
  double total = 0;
  for (const double fraction : fractions) {
    if (!(fraction > 0)) return bad_request("split", "fractions must be above 0");
    total += fraction;
  }
  if (total > 1 + 1e-9) return bad_request("split", "fractions sum to more than 1");
  std::vector<std::size_t> order = Rng(seed, "split").sample(examples.size(), examples.size());
  std::vector<Examples> out;
  double end = 0;
  std::size_t taken = 0;
  for (const double fraction : fractions) {
    end += fraction;
    const auto until = std::min(
        examples.size(),
        static_cast<std::size_t>(std::llround(end * static_cast<double>(examples.size()))));
    Examples part;
    for (; taken < until; ++taken) part.push_back(examples[order[taken]]);
    if (part.empty()) {
      return bad_request("split",
                         std::to_string(examples.size()) + " examples are too few for a part of " +
                             number_text(fraction) + "; add some, or name a file for each split");
    }
    out.push_back(std::move(part));
  }
  return out;
}

}  // namespace hone
