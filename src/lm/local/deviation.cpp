// How far the fast mode's results lie from the exact mode's.
#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "hone/lm/local.hpp"

#include "lm/local/kernels/rows.hpp"
#include "lm/local/local_impl.hpp"

namespace hone {
namespace {

using Rows = std::map<local::Tokens, std::vector<float>>;

constexpr std::array<const char*, 8> kDemos = {
    "Text: The battery lasts two days and charging is quick.\nFeeling: positive\n\n",
    "Text: It arrived with a cracked screen and nobody answers my mails.\nFeeling: negative\n\n",
    "Text: A slow start, but the last act had me in tears.\nFeeling: positive\n\n",
    "Text: The room smelled of smoke and the bed was broken.\nFeeling: negative\n\n",
    "Text: Friendly staff, fresh bread, and a view over the harbour.\nFeeling: positive\n\n",
    "Text: Two hours of my life that I will never get back.\nFeeling: negative\n\n",
    "Text: I bought a second one for my mother.\nFeeling: positive\n\n",
    "Text: The instructions are wrong and the screws do not fit.\nFeeling: negative\n\n"};
constexpr std::array<const char*, 6> kSubjects = {"The soup",     "This phone", "The hotel",
                                                  "Her new book", "The ferry",  "That concert"};
constexpr std::array<const char*, 6> kOpinions = {
    "was better than I had hoped",  "fell apart after a week",
    "is fine, I suppose",           "left all of us a little cold",
    "made the whole trip worth it", "costs twice what it should, but I keep coming back"};

// Choices and short texts that share demos, as an optimizer asks for them.
std::vector<LmRequest> make_requests() {
  Segments fixed = {Segment(Role::text, "Say whether the text sounds positive or negative.\n\n")};
  for (const char* demo : kDemos) fixed.emplace_back(Role::text, demo);
  const auto shared = std::make_shared<const Segments>(std::move(fixed));
  auto choice = std::make_shared<ReplyPlan>();
  choice->parts = {ForcedText{"\nFeeling:"},
                   LabelSlot{"feeling", " ", {"positive", "negative"}, "\n", {}}};
  auto text = std::make_shared<ReplyPlan>();
  text->parts = {ForcedText{"\nWhy:"}, TextSlot{"why", " ", "", {"\n"}, 6}};
  std::vector<LmRequest> requests;
  for (std::size_t i = 0; i < kSubjects.size() * kOpinions.size(); ++i) {
    LmRequest request;
    request.prompt = Prompt(
        shared, {Segment(Role::text, std::string("Text: ") + kSubjects[i % kSubjects.size()] + " " +
                                         kOpinions[i / kSubjects.size()] + ".")});
    request.reply = choice;
    requests.push_back(request);
    if (i % 6 != 0) continue;
    request.reply = text;
    requests.push_back(std::move(request));
  }
  return requests;
}

struct Observed {
  Rows rows;
  std::vector<std::size_t> choices;
};

Result<Observed> observe(LocalOptions options, bool exact, std::span<const LmRequest> requests) {
  options.exact = exact;
  options.context_cells = 4096;
  auto impl = LocalLm::Impl::open(std::move(options));
  if (!impl) return impl.error();
  Observed observed;
  (*impl)->scheduler().observe_rows(
      [&](const local::Tokens& before, std::span<const float> logits) {
        observed.rows[before].assign(logits.begin(), logits.end());
      });
  for (const auto& reply : (*impl)->complete(requests, {})) {
    if (!reply) return reply.error();
    for (const LabelScores& scores : reply->labels) observed.choices.push_back(scores.chosen);
  }
  return observed;
}

}  // namespace

Result<ModeDeviation> measure_deviation(const LocalOptions& options) {
  const std::vector<LmRequest> requests = make_requests();
  const auto exact = observe(options, true, requests);
  if (!exact) return exact.error();
  const auto fast = observe(options, false, requests);
  if (!fast) return fast.error();
  ModeDeviation deviation;
  double sum = 0;
  std::size_t logits = 0;
  for (const auto& [before, expected] : exact->rows) {
    const auto found = fast->rows.find(before);
    if (found == fast->rows.end()) continue;  // behind a token the two modes chose differently
    const std::vector<float>& row = found->second;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double difference =
          std::abs(static_cast<double>(row[i]) - static_cast<double>(expected[i]));
      deviation.largest = std::max(deviation.largest, difference);
      sum += difference;
    }
    logits += row.size();
    ++deviation.rows;
    deviation.other_tokens += local::argmax(row) == local::argmax(expected) ? 0 : 1;
  }
  deviation.mean = logits == 0 ? 0 : sum / static_cast<double>(logits);
  deviation.choices = exact->choices.size();
  for (std::size_t i = 0; i < deviation.choices; ++i)
    deviation.other_choices += exact->choices[i] == fast->choices[i] ? 0 : 1;
  return deviation;
}

}  // namespace hone
