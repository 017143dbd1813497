// Runs workloads of bench/engine.py on the embedded engine and prints what they took, one JSON line
// a workload.
//
//   bench_engine WORKLOADS.json MODEL.gguf [--threads N] [--repeat 3] [--exact] [--tuning FOLDER]
#include <sys/resource.h>

#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "hone/lm/local.hpp"

namespace {

using nlohmann::json;

double cpu_seconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + 1e-6 * static_cast<double>(time.tv_usec);
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

long resident_kilobytes() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6));
  }
  return 0;
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

json run(const hone::LocalLm& lm, const json& workload) {
  std::vector<std::vector<hone::LmRequest>> rounds;
  for (const json& round : workload["rounds"]) rounds.push_back(read_round(round));
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
  const hone::LocalCounters after = lm.counters();
  return {{"name", workload["name"]},
          {"requests", count},
          {"failures", failures},
          {"seconds", seconds},
          {"cpu_seconds", cpu_seconds() - cpu},
          {"prompt_tokens", prompt_tokens},
          {"computed_tokens", after.computed_tokens - before.computed_tokens},
          {"generated_tokens", after.generated_tokens - before.generated_tokens},
          {"rows", after.rows - before.rows},
          {"decode_calls", after.decode_calls - before.decode_calls},
          {"decode_seconds", after.decode_seconds - before.decode_seconds},
          {"row_seconds", after.row_seconds - before.row_seconds},
          {"restarts", after.restarts - before.restarts},
          {"evicted_prefixes", after.evicted_prefixes - before.evicted_prefixes},
          {"peak_mb", static_cast<double>(resident_kilobytes()) / 1024.0}};
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
        "usage: bench_engine WORKLOADS.json MODEL.gguf [--threads N] [--repeat 3] [--exact] "
        "[--tuning FOLDER]\n",
        stderr);
    return 2;
  }
  std::ifstream file(places[0]);
  const json workloads = json::parse(file);
  hone::LocalOptions options;
  options.model = places[1];
  options.exact = flags.contains("--exact");
  if (flags.contains("--threads")) options.threads = std::stoul(flags["--threads"]);
  if (flags.contains("--cells")) options.context_cells = std::stoul(flags["--cells"]);
  if (flags.contains("--tuning")) options.tuning_folder = flags["--tuning"];
  if (flags.contains("--fa")) {
    options.tuning = hone::LocalTuning{flags["--fa"] == "on", std::stoul(flags["--width"]),
                                       std::stoul(flags["--step"])};
  }
  const auto lm = hone::LocalLm::open(options).value();
  const int repeat = flags.contains("--repeat") ? std::stoi(flags["--repeat"]) : 3;
  for (const json& workload : workloads) {
    for (int i = 0; i < repeat; ++i) std::cout << run(*lm, workload).dump() << std::endl;
  }
  return 0;
}
