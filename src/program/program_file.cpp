#include "hone/program/program_file.hpp"

#define TOML_EXCEPTIONS 1
#include <toml++/toml.h>

#include <array>
#include <set>
#include <sstream>
#include <string>
#include <utility>
#include <variant>

#include "hone/base/file.hpp"
#include "hone/base/text.hpp"

#include "program/alternatives.hpp"
#include "program/ensemble.hpp"
#include "program/neighbour_demos.hpp"
#include "program/pipeline.hpp"
#include "program/predictor_json.hpp"
#include "program/retrieve_json.hpp"

namespace hone {
namespace {

Value from_toml(const toml::node& node) {
  if (const toml::table* table = node.as_table()) {
    Value::Object fields;
    for (const auto& [key, member] : *table)
      fields.emplace_back(std::string(key.str()), from_toml(member));
    return Value::object(std::move(fields));
  }
  if (const toml::array* array = node.as_array()) {
    Value::List items;
    for (const toml::node& item : *array) items.push_back(from_toml(item));
    return Value::list(std::move(items));
  }
  if (const auto* text = node.as_string()) return text->get();
  if (const auto* number = node.as_integer()) return std::int64_t{number->get()};
  if (const auto* number = node.as_floating_point()) return number->get();
  if (const auto* flag = node.as_boolean()) return flag->get();
  std::ostringstream date;
  if (const auto* day = node.as_date()) date << day->get();
  if (const auto* time = node.as_time()) date << time->get();
  if (const auto* both = node.as_date_time()) date << both->get();
  return date.str();
}

Result<std::variant<Predictor, Retrieve>> step_from_json(const Value& json,
                                                         const std::string& where,
                                                         const PredictorOptions& defaults,
                                                         const std::filesystem::path& folder) {
  static const std::array<std::string, 1> own_keys = {"name"};
  if (is_retrieve(json)) {
    Result<Retrieve> step = retrieve_from_json(json, where, folder, own_keys);
    if (!step) return step.error();
    return *std::move(step);
  }
  Result<Predictor> step = predictor_from_json(json, where, defaults, own_keys);
  if (!step) return step.error();
  return *std::move(step);
}

}  // namespace

Result<Value> read_toml(const std::filesystem::path& path) {
  const Result<std::string> text = read_file(path);
  if (!text) return text.error();
  try {
    return from_toml(toml::parse(*text, path.string()));
  } catch (const toml::parse_error& fault) {
    const toml::source_position& at = fault.source().begin;
    return bad_request(
        path.string() + ":" + std::to_string(at.line) + ":" + std::to_string(at.column),
        "not TOML: " + std::string(fault.description()));
  }
}

Result<Program> program_from_config(const Value& config, std::string_view where,
                                    const PredictorOptions& defaults,
                                    const std::filesystem::path& folder) {
  const std::string place(where);
  if (!config.is_object()) {
    return bad_request(place, "expected a program with a \"signature\" or \"steps\", got " +
                                  shorten(config.to_json(), 60));
  }
  if (config.find("neighbours")) return neighbour_demos_from_json(config, place, folder);
  if (config.find("ensemble")) return ensemble_from_json(config, place, folder);
  if (config.find("alternatives")) return alternatives_from_json(config, place, defaults, folder);
  const Value* listed = config.find("steps");
  if (!listed && is_retrieve(config)) {
    Result<Retrieve> step = retrieve_from_json(config, place, folder);
    if (!step) return step.error();
    return Program::retrieve(*std::move(step));
  }
  if (!listed) {
    Result<Predictor> predictor = predictor_from_json(config, place, defaults);
    if (!predictor) return predictor.error();
    return Program(std::make_shared<const SinglePredictor>(*std::move(predictor)));
  }
  std::vector<std::string> faults;
  for (const auto& [key, ignored] : config.as_object()) {
    if (key != "steps") faults.push_back(key + ": belongs into one of the steps");
  }
  if (!listed->is_list() || listed->size() == 0)
    faults.emplace_back("steps: expected a list of steps");
  std::vector<PipelineStep> steps;
  if (listed->is_list()) {
    for (const Value& entry : listed->as_list()) {
      const Value name = entry.get("name");
      const std::string step_place = name.is_string()
                                         ? "steps." + name.as_string()
                                         : "steps[" + std::to_string(steps.size()) + "]";
      if (!name.is_string()) faults.push_back(step_place + ": needs a \"name\"");
      auto step = step_from_json(entry, step_place, defaults, folder);
      if (!step) {
        faults.push_back(step.error().text());
      } else if (name.is_string()) {
        steps.push_back({name.as_string(), *std::move(step)});
      }
    }
  }
  if (!faults.empty()) return bad_request(place, join(faults, "; "));
  Result<Program> program = Program::pipeline(std::move(steps));
  if (!program) return bad_request(place, program.error().message);
  return program;
}

}  // namespace hone
