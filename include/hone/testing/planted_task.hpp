// A task whose best prompts are known, and a scripted model that can be asked to improve it.
#pragma once

#include "hone/optimize/search.hpp"
#include "hone/program/program.hpp"
#include "hone/testing/scripted_lm.hpp"

namespace hone::testing {

// Say whether a number is even or odd. The model is right on numbers whose last digit is below
//
//   2 + demos shown + the largest N of "care level N" in its prompt
//
// so that 8 demos, or an instruction of care level 8, or a mixture, answer all. Asked for a text
// (an instruction, advice, rules) it gives one of the care level three above the largest it was
// shown, so that a proposer who sees the best attempt so far climbs, and one who does not stays.
struct PlantedTask {
  Program student;
  Task task;
  Script script;
};

// `train` and `val` examples; balanced.
PlantedTask planted_task(int train = 24, int val = 30);

}  // namespace hone::testing
