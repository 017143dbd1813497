// The embedded engine's side of bench/engine.py: opens the model, then runs the workload whose name
// comes in on standard input, a line each, and answers with a line of JSON.
//
//   bench_engine WORKLOADS.json MODEL.gguf [--threads N] [--cells N] [--tuning FOLDER] [--exact]
//                [--flash on|off --width N --step N]
#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <set>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "hone/lm/local.hpp"

namespace {

using nlohmann::json;
using Rounds = std::vector<std::vector<hone::LmRequest>>;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

// Requests of one candidate share their fixed part and their reply plan.
std::vector<hone::LmRequest> read_round(const json& round) {
  std::vector<hone::LmRequest> requests;
  for (const json& candidate : round) {
    hone::Segments segments;
    for (const json& text : candidate["fixed"])
      segments.emplace_back(hone::Role::text, text.get<std::string>());
    const auto fixed = std::make_shared<const hone::Segments>(std::move(segments));
    auto plan = std::make_shared<hone::ReplyPlan>();
    plan->parts.emplace_back(hone::ForcedText{candidate["forced"]});
    if (candidate.contains("labels")) {
      plan->parts.emplace_back(hone::LabelSlot{"label", " ", candidate["labels"], "\n", {}});
    } else {
      plan->parts.emplace_back(hone::TextSlot{"text", " ", "", candidate["stop"],
                                              candidate["max_tokens"].get<std::size_t>()});
    }
    for (const json& text : candidate["inputs"]) {
      hone::LmRequest request;
      request.prompt =
          hone::Prompt(fixed, {hone::Segment(hone::Role::text, text.get<std::string>())});
      request.reply = plan;
      requests.push_back(std::move(request));
    }
  }
  return requests;
}

Rounds read_rounds(const json& workload) {
  Rounds rounds;
  for (const json& round : workload["rounds"]) rounds.push_back(read_round(round));
  return rounds;
}

using Path = std::vector<std::int32_t>;

std::size_t nodes(const std::set<Path>& paths) {  // sorted: neighbours share the most
  std::size_t count = 0;
  const Path* before = nullptr;
  for (const Path& path : paths) {
    std::size_t shared = 0;
    while (before != nullptr && shared < std::min(before->size(), path.size()) &&
           (*before)[shared] == path[shared]) {
      ++shared;
    }
    count += path.size() - shared;
    before = &path;
  }
  return count;
}

// Nodes of the trie over every request's tokens, and of the labels' below each leaf: the fewest
// tokens any engine can compute before replies begin. From one round to the next what requests have
// fixed stays; no one knows what else will come back. Counted apart from the engine's own schedule.
std::size_t trie_tokens(const hone::LocalLm& lm, const Rounds& rounds) {
  std::size_t count = 0;
  std::set<Path> kept;
  for (const auto& requests : rounds) {
    std::set<Path> paths = kept;
    const std::size_t known = nodes(kept);
    std::map<Path, std::size_t> leaves;
    for (const hone::LmRequest& request : requests) {
      hone::RequestTokens tokens = lm.tokens_of(request).value();
      kept.emplace(tokens.path.begin(),
                   tokens.path.begin() + static_cast<std::ptrdiff_t>(tokens.kept));
      leaves.emplace(std::move(tokens.path), tokens.branches);
    }
    for (const auto& [path, branches] : leaves) {
      paths.insert(path);
      count += branches;
    }
    count += nodes(paths) - known;
  }
  return count;
}

json run(const hone::LocalLm& lm, const std::string& name, const Rounds& rounds) {
  lm.forget();
  const hone::LocalCounters before = lm.counters();
  const double cpu = cpu_seconds();
  const auto start = std::chrono::steady_clock::now();
  std::size_t count = 0;
  std::int64_t prompt_tokens = 0;
  std::int64_t failures = 0;
  for (const auto& requests : rounds) {
    for (const auto& reply : lm.complete(requests, {})) {
      ++count;
      if (reply) {
        prompt_tokens += reply->usage.prompt_tokens;
      } else {
        ++failures;
      }
    }
  }
  const double seconds =
      std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  const double cpu_used = cpu_seconds() - cpu;
  const hone::LocalCounters after = lm.counters();
  std::vector<std::int64_t> widths = after.steps_by_width;
  for (std::size_t i = 0; i < before.steps_by_width.size(); ++i)
    widths[i] -= before.steps_by_width[i];
  return {{"name", name},
          {"requests", count},
          {"failures", failures},
          {"seconds", seconds},
          {"cpu_seconds", cpu_used},
          {"prompt_tokens", prompt_tokens},
          {"trie_tokens", trie_tokens(lm, rounds)},
          {"computed_tokens", after.computed_tokens - before.computed_tokens},
          {"attended_tokens", after.attended_tokens - before.attended_tokens},
          {"generated_tokens", after.generated_tokens - before.generated_tokens},
          {"steps_by_width", widths},
          {"rows", after.rows - before.rows},
          {"decode_calls", after.decode_calls - before.decode_calls},
          {"decode_seconds", after.decode_seconds - before.decode_seconds},
          {"row_seconds", after.row_seconds - before.row_seconds},
          {"restarts", after.restarts - before.restarts},
          {"evicted_prefixes", after.evicted_prefixes - before.evicted_prefixes}};
}

// Every request in a call of its own, with nothing kept: what plain decoding generates.
json run_naively(const hone::LocalLm& lm, const std::string& name, const Rounds& rounds) {
  const std::int64_t before = lm.counters().generated_tokens;
  std::size_t count = 0;
  for (const auto& requests : rounds) {
    for (const hone::LmRequest& request : requests) {
      lm.forget();
      lm.complete({&request, 1}, {});
      ++count;
    }
  }
  return {{"name", name},
          {"requests", count},
          {"generated_tokens", lm.counters().generated_tokens - before}};
}

}  // namespace

