#include "program/predictor_json.hpp"

#include <algorithm>
#include <charconv>
#include <cstdint>
#include <vector>

#include "hone/base/text.hpp"

#include "program/label_fields.hpp"
#include "program/retrieve_json.hpp"

namespace hone {
namespace {

// Reads the keys of one object, remembers which were asked for and collects every fault.
class Reader {
 public:
  Reader(const Value& json, std::string where, std::vector<std::string>& faults)
      : json_(json), where_(std::move(where)), faults_(faults) {}

  const Value* find(std::string_view key) {
    known_.emplace_back(key);
    return json_.find(key);
  }
  void fault(std::string_view key, const std::string& what) {
    faults_.push_back(place(key) + ": " + what);
  }
  std::string place(std::string_view key) const {
    return where_.empty() ? std::string(key) : where_ + "." + std::string(key);
  }

  void text(std::string_view key, std::string& out) {
    const Value* value = find(key);
    if (!value) return;
    if (value->is_string()) {
      out = value->as_string();
    } else {
      expected(key, "a text", *value);
    }
  }
  void number(std::string_view key, double& out, double low, double high) {
    const Value* value = find(key);
    if (!value) return;
    if (value->is_number() && value->as_double() >= low && value->as_double() <= high) {
      out = value->as_double();
    } else {
      expected(key, "a number from " + number_text(low) + " to " + number_text(high), *value);
    }
  }
  std::optional<std::int64_t> count(std::string_view key, std::int64_t low) {
    const Value* value = find(key);
    if (!value) return std::nullopt;
    if (value->is_int() && value->as_int() >= low) return value->as_int();
    expected(key, "a whole number of at least " + std::to_string(low), *value);
    return std::nullopt;
  }
  template <class T>
  void choice(std::string_view key, T& out, Result<T> (*parse)(std::string_view)) {
    std::string name;
    text(key, name);
    if (name.empty()) return;
    Result<T> parsed = parse(name);
    if (parsed) {
      out = *parsed;
    } else {
      fault(key, parsed.error().message);
    }
  }
  void expected(std::string_view key, const std::string& what, const Value& got) {
    fault(key, "expected " + what + ", got " + shorten(got.to_json(), 60));
  }
  void no_others(std::span<const std::string> extra) {
    known_.insert(known_.end(), extra.begin(), extra.end());
    for (const auto& [key, ignored] : json_.as_object()) {
      if (std::find(known_.begin(), known_.end(), key) == known_.end()) {
        fault(key, "is not a key hone knows" + did_you_mean(key, known_));
      }
    }
  }

