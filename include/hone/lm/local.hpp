// The embedded engine: llama.cpp in this process, driven by whole batches of requests.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/lm/lm.hpp"

namespace hone {

// How the engine computes on one machine; what `tune_local` measures and stores.
struct LocalTuning {
  bool flash_attention = true;
  std::size_t width = 64;         // replies decoded at once
  std::size_t step_tokens = 256;  // tokens of one physical batch
  friend bool operator==(const LocalTuning&, const LocalTuning&) = default;
};

struct LocalOptions {
  std::filesystem::path model;  // a GGUF file
  std::string name = {};        // shown in the identity; empty = the file's stem
  std::size_t threads = 0;      // 0 = what this process may use (affinity, cgroup quota)
  // Tokens the KV cache holds, over all requests in flight and every prefix kept; 0 = 8192. A
  // prompt and its reply have to fit it, and the model's own context.
  std::size_t context_cells = 0;
  // Results that do not depend on what is computed together: bit for bit those of decoding one
  // request at a time under the same settings. bad_request for what it does not hold for: matrices
  // other than Q4_0 and Q8_0, and adapters. About 1.3 to 1.6 times slower.
  bool exact = false;
  // Prefixes outlive the call they were computed in. Without, what a call gives is a function of
  // its own requests alone, and not, by rounding, of the calls before: needed where a killed run
  // has to be gone on with to the bit.
  bool keep_prefixes = true;
  std::filesystem::path lora = {};  // an adapter in GGUF form, applied to every request
  double lora_scale = 1;
  // Where tunings are stored; empty = none is read. A tuning given here wins over a stored one.
  std::filesystem::path tuning_folder = {};
  std::optional<LocalTuning> tuning = {};
};

// What `hone` opens a pulled model with: its file, its name, and the folder with what was tuned for
// this machine. bad_request for a name that `hone models list` does not know (near ones are
// suggested), or a model that was not pulled yet.
Result<LocalOptions> pulled_model(std::string_view name);

// What the engine did since it was opened.
struct LocalCounters {
  std::int64_t requests = 0;
  std::int64_t merged_requests = 0;  // of the same batch, that needed nothing computed of their own
  std::int64_t decode_calls = 0;
  std::int64_t computed_tokens = 0;  // went through the model
  std::int64_t shared_tokens = 0;  // of prompts, found in the cache or computed for another request
  std::int64_t generated_tokens = 0;
  std::int64_t rows = 0;  // output rows of logits
  // Sum over computed tokens of the tokens each attends to: attention's share of the work.
  std::int64_t attended_tokens = 0;
  // [w]: steps that computed the next token of w replies, beside whatever prompt tokens.
  std::vector<std::int64_t> steps_by_width;
  std::int64_t evicted_prefixes = 0;
  std::int64_t restarts = 0;      // requests begun anew because the cache was full
  double decode_seconds = 0;      // inside llama.cpp
  double row_seconds = 0;         // reading logits: scores, sampling, grammars
  double total_seconds = 0;       // inside complete()
  std::size_t used_cells = 0;     // now
  std::size_t kept_prefixes = 0;  // now
};

// What one request is to the engine.
struct RequestTokens {
  std::vector<std::int32_t> path;  // the prompt and what is pushed before the first slot
  std::size_t kept = 0;            // so many of them stay in the cache for later calls
  std::size_t branches = 0;        // tokens below it that score the first slot's labels
};

// A language model in this process.
//
// The requests of one complete() call, and the prefixes kept from earlier calls, form a trie over
// tokens; every node is computed once. The schedule is a pure function of the requests and the
// calls before. Calls from several threads are served one after another, and so are those to
// several models of a process, since all compute on one thread (a stop ends the wait); a child
// forked without exec lacks it. Label slots are scored in the prefill, forced text is never
// generated, other values are decoded under their grammar, so that a reply always fits its plan.
//
// The weights stay mapped: when the file's content changes while it is open, complete() answers
// bad_request from then on. A file cut short while a call computes ends the process, as with any
// mapped file; one renamed into its place does no harm.
//
// Identity: model name and XXH3 of the whole file.
class LocalLm final : public Lm {
 public:
  // bad_request when the file is missing, truncated, of an unknown architecture or lacks a
  // tokenizer, or when the adapter does not fit; internal when memory runs out. Loads the weights
  // (about 0.1 s per 100 MB).
  static Result<std::shared_ptr<LocalLm>> open(LocalOptions options);
  ~LocalLm() override;

  const LmInfo& info() const override;

  // Errors per request: bad_request (prompt does not fit the context: says its tokens, the limit
  // and its longest parts; the cache is too small for the request and its reply; a grammar that
  // does not parse; a setting that is not finite; top_p or min_p outside 0 to 1; max_tokens of 0),
  // stopped, internal (the model gave NaN).
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

  LocalCounters counters() const;
  const LocalTuning& tuning() const;

  // Forgets every kept prefix. For measurements.
  void forget() const;

  // What a request asks the engine to compute; computes nothing. The errors of complete(). For
  // measurements.
  Result<RequestTokens> tokens_of(const LmRequest& request) const;

  class Impl;

 private:
  explicit LocalLm(std::unique_ptr<Impl> impl);
  std::unique_ptr<Impl> impl_;
};

// Writes `in` re-quantized as `type` (a llama.cpp name: "Q4_0", "Q8_0") to `out`, through a
// temporary file and a rename. bad_request for an unknown type or an unreadable model. Seconds to
// minutes.
Result<void> quantize_gguf(const std::filesystem::path& in, const std::filesystem::path& out,
                           std::string_view type);

struct TuneReport {
  LocalTuning best;
  std::string table;  // what was measured, for people
};

// Measures settings on this machine for a few seconds and stores the best in
// `options.tuning_folder` when that is set; open() with the same folder uses it from then on. Never
// touches results' meaning, only their speed.
Result<TuneReport> tune_local(LocalOptions options);

// tune_local() where `options.tuning_folder` holds no tuning for this model and machine; nothing
// where it does or is empty. `begin` is called before it measures. Processes that come at the same
// time wait for the first one and use what it stored, so that all of them compute alike.
Result<void> tune_at_first_use(LocalOptions options, const std::function<void()>& begin);

// How the fast mode's results differ from the exact mode's on one machine, over rows of logits that
// follow the same tokens in both.
struct ModeDeviation {
  std::size_t rows = 0;
  double mean = 0;               // absolute difference of a logit
  double largest = 0;            // likewise
  std::size_t other_tokens = 0;  // rows whose most probable token is another
  std::size_t choices = 0;
  std::size_t other_choices = 0;  // choices among labels that came out otherwise
};

// Runs the same 36 choices and 6 short texts in both modes. Opens the model twice, one after the
// other; some seconds for a model of 135M. bad_request for one that has no exact mode.
Result<ModeDeviation> measure_deviation(const LocalOptions& options);

// CPUs this process may use: the affinity mask, capped by the cgroup's quota; at least 1.
std::size_t usable_threads();

}  // namespace hone
