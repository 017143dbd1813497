#include "hone/eval/metric.hpp"

#include <array>
#include <charconv>
#include <cmath>
#include <optional>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {
namespace {

// The parts of "name:field:rest", and what they were read from.
struct Spec {
  std::string_view text;
  std::string_view name;
  std::optional<std::string_view> rest;  // after the first colon

  std::string where() const { return "metric '" + std::string(text) + "'"; }
};

struct Halves {
  std::string_view first;
  std::optional<std::string_view> second;
};

Halves cut(std::string_view text) {
  const std::size_t colon = text.find(':');
  if (colon == std::string_view::npos) return {trim(text), std::nullopt};
  return {trim(text.substr(0, colon)), trim(text.substr(colon + 1))};
}

std::vector<std::string> output_names(const Signature& signature) {
  std::vector<std::string> names;
  for (const Field& field : signature.outputs()) names.push_back(field.name);
  return names;
}

Result<std::string> output_field(const Spec& spec, std::string_view name,
                                 const Signature& signature) {
  const std::vector<std::string> names = output_names(signature);
  if (name.empty()) {
    if (names.size() == 1) return names.front();
    return bad_request(spec.where(), "say which output it compares, as in " +
                                         std::string(spec.name) + ":" + names.front() +
                                         "; there are " + join(names, ", "));
  }
  if (signature.find_output(name) != nullptr) return std::string(name);
  const std::string near = did_you_mean(name, names);
  return bad_request(spec.where(), "the signature has no output '" + std::string(name) + "'" +
                                       (near.empty() ? "; it has " + join(names, ", ") : near));
}

using Maker = Result<Metric> (*)(const Spec&, const Signature&);

template <Metric (*make)(std::string)>
Result<Metric> make_of_field(const Spec& spec, const Signature& signature) {
  const Result<std::string> field = output_field(spec, spec.rest.value_or(""), signature);
  if (!field) return field.error();
  return make(*field);
}

Result<Metric> make_numeric(const Spec& spec, const Signature& signature) {
  const Halves halves = cut(spec.rest.value_or(""));
  const Result<std::string> field = output_field(spec, halves.first, signature);
  if (!field) return field.error();
  if (!halves.second) return numeric_match(*field);
  double tolerance = 0;
  const char* end = halves.second->data() + halves.second->size();
  const std::from_chars_result read = std::from_chars(halves.second->data(), end, tolerance);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(tolerance) || tolerance < 0) {
    return bad_request(spec.where(), "the tolerance '" + std::string(*halves.second) +
                                         "' is no number of at least 0");
  }
  return numeric_match(*field, tolerance);
}

Result<Metric> make_passage_match(const Spec& spec, const Signature& signature) {
  const Halves halves = cut(spec.rest.value_or(""));
  if (halves.first.empty() || !halves.second) {
    return bad_request(spec.where(),
                       "give the example's answer field and the output with passages: "
                       "answer_passage_match:answer:passages");
  }
  const Result<std::string> passages = output_field(spec, *halves.second, signature);
  if (!passages) return passages.error();
  return answer_passage_match(std::string(halves.first), *passages);
}

Result<Metric> make_judge(const Spec& spec, const Signature& signature) {
  const Halves halves = cut(spec.rest.value_or(""));
  // "judge:is polite" leaves the field out; with a second colon the first part is meant as the
  // field.
  const bool names_field = halves.second || signature.find_output(halves.first) != nullptr;
  const std::string_view criterion = names_field ? halves.second.value_or("") : halves.first;
  const Result<std::string> field =
      output_field(spec, names_field ? halves.first : std::string_view(), signature);
  if (!field) return field.error();
  if (criterion.empty()) {
    return bad_request(spec.where(),
                       "say what a good answer is, as in judge:" + *field + ":is polite");
  }
  return judge(*field, std::string(criterion));
}

Result<Metric> make_command(const Spec& spec, const Signature&) {
  return command_metric(std::string(spec.rest.value_or("")));
}

struct Entry {
  std::string_view name;
  std::string_view alias;
  Maker make;
};

constexpr std::array<Entry, 7> kEntries = {{
    {"exact_match", "", make_of_field<exact_match>},
    {"answer_exact_match", "", make_of_field<answer_exact_match>},
    {"f1", "f1_match", make_of_field<f1_match>},
    {"numeric", "numeric_match", make_numeric},
    {"answer_passage_match", "", make_passage_match},
    {"judge", "", make_judge},
    {"command", "", make_command},
}};

}  // namespace

Metric::Metric(std::string name, Function function)
    : name_(std::move(name)), function_(std::make_shared<const Function>(std::move(function))) {}

Metric Metric::of(std::string name, std::function<double(const Example&, const Value&)> function) {
  return Metric(std::move(name),
                [function = std::move(function)](const Outcome& outcome) -> Result<Score> {
                  return Score{function(outcome.example, outcome.prediction), {}};
                });
}

Result<Score> Metric::operator()(const Outcome& outcome) const {
  try {
    Result<Score> score = (*function_)(outcome);
    if (score && !std::isfinite(score->value)) {
      return bad_request("metric '" + name_ + "'",
                         "gave " + std::to_string(score->value) +
                             ", which is no score: it must be a finite number");
    }
    return score;
  } catch (const Exception& exception) {
    return exception.error();
  } catch (const std::exception& exception) {
    return internal_error("metric '" + name_ + "'", std::string("threw: ") + exception.what());
  }
}

Result<Metric> metric_from_spec(std::string_view text, const Signature& signature) {
  const Halves halves = cut(text);
  const Spec spec{text, halves.first, halves.second};
  for (const Entry& entry : kEntries) {
    if (spec.name == entry.name || (!entry.alias.empty() && spec.name == entry.alias)) {
      return entry.make(spec, signature);
    }
  }
  const std::vector<std::string> names = metric_names();
  const std::string near = did_you_mean(spec.name, names);
  return bad_request("metric", "there is no metric '" + std::string(spec.name) + "'" +
                                   (near.empty() ? "; there are " + join(names, ", ") : near));
}

std::vector<std::string> metric_names() {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) names.emplace_back(entry.name);
  return names;
}

}  // namespace hone
