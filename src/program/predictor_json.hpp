// A predictor as the object that program files and saved programs hold.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/value.hpp"
#include "hone/program/predictor.hpp"

namespace hone {

// The string form where it says everything, else the JSON form.
Value signature_to_json(const Signature& signature);
// Reads either form back; given instructions replace those of the JSON form.
Result<Signature> signature_from_json(const Value& json, const std::string& where,
                                      const std::string& instructions = {});

// Without its path; what stands at its default is left out, so that equal predictors give equal
// text.
Value predictor_to_json(const Predictor& predictor);

// Reads it back; what the object leaves open comes from `defaults`. Every fault is reported at
// once, unknown keys with near names. `extra` are keys that the caller reads itself.
Result<Predictor> predictor_from_json(const Value& json, std::string_view where,
                                      const PredictorOptions& defaults,
                                      std::span<const std::string> extra = {});

}  // namespace hone
