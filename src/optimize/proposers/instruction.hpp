// Proposals for a predictor's instruction, the way MIPRO grounds them (Opsahl-Ong et al. 2024).
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "hone/base/rng.hpp"
#include "hone/optimize/search.hpp"

#include "optimize/proposers/proposer.hpp"

namespace hone {

inline constexpr std::size_t kInstructionLimit = 600;  // bytes of a proposed instruction

// What a proposal is told; empty parts are left out of its prompt.
struct Grounding {
  std::string dataset;  // summary of the data
  std::string program;  // description of the whole
  std::string step;     // description of the step the instruction is for
  std::string demos;    // examples of the task
  std::string current;  // the instruction there is
  std::string history;  // earlier attempts with scores
  std::string bad_cases;
  std::string tip;  // the kind of instruction wanted
};

// One instruction for each grounding, none where the model gave nothing of use.
std::vector<std::optional<std::string>> propose_instructions(
    Search& search, const std::vector<Grounding>& groundings, const Asking& asking);

// A description of the data in two or three sentences: the model notes what it sees in batches of
// train examples (all at once), then sums the notes up. Empty when it said nothing.
std::string summarize_dataset(Search& search, std::size_t batches, std::size_t batch_size,
                              const Asking& asking);

// What the program is for, and what one step is for in it, in the model's words; empty texts when
// it said nothing.
std::string describe_program(Search& search, const Asking& asking);
std::vector<std::string> describe_steps(Search& search, const std::vector<Predictor>& steps,
                                        const std::string& program, const Asking& asking);

// A random kind of instruction to ask for; may be empty (no wish).
std::string draw_tip(Rng& rng);

}  // namespace hone
