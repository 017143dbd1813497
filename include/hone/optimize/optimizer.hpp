// Optimizers decide what to try next; the search does the rest.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"
#include "hone/core/value.hpp"
#include "hone/optimize/search.hpp"

namespace hone {

// What an optimizer is about to work on, known before anything is spent.
struct SearchSetting {
  const Program& student;
  const Space& space;
  bool has_embedder = false;
};

// Immutable. Returning early is fine: the best trial so far is the answer. An Error means that
// nothing sensible could be tried (no demos to draw, a domain it cannot handle).
class Optimizer {
 public:
  virtual ~Optimizer() = default;
  virtual std::string_view name() const = 0;
  virtual Result<void> run(Search& search) const = 0;
  // Whether it searches such a parameter, given one in its space. The default says yes: an
  // optimizer of one's own that says nothing is taken at its word. Calibrations and learned
  // parameters are the search's own work and never asked about.
  virtual bool handles(const Param& param) const;
  // A glob at least one parameter of its space must match; empty = anything it handles will do.
  virtual std::string_view needs() const { return {}; }
  // Whether its options go with such a search; a bad_request says what to change. optimize() asks
  // before it spends anything. The default takes everything.
  virtual Result<void> check(const SearchSetting& setting) const;
  // What besides the name decides what it does, as text: part of a study's identity, so that other
  // options do not go on with its log. Of the built-in ones the options given, as JSON; empty when
  // there are none.
  virtual std::string settings() const { return {}; }
};

// Whether the optimizer can do what the space asks for: every glob given to Space::keep or narrow
// matches something it handles, and so does the whole. A bad_request names the parameter and the
// optimizers that can. optimize() asks before it spends anything.
Result<void> check_space(const Optimizer& optimizer, const Space& space);

struct OptimizerInfo {
  std::string name;
  std::string summary;  // one line: what it does
  std::string suits;    // one line: the data and model it suits
  std::vector<std::string>
      options;  // "max_labeled = 8  demos with given labels, at most", one each
};

// Every built-in optimizer, in the order of growing effort.
std::vector<OptimizerInfo> optimizers();
// By name, with its options as an object; unknown names and options suggest near ones.
Result<std::unique_ptr<Optimizer>> make_optimizer(std::string_view name, const Value& options = {});

}  // namespace hone
