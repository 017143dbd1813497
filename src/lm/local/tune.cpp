#include <array>
#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/base/rng.hpp"
#include "hone/lm/local.hpp"

#include "lm/file_lock.hpp"
#include "lm/local/machine.hpp"

namespace hone {
namespace {

constexpr std::size_t kPrefixWords = 120;
constexpr std::size_t kInputWords = 20;
constexpr std::size_t kReplyTokens = 8;
// Enough to fill the largest batch there is to choose, and the widest step.
constexpr std::size_t kLabels = 24;
constexpr std::size_t kTexts = 24;

// Words in a random order cost what real ones cost, and share no more than they should.
std::string words(Rng& rng, std::size_t count) {
  constexpr std::array<const char*, 16> kWords = {
      "river", "letter", "green",  "seven", "window", "before", "paper", "slowly",
      "under", "bright", "answer", "stone", "music",  "table",  "never", "market"};
  std::string text;
  for (std::size_t i = 0; i < count; ++i)
    text += (i == 0 ? "" : " ") + std::string(kWords[rng.below(kWords.size())]);
  return text;
}

std::vector<LmRequest> make_requests(std::size_t count, ReplyPart part) {
  Rng rng(1);
  auto fixed =
      std::make_shared<const Segments>(Segments{Segment(Role::text, words(rng, kPrefixWords))});
  auto plan = std::make_shared<ReplyPlan>();
  plan->parts = {ForcedText{"\nAnswer:"}, std::move(part)};
  std::vector<LmRequest> requests(count);
  for (LmRequest& request : requests) {
    request.prompt = Prompt(fixed, {Segment(Role::text, "\n" + words(rng, kInputWords))});
    request.reply = plan;
  }
  return requests;
}

Result<double> seconds_of(const LocalLm& lm, const std::vector<LmRequest>& requests) {
  lm.forget();
  const auto start = std::chrono::steady_clock::now();
  for (const auto& reply : lm.complete(requests, {})) {
    if (!reply) return reply.error();
  }
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// One setting under test.
struct Trial {
  LocalTuning tuning;
  double labels = 0;  // seconds choosing among labels, prefill alone
  double texts = 0;   // seconds of replies with some length

  double seconds() const { return labels + texts; }
};

// Opened for each measurement and closed after it: five engines at once would hold the weights five
// times over where llama.cpp lays them out anew.
Result<void> measure(LocalOptions options, Trial& trial) {
  options.tuning = trial.tuning;
  const auto lm = LocalLm::open(std::move(options));
  if (!lm) return lm.error();
  // The first computation also brings the weights into memory.
  const auto one = make_requests(1, LabelSlot{"label", " ", {"yes", "no"}, "\n", {}});
  if (const auto warm = seconds_of(**lm, one); !warm) return warm.error();
  const auto labels = make_requests(kLabels, LabelSlot{"label", " ", {"yes", "no"}, "\n", {}});
  const auto texts = make_requests(kTexts, TextSlot{"text", " ", "", {"\n\n\n\n\n"}, kReplyTokens});
  const auto label_seconds = seconds_of(**lm, labels);
  if (!label_seconds) return label_seconds.error();
  const auto text_seconds = seconds_of(**lm, texts);
  if (!text_seconds) return text_seconds.error();
  trial.labels = *label_seconds;
  trial.texts = *text_seconds;
  return {};
}

// Of the usual setting's time, for another to be preferred to it. Each doubling of a batch takes
// 14 MB and more.
double share_to_save(const LocalTuning& usual, const LocalTuning& other) {
  return other.step_tokens > usual.step_tokens ? 0.9 : 0.95;
}

// Whether what seems better is so twice more, side by side: another program may have had the
// processors while the usual setting was measured. Where the usual one wins at once, as mostly, a
// second look would only cost time at the first use.
Result<bool> is_better_again(const LocalOptions& options, const LocalTuning& usual,
                             const LocalTuning& other) {
  for (int pair = 0; pair < 2; ++pair) {
    Trial before{usual}, after{other};
    for (Trial* trial : {&before, &after}) {
      if (const auto done = measure(options, *trial); !done) return done.error();
    }
    if (after.seconds() >= share_to_save(usual, other) * before.seconds()) return false;
  }
  return true;
}

std::string table_row(const Trial& trial) {
  std::array<char, 128> line{};
  std::snprintf(line.data(), line.size(), "%-15s %5zu %11zu %12.2f %11.2f\n",
                trial.tuning.flash_attention ? "on" : "off", trial.tuning.width,
                trial.tuning.step_tokens, trial.labels, trial.texts);
  return line.data();
}

// The settings worth a look: flash attention, larger batches, fewer replies at once. Batches four
// times as large came out within a few per cent on every machine, at 28 MB more.
std::vector<LocalTuning> candidates() {
  const LocalTuning usual;
  std::vector<LocalTuning> all(4, usual);
  all[1].step_tokens = 2 * usual.step_tokens;
  all[2].flash_attention = !usual.flash_attention;
  all[3].width = 16;
  return all;
}

}  // namespace

Result<TuneReport> tune_local(LocalOptions options) {
  const std::filesystem::path folder = options.tuning_folder;
  options.context_cells = 2048;
  options.exact = false;
  std::vector<Trial> trials;
  for (const LocalTuning& tuning : candidates()) {
    Trial trial{tuning};
    if (const auto done = measure(options, trial); !done) return done.error();
    trials.push_back(trial);
  }
  TuneReport report;
  report.table = "flash attention width step tokens 24 labels, s 24 texts, s\n";
  const Trial* best = &trials.front();
  for (const Trial& trial : trials) {
    report.table += table_row(trial);
    const double needed =
        best == &trials.front() || trial.tuning.step_tokens > best->tuning.step_tokens
            ? share_to_save(best->tuning, trial.tuning)
            : 1.0;
    if (trial.seconds() < needed * best->seconds()) best = &trial;
  }
  const LocalTuning& usual = trials.front().tuning;
  if (best->tuning != usual) {
    const auto is_better = is_better_again(options, usual, best->tuning);
    if (!is_better) return is_better.error();
    if (!*is_better) best = &trials.front();
  }
  report.best = best->tuning;
  if (folder.empty()) return report;
  const auto content = local::content_id(options.model);
  if (!content) return content.error();
  if (const auto saved = local::save_tuning(folder, *content, report.best); !saved)
    return saved.error();
  return report;
}

Result<void> tune_at_first_use(LocalOptions options, const std::function<void()>& begin) {
  const std::filesystem::path folder = options.tuning_folder;
  if (folder.empty() || options.tuning) return {};
  if (const auto checked = local::check_gguf(options.model); !checked) return checked;
  const auto content = local::content_id(options.model);
  if (!content) return content.error();
  if (local::load_tuning(folder, *content)) return {};
  std::error_code ignored;
  std::filesystem::create_directories(folder, ignored);
  const SystemClock clock;
  const auto lock = FileLock::take(folder / ".lock", clock, {}, [] {});
  if (!lock) return lock.error();
  if (local::load_tuning(folder, *content)) return {};
  begin();
  const auto report = tune_local(std::move(options));
  if (!report) return report.error();
  return {};
}

}  // namespace hone
