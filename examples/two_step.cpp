// A program of two typed steps: first the gist of a customer's message, then which team it goes to.
//
// The model here is scripted, so that the example runs anywhere; put any other hone::Lm in its
// place.
#include <iostream>
#include <string>
#include <string_view>

#include "hone/testing/scripted_lm.hpp"
#include "hone/typed/to_program.hpp"

namespace {

enum class Team { billing, technical, sales };

// What a step takes and gives. Names and types are all a model needs to see; a description says
// more.
struct Summarize {
  static constexpr std::string_view instructions = "Say in one sentence what the customer wants.";
  struct In {
    std::string message;
  };
  struct Out {
    hone::Described<std::string, "one sentence"> gist;
  };
};

struct Route {
  static constexpr std::string_view instructions = "Choose the team that can help.";
  struct In {
    std::string gist;
  };
  struct Out {
    Team team = Team::billing;
    bool urgent = false;
  };
};

// The program is a plain struct; its control flow is plain C++.
struct Desk {
  hone::Predict<Summarize> summarize;
  hone::ChainOfThought<Route> route;

  Route::Out operator()(hone::Call& call, const Summarize::In& in) const {
    const Summarize::Out summary = summarize(call, in);
    return route(call, {.gist = summary.gist});
  }
};

}  // namespace

int main() {
  const hone::ScriptedLm lm = hone::ScriptedLm::in_turn({
      "[[ ## gist ## ]]\nThe customer was charged twice and wants the money back.",
      "[[ ## reasoning ## ]]\nMoney is the billing team's; nothing is broken.\n\n"
      "[[ ## team ## ]]\nbilling\n\n[[ ## urgent ## ]]\nno",
  });

  // As it stands, with C++ types all the way:
  hone::Call call(lm);
  const Route::Out routed = Desk{}(call, {.message = "You took 40 euros from my card two times!"});
  std::cout << "billing: " << (routed.team == Team::billing) << ", urgent: " << routed.urgent
            << "\n";

  // As a program that optimizers and files can work with:
  const hone::Program program = hone::to_program(Desk{});
  std::cout << program.describe() << "\nWhat can be tuned:\n";
  for (const hone::Param& param : program.params()) std::cout << "  " << param.path << "\n";

  const hone::Candidate candidate =
      hone::Candidate().with("route.module", "predict").with("summarize.format", "json");
  const hone::Result<hone::Program> tuned = program.with(candidate);
  if (!tuned) {
    std::cerr << tuned.error().text() << "\n";
    return 1;
  }
  return routed.team == Team::billing && !routed.urgent && call.trace().steps.size() == 2 ? 0 : 1;
}
