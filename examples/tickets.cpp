// A typed program, tuned on a model in this process, saved, and loaded again as another process
// would. Run it in the checkout, after `hone models pull smollm2`.
// clang-format off
#include <iostream>
#include <string>
#include <string_view>

#include "hone/eval/metric.hpp"
#include "hone/lm/local.hpp"
#include "hone/optimize/optimize.hpp"
#include "hone/program/saved_program.hpp"
#include "hone/typed/to_program.hpp"

enum class Queue { account, billing, cancellation, sales, technical };

struct Triage {                                      // what a step takes and gives
  static constexpr std::string_view instructions = "Route the customer's message to the right desk.";
  struct In  { std::string ticket; };
  struct Out { Queue queue{}; };
};

struct Desk {                                        // a program is a plain struct
  hone::Predict<Triage> triage{hone::PredictorOptions{.format = hone::Format::completion}};
  Triage::Out operator()(hone::Call& call, const Triage::In& in) const { return triage(call, in); }
};

int main() try {
  const auto lm = hone::LocalLm::open(hone::pulled_model("smollm2").value()).value();
  const auto train = hone::load_examples("examples/tickets/train.jsonl").value();
  const auto val = hone::load_examples("examples/tickets/dev.jsonl").value();

  const auto optimizer = hone::make_optimizer("bootstrap_random_search").value();
  const hone::Optimized done = hone::optimize(
      hone::to_program(Desk{}), {train, val, hone::exact_match("queue")}, *lm, *optimizer,
      {.seed = 1, .budget = {.lm_calls = 300}}).value();
  std::cout << 100 * done.baseline.mean << " % -> " << 100 * done.best.mean << " % right\n";
  hone::save_program("desk.hone.json", {done.program, {}, {}}).value();

  const auto saved = hone::load_program_into("desk.hone.json", hone::to_program(Desk{})).value();
  const Desk desk = hone::from_program<Desk>(saved.program).value();  // the struct, tuned
  hone::Call call(*lm);
  const Queue queue = desk(call, {.ticket = "My router blinks red since this morning."}).queue;
  std::cout << "goes to desk " << static_cast<int>(queue) << "\n";
  return done.best.mean >= done.baseline.mean ? 0 : 1;
} catch (const hone::Exception& error) {
  std::cerr << error.what() << "\n";                 // what is wrong, where, and what to do
  return 2;
}
// clang-format on
