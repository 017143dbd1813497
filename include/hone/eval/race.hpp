// Racing: which candidates are worth more examples. Pure functions of the scores so far, so that
// the same scores give the same decisions whatever the order in which they came.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace hone {

// Scores of one candidate on the examples it has met, in the order in which every candidate meets
// them: its size is how many it met. None where a run says nothing about the candidate.
using ScoreRow = std::vector<std::optional<double>>;

struct RaceRules {
  // Chance that the tests of one whole race drop a candidate that would have been ahead on all
  // examples (each checkpoint takes an equal part of it). 0 leaves the tests out.
  double risk = 0.05;
  // Examples every candidate meets before any is dropped.
  std::size_t first_block = 30;
  // Decisions after that, at equal distances; fewer where there are fewer examples.
  std::size_t checkpoints = 12;
  // Runs a race of many may take at most, as a share of running every candidate on every example; 1
  // and above leaves the tests alone to decide. Kept wherever the first block and two finalists fit
  // into it.
  double share = 0.4;
};

// After how many examples a decision is made, ascending; the last is `examples` itself, when
// nothing is left to decide. One checkpoint when there are no more examples than the first block.
std::vector<std::size_t> race_checkpoints(std::size_t examples, const RaceRules& rules = {});

// Many candidates, all at once. Of the candidates that met most examples, those to go on with,
// ascending; the one that leads always is among them. Dropped are
//   - by rank: candidates beyond the number that the remaining budget can take to the end, when
//   that number falls
//     as 1/examples. This is sequential halving (Karnin, Koren, Somekh 2013; for prompts: TRIPLE,
//     Shi et al. 2024, arXiv 2402.09723), with a little dropped often in place of half dropped
//     seldom, and all earlier examples counted: candidates meet the same ones, so that an example's
//     difficulty cancels out. At least two stay.
//   - by test: candidates that fall behind the leader, as below.
// `examples` is the number there are in all. Cost: candidates × examples met.
std::vector<std::size_t> race_survivors(std::span<const ScoreRow> rows, std::size_t examples,
                                        const RaceRules& rules = {});

// How many of `candidates` that met `met` examples so many more `runs` can take to the last of the
// checkpoints, when their number falls as 1/examples; at least 1. For budgets: a race that is cut
// off before anybody finishes has found nothing.
std::size_t race_reach(std::size_t candidates, std::size_t met,
                       std::span<const std::size_t> checkpoints, double runs);

// The `count` rows with the highest means, ascending by place; the earlier of equals, and last
// those without any score.
std::vector<std::size_t> race_foremost(std::span<const ScoreRow> rows, std::size_t count);

// One challenger against an incumbent that met at least as many examples, asked at a checkpoint:
// whether the challenger is dropped. A paired race in the manner of F-Race (Birattari et al. 2002)
// with a t-test, because there are only two.
bool falls_behind(const ScoreRow& challenger, const ScoreRow& incumbent, std::size_t examples,
                  const RaceRules& rules = {});

// How likely the challenger's mean over all `examples` is above the incumbent's, after those both
// met: a paired t-test with the correction for a finite population, since scores on examples met
// are known and not estimated. Two made-up differences, one each way and as large as the largest
// seen, keep a few equal ones from looking certain. 1 with fewer than two pairs, 0.5 without any
// difference.
double chance_ahead(const ScoreRow& challenger, const ScoreRow& incumbent, std::size_t examples);

// What a race by rank alone takes, for estimates before it starts: how many candidates reach each
// checkpoint.
struct Rung {
  std::size_t examples = 0;    // met by then
  std::size_t candidates = 0;  // that meet them
};
std::vector<Rung> halving_schedule(std::size_t candidates, std::size_t examples,
                                   const RaceRules& rules = {});
std::size_t runs_of(std::span<const Rung> schedule);

// An order of the examples in which every beginning holds each stratum (a label, a source) in about
// its proportion, random otherwise: differences between candidates that favour one label then show
// no sooner than they should. `strata` has one name an example.
std::vector<std::size_t> balanced_order(std::span<const std::string> strata, std::uint64_t seed);

}  // namespace hone
