// What hone itself costs in a call of a predictor with 8 demos: rendering, parsing, checking and
// tracing, with a model that answers at once.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "hone/core/value.hpp"
#include "hone/program/program.hpp"

namespace {

class PreparedLm final : public hone::Lm {
 public:
  explicit PreparedLm(std::string text) {
    info_.identity = "prepared";
    info_.follows_plan = true;
    reply_.text = std::move(text);
    reply_.usage.lm_calls = 1;
    reply_.usage.seconds = 1e-9;
  }
  const hone::LmInfo& info() const override { return info_; }
  std::vector<hone::Result<hone::LmReply>> complete(std::span<const hone::LmRequest> requests,
                                                    std::stop_token) const override {
    return {requests.size(), hone::Result<hone::LmReply>(reply_)};
  }

 private:
  hone::LmInfo info_;
  hone::LmReply reply_;
};

hone::Program router(hone::Format format) {
  hone::PredictorOptions options{.format = format};
  for (int i = 0; i < 8; ++i) {
    options.demos.push_back(
        hone::Value::object({{"ticket", "The app closes by itself when I open invoice number " +
                                            std::to_string(i) + " on my phone."},
                             {"queue", i % 2 == 0 ? "technical" : "billing"},
                             {"reason", "It names a fault of the app."}}));
  }
  return hone::Program::predict(
      hone::Signature::parse("ticket -> queue: enum(billing, technical, sales), reason",
                             "Route the ticket.")
          .value(),
      std::move(options));
}

void predict(benchmark::State& state, hone::Format format, const std::string& reply) {
  const hone::Program program = router(format);
  const PreparedLm lm(reply);
  const hone::Value inputs = hone::Value::object(
      {{"ticket", "I was charged twice in March and nobody answers my letters about it."}});
  for (auto _ : state) {
    hone::Call call(lm);
    hone::Result<hone::Value> outputs = program.run(call, inputs);
    if (!outputs) {
      state.SkipWithError(outputs.error().text().c_str());
      break;
    }
    benchmark::DoNotOptimize(outputs);
  }
}

// Keeps each benchmark's times instead of printing them.
class Collector final : public benchmark::BenchmarkReporter {
 public:
  bool ReportContext(const Context&) override { return true; }
  void ReportRuns(const std::vector<Run>& runs) override {
    for (const Run& run : runs) {
      failed = failed || run.error_occurred;
      if (run.run_type == Run::RT_Iteration)
        times[run.run_name.function_name].push_back(run.GetAdjustedCPUTime());
    }
  }
  double median(const std::string& name) {
    std::vector<double>& values = times[name];
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
  }

  std::map<std::string, std::vector<double>> times;
  bool failed = false;
};

}  // namespace

int main(int argc, char** argv) {
  bool json = false;
  std::vector<char*> arguments;
  for (int i = 0; i < argc; ++i) {
    if (std::string_view(argv[i]) == "--json") {
      json = true;
    } else {
      arguments.push_back(argv[i]);
    }
  }
  int count = static_cast<int>(arguments.size());
  benchmark::Initialize(&count, arguments.data());
  if (benchmark::ReportUnrecognizedArguments(count, arguments.data())) return 2;

  const auto add = [&](const char* name, hone::Format format, const char* reply) {
    benchmark::internal::Benchmark* added =
        benchmark::RegisterBenchmark(name, predict, format, reply);
    added->Unit(benchmark::kMicrosecond);
    if (json) added->Repetitions(5)->MinTime(0.1);
  };
  add("completion", hone::Format::completion, "\nQueue: billing\nReason: It is about money.\n\n");
  add("chat", hone::Format::chat,
      "[[ ## queue ## ]]\nbilling\n\n[[ ## reason ## ]]\nIt is about money.\n\n[[ ## completed ## "
      "]]");
  add("json", hone::Format::json, R"({"queue": "billing", "reason": "It is about money."})");
  add("xml", hone::Format::xml, "<queue>billing</queue>\n<reason>It is about money.</reason>");

  if (!json) {
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  }
  Collector collector;
  benchmark::RunSpecifiedBenchmarks(&collector);
  if (collector.failed) {
    std::cerr << "a predictor failed\n";
    return 1;
  }
  const double completion = collector.median("completion");
  const double chat = collector.median("chat");
  std::cout << hone::Value::object({{"predict_us", std::max(completion, chat)},
                                    {"completion_us", completion},
                                    {"chat_us", chat},
                                    {"json_us", collector.median("json")},
                                    {"xml_us", collector.median("xml")}})
                   .to_json()
            << "\n";
  return 0;
}
