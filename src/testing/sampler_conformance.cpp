#include "hone/testing/sampler_conformance.hpp"

#include <algorithm>
#include <cmath>
#include <set>

#include "hone/base/text.hpp"

namespace hone::testing {
namespace {

Space mixed_space() {
  return Space({{"deep.rate", RealDomain{1e-4, 1, true}, 0.1, Condition{"kind", "deep"}},
                {"kind", ChoiceDomain{{"deep", "wide"}}, "deep", {}},
                {"wide.count", IntDomain{-2, 5}, 0, Condition{"kind", "wide"}},
                {"wide.share", RealDomain{0, 1, false}, 0.5, Condition{"kind", "wide"}},
                {"style", ChoiceDomain{{1, "two", Value()}}, 1, {}},
                {"bias", LearnedDomain{}, Value(), {}}});
}

Space finite_space() {
  return Space({{"kind", ChoiceDomain{{"a", "b"}}, "a", {}},
                {"count", IntDomain{1, 3}, 1, Condition{"kind", "a"}},
                {"format", ChoiceDomain{{"x", "y", "z"}}, "x", {}}});
}

double bowl(const Candidate& candidate) {
  return -std::pow(candidate.find("x")->as_double() - 0.3, 2) -
         std::pow(candidate.find("y")->as_double() + 0.6, 2);
}

Space bowl_space() {
  return Space({{"x", RealDomain{-1, 1, false}, 0, {}}, {"y", RealDomain{-1, 1, false}, 0, {}}});
}

double best_of(Sampler& sampler, std::size_t trials) {
  double best = -1e300;
  for (std::size_t i = 0; i < trials; ++i) {
    const std::optional<Candidate> candidate = sampler.ask();
    if (!candidate) break;
    const double score = bowl(*candidate);
    sampler.tell(*candidate, score);
    best = std::max(best, score);
  }
  return best;
}

class SamplerCheck {
 public:
  SamplerCheck(const SamplerMaker& make, const SamplerConformance& expected)
      : make_(&make), expected_(&expected) {}

  std::vector<std::string> run() {
    stays_in_the_space();
    repeats_itself_for_a_seed();
    refuses_what_it_cannot_draw();
    if (expected_->learns) learns();
    if (expected_->ends) ends();
    return std::move(broken_);
  }

 private:
  void broke(std::string what) { broken_.push_back(std::move(what)); }

  void stays_in_the_space() {
    const Space space = mixed_space();
    Result<std::unique_ptr<Sampler>> sampler = (*make_)(space, 3);
    if (!sampler) {
      broke("refuses a mixed space: " + sampler.error().text());
      return;
    }
    for (int i = 0; i < 100; ++i) {
      const std::optional<Candidate> candidate = (*sampler)->ask();
      if (!candidate) break;
      if (Result<void> fits = check_candidate(*candidate, space.params()); !fits)
        broke("asks for a value outside its domain: " + fits.error().text());
      for (const Param& param : space.params()) {
        if (std::holds_alternative<LearnedDomain>(param.domain)) continue;
        const bool wanted = space.is_active(param, *candidate);
        if (wanted != (candidate->find(param.path) != nullptr))
          broke(param.path + (wanted ? " is missing" : " is there although its condition fails"));
      }
      // Every third cannot be measured, and some were never asked for.
      (*sampler)->tell(*candidate, i % 3 == 0 ? std::nullopt : std::optional<double>(i % 7));
      if (i % 10 == 0) (*sampler)->tell(Candidate().with("kind", "wide").with("style", 1), 0.5);
      if (!broken_.empty()) return;
    }
  }

  std::string sequence(std::uint64_t seed) {
    std::string out;
    Result<std::unique_ptr<Sampler>> sampler = (*make_)(mixed_space(), seed);
    for (int i = 0; sampler && i < 40; ++i) {
      const std::optional<Candidate> candidate = (*sampler)->ask();
      if (!candidate) break;
      out += candidate->to_json().to_json() + "\n";
      if (i % 4 != 0) (*sampler)->tell(*candidate, static_cast<double>(i % 5));
    }
    return out;
  }

  void repeats_itself_for_a_seed() {
    const std::string once = sequence(5);
    if (once != sequence(5)) broke("asks for other candidates with the same seed");
    if (expected_->is_random && once == sequence(6)) broke("ignores its seed");
  }

  void refuses_what_it_cannot_draw() {
    const auto refuses = [&](Param param, const std::string& what) {
      const Result<std::unique_ptr<Sampler>> sampler = (*make_)(Space({std::move(param)}), 1);
      if (sampler) {
        broke("takes " + what);
      } else if (sampler.error().kind != ErrorKind::bad_request ||
                 sampler.error().text().find("odd.one") == std::string::npos) {
        broke("refuses " + what + " without naming the parameter: " + sampler.error().text());
      }
    };
    refuses({"odd.one", TextDomain{}, "text", {}}, "free text");
    refuses({"odd.one", ChoiceDomain{}, Value(), {}}, "a parameter without choices");
    refuses({"odd.one", IntDomain{2, 1}, 1, {}}, "an empty range");
    refuses({"odd.one", RealDomain{0, 1, true}, 1, {}}, "a log scale from 0");
    refuses({"odd.one", IntDomain{0, 1}, 1, Condition{"odd.one", 1}}, "a condition in a circle");
    if ((*make_)(Space(std::vector<Param>{}), 1)) broke("takes an empty space");
  }

  void learns() {
    double ours = 0;
    double random = 0;
    for (std::uint64_t seed = 0; seed < 10; ++seed) {
      const std::unique_ptr<Sampler> sampler = (*make_)(bowl_space(), seed).value();
      ours += best_of(*sampler, 50);
      random += best_of(*make_random_sampler(bowl_space(), seed).value(), 50);
    }
    if (ours <= random) broke("does not learn: no better than random on a bowl");
  }

  void ends() {
    const std::unique_ptr<Sampler> sampler = (*make_)(finite_space(), 1).value();
    std::set<std::string> seen;
    std::size_t asked = 0;
    for (; asked < 100; ++asked) {
      const std::optional<Candidate> candidate = sampler->ask();
      if (!candidate) break;
      seen.insert(candidate->to_json().to_json());
      sampler->tell(*candidate, static_cast<double>(asked % 4));
    }
    if (asked != 12 || seen.size() != 12) {
      broke("asks " + std::to_string(asked) + " times for " + std::to_string(seen.size()) +
            " of the 12 points of a finite space");
    }
  }

  const SamplerMaker* make_;
  const SamplerConformance* expected_;
  std::vector<std::string> broken_;
};

}  // namespace

std::vector<std::string> check_sampler(const SamplerMaker& make,
                                       const SamplerConformance& expected) {
  return SamplerCheck(make, expected).run();
}

}  // namespace hone::testing
