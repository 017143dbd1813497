// What can be tuned, and one choice of it.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"
#include "hone/core/signature.hpp"
#include "hone/core/value.hpp"

namespace hone {

struct TextDomain {};  // free text: instructions
struct DemoDomain {    // a list of objects with the fields of `signature`
  Signature signature;
};
struct ChoiceDomain {  // one of a few values
  std::vector<Value> choices;
};
struct IntDomain {
  std::int64_t low = 0;
  std::int64_t high = 0;
};
struct RealDomain {
  double low = 0;
  double high = 0;
  bool log_scale = false;
};
// An object of numbers by text: what is added to the logits of texts. Searched where it was
// narrowed to choices.
struct BiasDomain {
  double low = -100;
  double high = 100;
};
// The name of one of a run's models; the empty text is the run's own. Only the run knows the names:
// see Space::with_models.
struct ModelDomain {};
// Written by hone itself after looking at unlabelled inputs (calibration biases); never searched
// over.
struct LearnedDomain {};

using Domain = std::variant<TextDomain, DemoDomain, ChoiceDomain, IntDomain, RealDomain, BiasDomain,
                            ModelDomain, LearnedDomain>;

std::string_view domain_name(const Domain& domain);

// A parameter exists only while another one has a certain value.
struct Condition {
  std::string path;
  Value equals;
  friend bool operator==(const Condition&, const Condition&) = default;
};

// One tunable of a program. Paths are dotted: "<predictor>.instructions", "answer.lm.temperature".
struct Param {
  std::string path;
  Domain domain;
  Value initial;  // what the program has now
  std::optional<Condition> condition;
};

// A choice of values for some of a program's parameters; the rest keep what the program has. An
// ordered value with a content hash; copies are as cheap as a small map of shared values.
class Candidate {
 public:
  Candidate() = default;
  Candidate with(std::string path, Value value) const;
  Candidate with(const Candidate& other) const;  // the other's values win
  Candidate without(std::string_view path) const;
  const Value* find(std::string_view path) const;  // nullptr when the candidate leaves it open
  const std::map<std::string, Value, std::less<>>& values() const { return values_; }
  bool empty() const { return values_.empty(); }
  Hash hash() const;
  Value to_json() const;
  static Result<Candidate> from_json(const Value& json, std::string_view where);
  friend bool operator==(const Candidate&, const Candidate&) = default;

 private:
  std::map<std::string, Value, std::less<>> values_;
};

// Whether `value` lies in `domain`; a bad_request whose place is `path` otherwise.
Result<void> check_domain(const Domain& domain, const Value& value, std::string_view path);
// Every path must be one of `params` and every value in its domain; all faults at once, near names
// suggested.
Result<void> check_candidate(const Candidate& candidate, std::span<const Param> params);

}  // namespace hone
