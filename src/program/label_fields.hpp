// What calibration needs to know of a signature's outputs.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/value.hpp"

namespace hone {

// Whether an engine scores the labels of an output.
bool has_labels(const Signature& signature);

// An object of output field -> one number a label; bad_request naming the field that does not fit.
Result<std::map<std::string, std::vector<double>>> read_label_bias(const Signature& signature,
                                                                   const Value& value,
                                                                   std::string_view where);

}  // namespace hone
