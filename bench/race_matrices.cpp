// Makes the stored score matrices that bench/race.cpp meets: real candidates on real validation
// examples, all of them run on all of them.
//
//   bench_race_matrices [NAME ...] [--data FOLDER] [--out FOLDER] [--logs FOLDER]
//
// Without names every matrix of the table below is made. Data folders are found in --data, else
// HONE_DATA, else ../shared/data. Only scores are written, one line a candidate. Killed, the same
// command goes on: replies are kept in --logs, else build/matrices.
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/file.hpp"
#include "hone/eval/metric.hpp"
#include "hone/lm/local.hpp"
#include "hone/lm/model_store.hpp"
#include "hone/optimize/optimize.hpp"

namespace {

namespace fs = std::filesystem;

using hone::Example;
using hone::Examples;
using hone::Value;

constexpr std::size_t kTrain = 200;
constexpr std::size_t kExamples = 300;
constexpr std::uint64_t kSeed = 1;

struct Job {
  const char* name;
  const char* data;
  const char* model;
  const char* instructions;
  const char* optimizer;
  const char* options;
};

constexpr const char* kReview = "Decide whether the movie review is positive or negative.";
constexpr const char* kIntent = "Name what the user wants.";
constexpr const char* kEmotion = "Name the emotion of the writer.";
// 20 demo sets, and 20 combinations of instructions, demo sets and formats.
constexpr const char* kRandom = R"({"candidates": 17})";
constexpr const char* kJoint =
    R"({"candidates": 6, "trials": 20, "minibatch": 0, "also": "*.format"})";

constexpr Job kJobs[] = {
    {"mr-demos", "mr", "smollm2", kReview, "bootstrap_random_search", kRandom},
    {"mr-joint", "mr", "smollm2", kReview, "mipro", kJoint},
    {"snips-demos", "snips", "smollm2", kIntent, "bootstrap_random_search", kRandom},
    {"snips-joint", "snips", "smollm2", kIntent, "mipro", kJoint},
    {"emotions-demos", "goemotions_ekman", "smollm2", kEmotion, "bootstrap_random_search", kRandom},
    {"emotions-joint", "goemotions_ekman", "smollm2", kEmotion, "mipro", kJoint},
    {"mr-gemma-demos", "mr", "gemma-270m-base", kReview, "bootstrap_random_search", kRandom},
};

Examples first(const fs::path& file, std::size_t count) {
  hone::LoadOptions options;
  options.limit = count;
  Examples examples;
  for (const Example& example : hone::load_examples(file, options).value()) {
    examples.emplace_back(
        Value::object({{"text", example.get("text")}, {"label", example.get("label")}}));
  }
  return examples;
}

std::string signature_of(const fs::path& file) {
  std::set<std::string> labels;
  for (const Example& example : hone::load_examples(file).value())
    labels.insert(example.get("label").text());
  std::string text = "text -> label: enum(";
  for (const std::string& label : labels) text += (label == *labels.begin() ? "" : ", ") + label;
  return text + ")";
}

// A candidate's scores as digits: all are 0 or 1.
std::string line_of(const hone::Trial& trial) {
  std::string scores;
  for (const std::optional<double>& score : trial.scores)
    scores += score.value_or(0) > 0 ? '1' : '0';
  return Value::object({{"candidate", trial.number}, {"scores", scores}}).to_json() + "\n";
}

void make(const Job& job, const fs::path& data, const fs::path& out, const fs::path& logs) {
  const fs::path folder = data / job.data;
  const fs::path cache = hone::ModelStore::default_cache().value();
  hone::ModelStoreOptions store;
  store.cache = cache;
  hone::LocalOptions local;
  local.model = hone::ModelStore(std::move(store)).path(job.model).value();
  local.name = job.model;
  const auto lm = hone::LocalLm::open(std::move(local)).value();
  const hone::Signature signature =
      hone::Signature::parse(signature_of(folder / "train.jsonl"), job.instructions).value();
  const auto program = hone::Program::predict(signature, {.format = hone::Format::completion});
  const Value settings = Value::parse_json(job.options, job.name).value();
  const auto optimizer = hone::make_optimizer(job.optimizer, settings).value();

  hone::SearchOptions options;
  options.seed = kSeed;
  options.race.enabled = false;
  fs::create_directories(logs);
  fs::create_directories(out);
  const auto log = hone::open_study_log(logs / (std::string(job.name) + ".db")).value();
  options.log = log.get();
  options.purpose = std::string(job.optimizer) + " " + settings.to_json();
  options.observer = [](const hone::Event& event) {
    if (const auto* trial = std::get_if<hone::TrialFinished>(&event)) {
      std::cerr << trial->number << ' ' << trial->origin << ": " << trial->mean << '\n';
    }
  };
  const hone::Optimized done =
      hone::optimize(program,
                     {first(folder / "train.jsonl", kTrain), first(folder / "dev.jsonl", kExamples),
                      hone::exact_match("label")},
                     *lm, *optimizer, std::move(options))
          .value();
  std::string text;
  std::size_t rows = 0;
  for (const hone::Trial& trial : done.trials) {
    if (!trial.complete || trial.number == 0) continue;  // the first is the baseline
    text += line_of(trial);
    ++rows;
  }
  hone::write_file(out / (std::string(job.name) + ".jsonl"), text).value();
  std::printf("%s: %zu candidates, %.0f s\n", job.name, rows, done.seconds);
  std::fflush(stdout);
}

}  // namespace

int main(int count, char** arguments) {
  const char* given = std::getenv("HONE_DATA");
  fs::path data = given != nullptr ? given : "../shared/data";
  fs::path out = "bench/matrices";
  fs::path logs = "build/matrices";
  std::set<std::string, std::less<>> names;
  for (int i = 1; i < count; ++i) {
    const std::string_view argument = arguments[i];
    if (argument == "--data" && i + 1 < count) {
      data = arguments[++i];
    } else if (argument == "--out" && i + 1 < count) {
      out = arguments[++i];
    } else if (argument == "--logs" && i + 1 < count) {
      logs = arguments[++i];
    } else {
      names.emplace(argument);
    }
  }
  try {
    for (const Job& job : kJobs) {
      if (names.empty() || names.contains(std::string_view(job.name))) make(job, data, out, logs);
    }
  } catch (const std::exception& fault) {
    std::cerr << fault.what() << '\n';
    return 2;
  }
  return 0;
}