 private:
  const Value& json_;
  std::string where_;
  std::vector<std::string>& faults_;
  std::vector<std::string> known_;
};

Value lm_to_json(const LmSettings& lm) {
  const LmSettings plain;
  Value::Object out;
  const auto add = [&](const char* name, double value, double usual) {
    if (value != usual) out.emplace_back(name, value);
  };
  add("temperature", lm.temperature, plain.temperature);
  add("top_p", lm.top_p, plain.top_p);
  if (lm.top_k != plain.top_k) out.emplace_back("top_k", lm.top_k);
  add("min_p", lm.min_p, plain.min_p);
  add("repetition_penalty", lm.repetition_penalty, plain.repetition_penalty);
  add("frequency_penalty", lm.frequency_penalty, plain.frequency_penalty);
  add("presence_penalty", lm.presence_penalty, plain.presence_penalty);
  if (!lm.logit_bias.empty()) {
    Value::Object bias;
    for (const auto& [text, number] : lm.logit_bias) bias.emplace_back(text, number);
    out.emplace_back("logit_bias", Value::object(std::move(bias)));
  }
  if (!lm.token_bias.empty()) {
    Value::Object bias;
    for (const auto& [token, number] : lm.token_bias)
      bias.emplace_back(std::to_string(token), number);
    out.emplace_back("token_bias", Value::object(std::move(bias)));
  }
  if (lm.max_tokens) out.emplace_back("max_tokens", *lm.max_tokens);
  if (lm.log_probs) out.emplace_back("log_probs", true);
  return Value::object(std::move(out));
}

void read_token_bias(const Value& json, Reader& reader, std::map<std::int32_t, double>& out) {
  if (!json.is_object())
    return reader.expected("token_bias", "a table of numbers by token number", json);
  for (const auto& [key, number] : json.as_object()) {
    std::int32_t token = 0;
    const auto [end, error] = std::from_chars(key.data(), key.data() + key.size(), token);
    if (error == std::errc{} && end == key.data() + key.size() && token >= 0 &&
        number.is_number()) {
      out[token] = number.as_double();
    } else {
      reader.expected("token_bias." + key, "a number for a token number", number);
    }
  }
}

void read_lm(const Value& json, const std::string& where, LmSettings& lm,
             std::vector<std::string>& faults) {
  if (!json.is_object()) {
    faults.push_back(where + ": expected a table of settings, got " + shorten(json.to_json(), 60));
    return;
  }
  Reader reader(json, where, faults);
  reader.number("temperature", lm.temperature, 0, 100);
  reader.number("top_p", lm.top_p, 0, 1);
  if (const auto count = reader.count("top_k", 0)) lm.top_k = *count;
  reader.number("min_p", lm.min_p, 0, 1);
  reader.number("repetition_penalty", lm.repetition_penalty, 0, 100);
  reader.number("frequency_penalty", lm.frequency_penalty, -100, 100);
  reader.number("presence_penalty", lm.presence_penalty, -100, 100);
  if (const auto count = reader.count("max_tokens", 1))
    lm.max_tokens = static_cast<std::size_t>(*count);
  if (const Value* bias = reader.find("logit_bias")) {
    if (!bias->is_object()) {
      reader.expected("logit_bias", "a table of numbers by text", *bias);
    } else {
      for (const auto& [text, number] : bias->as_object()) {
        if (number.is_number()) {
          lm.logit_bias[text] = number.as_double();
        } else {
          reader.expected("logit_bias." + text, "a number", number);
        }
      }
    }
  }
  if (const Value* bias = reader.find("token_bias")) {
    read_token_bias(*bias, reader, lm.token_bias);
  }
  if (const Value* wanted = reader.find("log_probs")) {
    if (wanted->is_bool()) {
      lm.log_probs = wanted->as_bool();
    } else {
      reader.expected("log_probs", "true or false", *wanted);
    }
  }
  reader.no_others({});
}

// Of a step that is none of retrieval, which the message names too.
Result<Reasoning> read_module(std::string_view name) {
  Result<Reasoning> reasoning = parse_reasoning(name);
  if (reasoning) return reasoning;
  std::vector<std::string> known;
  for (const Reasoning one : kReasonings) known.emplace_back(to_string(one));
  known.emplace_back(kRetrieveModule);
  return bad_request("module", "'" + std::string(name) + "' is not one of " + join(known, ", ") +
                                   did_you_mean(name, known));
}

}  // namespace

Value signature_to_json(const Signature& signature) {
  // Descriptions inside lists and structs have no place in the string form.
  const std::string text = signature.to_string();
  const Result<Signature> read = Signature::parse(text, signature.instructions());
  if (read && *read == signature) return text;
  return signature.to_json().without("instructions");
}

Result<Signature> signature_from_json(const Value& json, const std::string& where,
                                      const std::string& instructions) {
  if (json.is_string()) {
    Result<Signature> parsed = Signature::parse(json.as_string(), instructions);
    if (!parsed) return bad_request(where, parsed.error().text());
    return parsed;
  }
  if (!json.is_object())
    return bad_request(where, "expected a text such as \"question -> answer\"");
  Result<Signature> parsed = Signature::from_json(json, where);
  return parsed && !instructions.empty() ? parsed->with_instructions(instructions) : parsed;
}

Value predictor_to_json(const Predictor& predictor) {
  const PredictorOptions plain;
  const PredictorOptions& options = predictor.options();
  Value::Object out;
  out.emplace_back("module", to_string(options.reasoning));
  out.emplace_back("signature", signature_to_json(predictor.signature()));
  out.emplace_back("instructions", predictor.signature().instructions());
  out.emplace_back("format", to_string(options.format));
  if (options.calibration != Calibration::none)
    out.emplace_back("calibration", to_string(options.calibration));
  if (!options.label_bias.empty()) {
    Value::Object bias;
    for (const auto& [field, numbers] : options.label_bias)
      bias.emplace_back(field, Value::numbers(numbers));
    out.emplace_back("label_bias", Value::object(std::move(bias)));
  }
  if (!options.model.empty()) out.emplace_back("model", options.model);
  if (options.parse_retries != plain.parse_retries)
    out.emplace_back("parse_retries", options.parse_retries);
  if (const Value lm = lm_to_json(options.settings); lm.size() > 0) out.emplace_back("lm", lm);
  if (!options.demos.empty()) out.emplace_back("demos", Value::list(options.demos));
  return Value::object(std::move(out));
}

Result<Predictor> predictor_from_json(const Value& json, std::string_view where,
                                      const PredictorOptions& defaults,
                                      std::span<const std::string> extra) {
  const std::string place(where);
  if (!json.is_object())
    return bad_request(place, "expected an object, got " + shorten(json.to_json(), 60));
  std::vector<std::string> faults;
  Reader reader(json, {}, faults);
  PredictorOptions options = defaults;
  std::string instructions;
  reader.text("instructions", instructions);
  reader.choice("module", options.reasoning, read_module);
  reader.choice("format", options.format, parse_format);
  reader.choice("calibration", options.calibration, parse_calibration);
  reader.text("model", options.model);
  if (const auto count = reader.count("parse_retries", 0))
    options.parse_retries = static_cast<std::size_t>(*count);
  if (const Value* lm = reader.find("lm")) read_lm(*lm, "lm", options.settings, faults);

  const Value* form = reader.find("signature");
  if (!form) reader.fault("signature", "is missing; write one such as \"question -> answer\"");
  const Value* bias = reader.find("label_bias");
  const Value* demos = reader.find("demos");
  reader.no_others(extra);
  if (!form) return bad_request(place, join(faults, "; "));
  const Result<Signature> signature = signature_from_json(*form, "signature", instructions);
  if (!signature) {
    faults.push_back(signature.error().text());
    return bad_request(place, join(faults, "; "));
  }
  if (bias) {
    auto read = read_label_bias(*signature, *bias, "label_bias");
    if (read) {
      options.label_bias = *std::move(read);
    } else {
      faults.push_back(read.error().text());
    }
  }
  if (demos) {
    // The predictor's own parameter knows which fields a demo may have.
    for (const Param& param : Predictor(*signature).params()) {
      if (param.path != "demos") continue;
      if (Result<void> fits = check_domain(param.domain, *demos, "demos"); fits) {
        options.demos = demos->as_list();
      } else {
        faults.push_back(fits.error().text());
      }
    }
  }
  if (!faults.empty()) return bad_request(place, join(faults, "; "));
  return Predictor(*signature, std::move(options));
}

}  // namespace hone
