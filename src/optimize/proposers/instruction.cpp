#include "optimize/proposers/instruction.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {
namespace {

constexpr std::size_t kDescriptionLimit = 400;

Part program_part(const Search& search) {
  return {"program", "the program: its steps, their fields and their present instructions",
          shorten(search.student().describe(), kPartLimit)};
}

}  // namespace

std::vector<std::optional<std::string>> propose_instructions(
    Search& search, const std::vector<Grounding>& groundings, const Asking& asking) {
  std::vector<Question> questions;
  for (const Grounding& grounding : groundings) {
    Question question;
    question.instructions =
        "Write one better instruction for a language model that does the task below. Say what to "
        "do and what to watch out for. Do not answer the examples.";
    question.parts = {
        {"dataset_summary", "what the data looks like", grounding.dataset},
        {"program_description", "what the whole program does", grounding.program},
        {"step_description", "what the step with this instruction does", grounding.step},
        {"task_examples", "examples of the task, done right", grounding.demos},
        {"current_instruction", "the instruction so far", grounding.current},
        {"earlier_attempts",
         "instructions tried, each with its score (higher is better), best last",
         grounding.history},
        {"bad_cases", "where the model went wrong", grounding.bad_cases},
        {"tip", "the kind of instruction wanted", grounding.tip},
    };
    question.output = "proposed_instruction";
    question.type = bounded_text(kInstructionLimit, "the new instruction, in one paragraph");
    questions.push_back(std::move(question));
  }
  return ask_texts(search, questions, asking);
}

std::string summarize_dataset(Search& search, std::size_t batches, std::size_t batch_size,
                              const Asking& asking) {
  Rng rng = search.rng("dataset summary");
  Examples examples = search.train();
  rng.shuffle(examples);
  std::vector<Question> questions;
  for (std::size_t b = 0; b < batches && b * batch_size < examples.size(); ++b) {
    std::vector<std::string> shown;
    for (std::size_t i = b * batch_size; i < std::min(examples.size(), (b + 1) * batch_size); ++i)
      shown.push_back(fields_text(examples[i].fields()));
    Question question;
    question.instructions =
        "Look at these examples of a data set and note what holds for many of them: subject, "
        "style, length, how the answers follow from the rest.";
    question.parts = {{"examples", "some examples of the data set", numbered(shown)}};
    question.output = "observations";
    question.type = bounded_text(kDescriptionLimit, "what was noticed, in a few sentences");
    questions.push_back(std::move(question));
  }
  std::vector<std::string> notes;
  for (std::optional<std::string>& note : ask_texts(search, questions, asking)) {
    if (note) notes.push_back(*std::move(note));
  }
  if (notes.size() <= 1) return notes.empty() ? std::string() : notes.front();
  Question question;
  question.instructions =
      "Sum the observations about a data set up in two or three sentences that tell what the task "
      "is and what matters in it.";
  question.parts = {{"observations", "notes on parts of the data set", numbered(notes)}};
  question.output = "summary";
  question.type = bounded_text(kDescriptionLimit, "the summary");
  const std::vector<std::optional<std::string>> summary = ask_texts(search, {question}, asking);
  return summary.front().value_or(notes.front());
}

std::string describe_program(Search& search, const Asking& asking) {
  Question question;
  question.instructions = "Say in two sentences what task this program solves and how.";
  question.parts = {program_part(search),
                    {"program_example", "one example of its fields",
                     fields_text(search.train().front().fields())}};
  question.output = "program_description";
  question.type = bounded_text(kDescriptionLimit, "what the program does");
  return ask_texts(search, {question}, asking).front().value_or("");
}

std::vector<std::string> describe_steps(Search& search, const std::vector<Predictor>& steps,
                                        const std::string& program, const Asking& asking) {
  std::vector<Question> questions;
  for (const Predictor& step : steps) {
    Question question;
    question.instructions = "Say in one or two sentences what the named step does in the program.";
    question.parts = {
        program_part(search),
        {"program_description", "what the whole program does", program},
        {"step", "the step meant", step.path() + ": " + step.signature().to_string()}};
    question.output = "step_description";
    question.type = bounded_text(kDescriptionLimit, "what the step does");
    questions.push_back(std::move(question));
  }
  std::vector<std::string> out;
  for (std::optional<std::string>& text : ask_texts(search, questions, asking))
    out.push_back(std::move(text).value_or(""));
  return out;
}

std::string draw_tip(Rng& rng) {
  static constexpr std::array<std::string_view, 6> tips = {
      "",
      "Be creative: find a way to put it that was not tried.",
      "Keep the instruction short and clear.",
      "Be detailed: name the cases that are easy to get wrong.",
      "Let the model play a person who is expert in this.",
      "Make clear how much depends on getting it right."};
  return std::string(tips[rng.below(tips.size())]);
}

}  // namespace hone
