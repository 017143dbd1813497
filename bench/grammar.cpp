// What following a grammar costs while 32 replies are decoded together: the time spent on rows of
// logits (choosing tokens, following the grammar) as a share of the time spent in the model.
//
//   ./dev bench grammar [--json] [MODEL ...]     (default: smollm2 gemma-270m-base)
//
// The value is an object that holds a list of objects, as a signature gives it. `grammar_share` is
// the worst model's. `free_share` is the same work without a grammar: what choosing tokens costs
// anyway.
#include <algorithm>
#include <cstdio>
#include <cstring>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "hone/adapter/prompt_template.hpp"
#include "hone/lm/local.hpp"
#include "hone/lm/model_store.hpp"

namespace {

using namespace hone;

constexpr std::size_t kWave = 32;
constexpr std::size_t kTokens = 64;

struct Cost {
  double share = 0;
  double model_seconds = 0;
  double row_seconds = 0;
  std::int64_t tokens = 0;
};

std::vector<LmRequest> make_requests(Format format, bool with_grammar, double temperature) {
  const Signature signature =
      Signature::parse(
          "message -> order: {customer: str, items: list[{name: str, count: int, "
          "colour: enum(red, blue, green)}], address: {street: str, city: str, zip: int}}",
          "Read the order out of the message.")
          .value();
  const Value demo =
      Value::parse_json(
          R"({"message": "Hi, Ann Lee here. Two red mugs and a blue bowl to 5 Mill Lane, Leeds 40213.",
              "order": {"customer": "Ann Lee", "items": [{"name": "mug", "count": 2, "colour": "red"},
                        {"name": "bowl", "count": 1, "colour": "blue"}],
                        "address": {"street": "5 Mill Lane", "city": "Leeds", "zip": 40213}}})")
          .value();
  const PromptTemplate prompts(signature, format, {demo});
  std::shared_ptr<const ReplyPlan> reply = prompts.reply_plan();
  if (!with_grammar) {
    auto free = std::make_shared<ReplyPlan>(*reply);
    for (ReplyPart& part : free->parts) {
      if (auto* slot = std::get_if<TextSlot>(&part)) {
        slot->grammar.clear();
        slot->stop = {"never to be seen"};
      }
    }
    reply = std::move(free);
  }
  const std::vector<std::string> names = {"Bo Chan", "Eva Ruiz", "Tom Hill", "Mia Novak"};
  const std::vector<std::string> goods = {"three green plates", "a red lamp and two blue cups",
                                          "five blue towels", "one green jug, four red forks"};
  std::vector<LmRequest> requests;
  for (std::size_t i = 0; i < kWave; ++i) {
    LmRequest request;
    request.prompt = prompts.render(
        Value::object({{"message", names[i % 4] + " wants " + goods[i / 4 % 4] +
                                       ", please send it to " + std::to_string(11 + i) +
                                       " High Street, York " + std::to_string(20100 + i) + "."}}));
    request.reply = reply;
    request.settings.max_tokens = kTokens;
    request.settings.temperature = temperature;
    request.sample = i;
    requests.push_back(std::move(request));
  }
  return requests;
}

// Decoding alone: the prompts are computed before, with replies of one token.
Cost measure(const LocalLm& lm, std::vector<LmRequest> requests) {
  const auto run = [&](std::size_t tokens) {
    for (LmRequest& request : requests) request.settings.max_tokens = tokens;
    lm.forget();
    const LocalCounters before = lm.counters();
    for (const auto& reply : lm.complete(requests, {})) (void)reply.value();
    const LocalCounters after = lm.counters();
    return Cost{0, after.decode_seconds - before.decode_seconds,
                after.row_seconds - before.row_seconds,
                after.generated_tokens - before.generated_tokens};
  };
  const Cost start = run(1);
  Cost cost = run(kTokens);
  cost.model_seconds -= start.model_seconds;
  cost.row_seconds -= start.row_seconds;
  cost.tokens -= start.tokens;
  cost.share = cost.row_seconds / cost.model_seconds;
  return cost;
}

Cost median(const LocalLm& lm, const std::vector<LmRequest>& requests) {
  std::vector<Cost> costs;
  for (int i = 0; i < 3; ++i) costs.push_back(measure(lm, requests));
  std::sort(costs.begin(), costs.end(),
            [](const Cost& a, const Cost& b) { return a.share < b.share; });
  return costs[1];
}

std::filesystem::path model_path(const std::string& name) {
  if (std::filesystem::exists(name)) return name;
  ModelStoreOptions options;
  options.cache = ModelStore::default_cache().value();
  return ModelStore(options).path(name).value();
}

}  // namespace

int main(int argc, char** argv) {
  bool as_json = false;
  std::vector<std::string> models;
  for (int i = 1; i < argc; ++i) {
    if (std::strcmp(argv[i], "--json") == 0) {
      as_json = true;
    } else {
      models.emplace_back(argv[i]);
    }
  }
  if (models.empty()) models = {"smollm2", "gemma-270m-base"};
  try {
    nlohmann::json out = {{"wave", kWave}, {"models", nlohmann::json::object()}};
    double worst = 0;
    for (const std::string& model : models) {
      LocalOptions options;
      options.model = model_path(model);
      options.context_cells = 8192;
      const auto lm = LocalLm::open(options).value();
      const Cost greedy = median(*lm, make_requests(Format::json, true, 0));
      const Cost drawn = median(*lm, make_requests(Format::json, true, 1));
      const Cost free = median(*lm, make_requests(Format::json, false, 0));
      worst = std::max(worst, greedy.share);
      out["models"][model] = {
          {"grammar_share", greedy.share},
          {"sampled_share", drawn.share},
          {"free_share", free.share},
          {"row_us_per_token", 1e6 * greedy.row_seconds / static_cast<double>(greedy.tokens)},
          {"model_us_per_token", 1e6 * greedy.model_seconds / static_cast<double>(greedy.tokens)},
          {"tokens", greedy.tokens}};
      if (!as_json) {
        std::printf(
            "%-18s greedy %5.2f %%  sampled %5.2f %%  without a grammar %5.2f %%  (%.0f us of "
            "%.0f us a token)\n",
            model.c_str(), 100 * greedy.share, 100 * drawn.share, 100 * free.share,
            1e6 * greedy.row_seconds / static_cast<double>(greedy.tokens),
            1e6 * greedy.model_seconds / static_cast<double>(greedy.tokens));
      }
    }
    out["grammar_share"] = worst;
    if (as_json) std::printf("%s\n", out.dump().c_str());
  } catch (const Exception& failure) {
    std::fprintf(stderr, "%s\n", failure.what());
    return 2;
  }
  return 0;
}
