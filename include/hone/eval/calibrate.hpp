// Learns the label biases of a program's enum outputs from inputs alone.
#pragma once

#include "hone/base/result.hpp"
#include "hone/core/example.hpp"
#include "hone/core/param.hpp"
#include "hone/eval/evaluator.hpp"
#include "hone/program/program.hpp"

namespace hone {

// For every predictor with a calibration other than none: a value of its "label_bias" parameter.
//   batch         the mean log-probability of each label over runs of the program on the examples'
//   inputs (their
//                 labels are not looked at); through a cache these runs cost nothing when they are
//                 made again
//   content_free  the mean over three runs of the predictor with every text input replaced by
//   "N/A", "[MASK]"
//                 and nothing
// Empty when no predictor is calibrated or the model does not score labels. Fails only when every
// run failed.
Result<Candidate> learn_label_bias(const Program& program, const Examples& examples,
                                   const Evaluator& evaluator);

}  // namespace hone
