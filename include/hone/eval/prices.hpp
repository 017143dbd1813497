// What tokens cost.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>

namespace hone {

// Of a million tokens, in any currency.
struct Price {
  double prompt = 0;
  double generated = 0;
  double of(std::int64_t prompt_tokens, std::int64_t generated_tokens) const {
    return (static_cast<double>(prompt_tokens) * prompt +
            static_cast<double>(generated_tokens) * generated) /
           1e6;
  }
};

// The run's own model's, and those of models a program names.
struct Prices {
  Price own = {};
  std::map<std::string, Price, std::less<>> named = {};

  // By TraceStep::model; the own model's for a name without a price, as for no name.
  const Price& of_model(std::string_view name) const {
    const auto found = named.find(name);
    return found == named.end() ? own : found->second;
  }
};

}  // namespace hone
