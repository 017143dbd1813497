#include <array>
#include <chrono>
#include <cstdio>
#include <optional>
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

constexpr std::size_t kPrefixWords = 320;
constexpr std::size_t kInputWords = 24;

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

struct Timing {
  double labels = 0;  // choosing among labels, prefill alone
  double texts = 0;   // replies of some length
  double total() const { return labels + texts; }
};

Result<Timing> measure(LocalOptions options, const LocalTuning& tuning) {
  constexpr std::size_t kReplyTokens = 16;
  options.tuning = tuning;
  const auto lm = LocalLm::open(std::move(options));
  if (!lm) return lm.error();
  const auto labels = make_requests(16, LabelSlot{"label", " ", {"yes", "no"}, "\n", {}});
  const auto texts = make_requests(48, TextSlot{"text", " ", "", {"\n\n\n\n\n"}, kReplyTokens});
  // The first computation also brings the weights into memory.
  if (const auto warm = seconds_of(**lm, {labels.front()}); !warm) return warm.error();
  const auto label_seconds = seconds_of(**lm, labels);
  if (!label_seconds) return label_seconds.error();
  const auto text_seconds = seconds_of(**lm, texts);
  if (!text_seconds) return text_seconds.error();
  return Timing{*label_seconds, *text_seconds};
}

std::string table_row(const LocalTuning& tuning, const Timing& timing) {
  std::array<char, 128> line{};
  std::snprintf(line.data(), line.size(), "%-15s %5zu %11zu %12.2f %11.2f\n",
                tuning.flash_attention ? "on" : "off", tuning.width, tuning.step_tokens,
                timing.labels, timing.texts);
  return line.data();
}

}  // namespace

Result<TuneReport> tune_local(LocalOptions options) {
  const std::filesystem::path folder = options.tuning_folder;
  options.context_cells = 4096;
  TuneReport report;
  report.table = "flash attention width step tokens 16 labels, s 48 texts, s\n";
  // One setting after the other, each kept when it is faster: they hardly depend on one another.
  std::optional<Timing> best;
  const auto attempt = [&](LocalTuning tuning) -> Result<void> {
    const auto timing = measure(options, tuning);
    if (!timing) return timing.error();
    report.table += table_row(tuning, *timing);
    if (!best || timing->total() < best->total()) {
      best = *timing;
      report.best = tuning;
    }
    return {};
  };
  for (const bool flash : {true, false}) {
    LocalTuning tuning;
    tuning.flash_attention = flash;
    if (const auto done = attempt(tuning); !done) return done.error();
  }
  for (const std::size_t width : {std::size_t{24}, std::size_t{96}}) {
    LocalTuning tuning = report.best;
    tuning.width = width;
    if (const auto done = attempt(tuning); !done) return done.error();
  }
  LocalTuning shorter = report.best;
  shorter.step_tokens = 256;
  if (const auto done = attempt(shorter); !done) return done.error();
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