int main(int argc, char** argv) {
  std::vector<std::string> places;
  std::map<std::string, std::string> flags;
  for (int i = 1; i < argc; ++i) {
    const std::string argument = argv[i];
    if (!argument.starts_with("--")) {
      places.push_back(argument);
    } else if (argument == "--exact") {
      flags[argument] = "yes";
    } else if (i + 1 < argc) {
      flags[argument] = argv[++i];
    }
  }
  if (places.size() != 2) {
    std::fputs(
        "usage: bench_engine WORKLOADS.json MODEL.gguf [--threads N] [--cells N] "
        "[--tuning FOLDER] [--exact] [--flash on|off --width N --step N]\n"
        "then names of workloads on standard input; 'naive NAME' decodes one request at a time\n",
        stderr);
    return 2;
  }
  std::ifstream file(places[0]);
  std::map<std::string, Rounds> workloads;
  for (const json& workload : json::parse(file))
    workloads.emplace(workload["name"], read_rounds(workload));

  hone::LocalOptions options;
  options.model = places[1];
  options.exact = flags.contains("--exact");
  if (flags.contains("--threads")) options.threads = std::stoul(flags["--threads"]);
  if (flags.contains("--cells")) options.context_cells = std::stoul(flags["--cells"]);
  if (flags.contains("--tuning")) options.tuning_folder = flags["--tuning"];
  if (flags.contains("--flash")) {
    options.tuning = hone::LocalTuning{flags["--flash"] == "on", std::stoul(flags["--width"]),
                                       std::stoul(flags["--step"])};
  }
  const auto lm = hone::LocalLm::open(options).value();
  for (std::string line; std::getline(std::cin, line);) {
    const bool is_naive = line.starts_with("naive ");
    const std::string name = is_naive ? line.substr(6) : line;
    const auto found = workloads.find(name);
    if (found == workloads.end()) return 2;
    std::cout
        << (is_naive ? run_naively(*lm, name, found->second) : run(*lm, name, found->second)).dump()
        << std::endl;
  }
  return 0;
}
