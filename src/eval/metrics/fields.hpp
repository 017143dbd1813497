// What the built-in metrics compare.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/eval/metric.hpp"

namespace hone {

// The example's and the program's value of one field.
struct ComparedFields {
  Value expected;
  Value predicted;
};

// bad_request, placed at the metric's name, when the example or the prediction has no such field
// (null counts as a value: an optional output may be null).
Result<ComparedFields> compared_fields(const Outcome& outcome, std::string_view metric,
                                       std::string_view field);

// The acceptable answers an example gives: the items of a list, else the value itself, each as
// text. An empty list is a bad_request.
Result<std::vector<std::string>> accepted_answers(const Value& expected, std::string_view metric,
                                                  std::string_view field);

// "expected 'a', got 'b'": feedback for a miss, each side cut to a length a prompt can bear.
std::string miss_feedback(const Value& expected, const Value& predicted);

}  // namespace hone
