#include "optimize/proposers/reflection.hpp"

#include <algorithm>

#include "hone/base/text.hpp"

namespace hone {

Question reflection_question(const std::string& current, const std::string& records,
                             std::size_t limit) {
  Question question;
  question.instructions =
      "An instruction for a language model was tried on some inputs. Read what the model answered "
      "and the feedback, find out what the instruction lacks, and write a new instruction that "
      "keeps what is good and adds what is needed: facts, rules and steps that hold for other "
      "inputs too.";
  question.parts = {
      {"current_instruction", "the instruction that was tried", current},
      {"examples_with_feedback", "inputs, answers and feedback", records},
  };
  question.output = "new_instruction";
  question.type = bounded_text(limit, "the new instruction, in one paragraph");
  return question;
}

std::string reflection_record(const Example& example, const Rollout& rollout,
                              const Signature& program, const std::string& path) {
  const TraceStep* chosen = nullptr;
  for (const TraceStep& step : rollout.trace.steps) {
    if (step.path != path) continue;
    if (!chosen || (step.outputs.is_null() && !chosen->outputs.is_null())) chosen = &step;
  }
  if (!chosen) return {};
  std::string out = "given:\n" + fields_text(chosen->inputs);
  if (chosen->outputs.is_null()) {
    // What says nothing about the program, as a lost connection, is nothing to reflect on.
    if (!rollout.score) return {};
    std::vector<std::string> faults;
    for (const Error& fault : chosen->faults) faults.push_back(fault.message);
    out += std::string("\n") +
           (chosen->has_bad_reply() ? "the reply could not be read" : "there was no reply") + ": " +
           shorten(join(faults, "; "), kItemLimit / 2) +
           "\nreply: " + shorten(chosen->reply, kItemLimit / 2);
  } else {
    out += "\nanswered: " + fields_text(chosen->outputs);
  }
  const Value expected = example.outputs(program);
  if (expected.size() > 0) out += "\nexpected in the end: " + fields_text(expected);
  if (rollout.score) out += "\nscore: " + number_text(*rollout.score);
  if (!rollout.feedback.empty()) out += "\nfeedback: " + shorten(rollout.feedback, kItemLimit);
  return out;
}

Question advice_question(const std::string& program, const std::string& predictor,
                         const std::string& better, const std::string& worse) {
  Question question;
  question.instructions =
      "A program was run on the same input more than once. Compare the better run with the worse "
      "one and write one short piece of advice to the named step, so that it does well on inputs "
      "of this kind: \"If ..., then ...\".";
  question.parts = {
      {"program", "the program: its steps, fields and instructions", shorten(program, kPartLimit)},
      {"step", "the step to advise", predictor},
      {"better_run", "what happened in the better run", better},
      {"worse_run", "what happened in the worse run", worse},
  };
  question.output = "advice";
  question.type = bounded_text(300, "the advice");
  return question;
}

}  // namespace hone
