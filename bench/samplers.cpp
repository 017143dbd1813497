// Regret of hone's samplers on standard test functions, next to optuna's TPE on the same ones.
//
//   bench_samplers [--seeds 30] [--trials 100] [--json]      (from the source root)
//
// optuna runs in the peers' Python (${HONE_PEERS:-~/.cache/hone-peers}/venv); where that is absent
// only hone's are run, and it says so.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <map>
#include <numbers>
#include <string>
#include <vector>

#include "hone/base/rng.hpp"
#include "hone/base/text.hpp"
#include "hone/optimize/samplers/sampler.hpp"
#include "hone/optimize/samplers/tpe.hpp"

namespace {

using hone::Candidate;
using hone::Param;
using hone::Value;

struct Problem {
  std::string name;
  std::vector<Param> params;
  std::function<double(const Candidate&)> loss;
  double least;
};

double number(const Candidate& candidate, const std::string& path) {
  return candidate.find(path)->as_double();
}

std::vector<Param> box(std::size_t dimensions, double low, double high) {
  std::vector<Param> out;
  for (std::size_t i = 0; i < dimensions; ++i)
    out.push_back({"x" + std::to_string(i), hone::RealDomain{low, high, false}, low, {}});
  return out;
}

std::vector<double> xs(const Candidate& candidate) {
  std::vector<double> out;
  for (const auto& [path, value] : candidate.values()) out.push_back(value.as_double());
  return out;
}

double branin(const std::vector<double>& x) {
  const double pi = std::numbers::pi;
  const double a = x[1] - 5.1 / (4 * pi * pi) * x[0] * x[0] + 5 / pi * x[0] - 6;
  return a * a + 10 * (1 - 1 / (8 * pi)) * std::cos(x[0]) + 10;
}

double hartmann6(const std::vector<double>& x) {
  static constexpr double alpha[4] = {1.0, 1.2, 3.0, 3.2};
  static constexpr double a[4][6] = {{10, 3, 17, 3.5, 1.7, 8},
                                     {0.05, 10, 17, 0.1, 8, 14},
                                     {3, 3.5, 1.7, 10, 17, 8},
                                     {17, 8, 0.05, 10, 0.1, 14}};
  static constexpr double p[4][6] = {{.1312, .1696, .5569, .0124, .8283, .5886},
                                     {.2329, .4135, .8307, .3736, .1004, .9991},
                                     {.2348, .1451, .3522, .2883, .3047, .6650},
                                     {.4047, .8828, .8732, .5743, .1091, .0381}};
  double sum = 0;
  for (int i = 0; i < 4; ++i) {
    double inner = 0;
    for (std::size_t j = 0; j < 6; ++j) inner += a[i][j] * (x[j] - p[i][j]) * (x[j] - p[i][j]);
    sum -= alpha[i] * std::exp(-inner);
  }
  return sum;
}

double ackley(const std::vector<double>& x) {
  double squares = 0;
  double waves = 0;
  for (const double v : x) {
    squares += v * v;
    waves += std::cos(2 * std::numbers::pi * v);
  }
  const auto n = static_cast<double>(x.size());
  return -20 * std::exp(-0.2 * std::sqrt(squares / n)) - std::exp(waves / n) + 20 + std::numbers::e;
}

std::vector<Problem> problems() {
  std::vector<Problem> out;
  out.push_back({"sphere5", box(5, -5, 5),
                 [](const Candidate& c) {
                   double sum = 0;
                   for (const double v : xs(c)) sum += v * v;
                   return sum;
                 },
                 0});
  out.push_back({"rosenbrock2", box(2, -2, 2),
                 [](const Candidate& c) {
                   const auto x = xs(c);
                   return 100 * std::pow(x[1] - x[0] * x[0], 2) + std::pow(1 - x[0], 2);
                 },
                 0});
  std::vector<Param> branin_box = box(2, -5, 10);
  branin_box[1].domain = hone::RealDomain{0, 15, false};
  out.push_back({"branin", branin_box, [](const Candidate& c) { return branin(xs(c)); }, 0.397887});
  out.push_back(
      {"hartmann6", box(6, 0, 1), [](const Candidate& c) { return hartmann6(xs(c)); }, -3.32237});
  out.push_back({"ackley4", box(4, -15, 30), [](const Candidate& c) { return ackley(xs(c)); }, 0});
  out.push_back({"rastrigin3", box(3, -5.12, 5.12),
                 [](const Candidate& c) {
                   double sum = 30;
                   for (const double v : xs(c))
                     sum += v * v - 10 * std::cos(2 * std::numbers::pi * v);
                   return sum;
                 },
                 0});
  out.push_back({"learning_rate",
                 {{"batch", hone::IntDomain{1, 256}, 1, {}},
                  {"decay", hone::RealDomain{1e-6, 1e-1, true}, 1e-6, {}},
                  {"rate", hone::RealDomain{1e-5, 1, true}, 1e-5, {}}},
                 [](const Candidate& c) {
                   const double rate = std::log10(number(c, "rate"));
                   const double decay = std::log10(number(c, "decay"));
                   return std::pow(rate + 2.5, 2) + 0.3 * std::pow(decay + 4, 2) +
                          0.5 * std::pow((number(c, "batch") - 48) / 64, 2) +
                          0.4 * (rate + 2.5) * (decay + 4);
                 },
                 0});
  std::vector<Value> instructions;
  for (int i = 0; i < 10; ++i) instructions.emplace_back(i);
  out.push_back({"prompts",
                 {{"demos", hone::ChoiceDomain{instructions}, 0, {}},
                  {"format", hone::ChoiceDomain{{0, 1, 2, 3}}, 0, {}},
                  {"instructions", hone::ChoiceDomain{instructions}, 0, {}}},
                 [](const Candidate& c) {
                   const double d = number(c, "demos");
                   const double f = number(c, "format");
                   const double i = number(c, "instructions");
                   return 1.0 - 0.4 * std::cos(d * 1.3) / (1 + f) - 0.3 * std::sin(i * 2.1) -
                          0.1 * std::cos((d + i) * 0.9);
                 },
                 0.24629008701877847});
  out.push_back({"structure",
                 {{"kind", hone::ChoiceDomain{{"near", "far"}}, "near", {}},
                  {"near.x", hone::RealDomain{-3, 3, false}, 0, hone::Condition{"kind", "near"}},
                  {"near.y", hone::RealDomain{-3, 3, false}, 0, hone::Condition{"kind", "near"}},
                  {"far.n", hone::IntDomain{1, 40}, 1, hone::Condition{"kind", "far"}},
                  {"far.rate", hone::RealDomain{1e-4, 1, true}, 1, hone::Condition{"kind", "far"}}},
                 [](const Candidate& c) {
                   if (c.find("kind")->as_string() == "near") {
                     return 0.5 + std::pow(number(c, "near.x") - 1, 2) +
                            std::pow(number(c, "near.y") + 2, 2);
                   }
                   return 0.1 * std::abs(number(c, "far.n") - 23) +
                          std::pow(std::log10(number(c, "far.rate")) + 2, 2);
                 },
                 0});
  return out;
}

double regret(const Problem& problem, const std::string& which, std::uint64_t seed,
              std::size_t trials) {
  const hone::Space space(problem.params);
  auto sampler = which == "tpe" ? hone::make_tpe_sampler(space, seed).value()
                                : hone::make_random_sampler(space, seed).value();
  double best = 1e300;
  for (std::size_t i = 0; i < trials; ++i) {
    const std::optional<Candidate> candidate = sampler->ask();
    if (!candidate) break;
    const double loss = problem.loss(*candidate);
    sampler->tell(*candidate, -loss);
    best = std::min(best, loss);
  }
  return best - problem.least;
}

double mean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return values.empty() ? 0 : sum / static_cast<double>(values.size());
}

// Share of pairs in which a is the smaller, ties half.
double wins(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (const double x : a) {
    for (const double y : b) sum += x < y ? 1 : x == y ? 0.5 : 0;
  }
  return sum / static_cast<double>(a.size() * b.size());
}

// 95 % interval of the mean share of wins over all problems, by resampling seeds.
std::pair<double, double> wins_interval(const std::vector<std::vector<double>>& ours,
                                        const std::vector<std::vector<double>>& theirs) {
  hone::Rng rng(1);
  const auto resample = [&](const std::vector<double>& from) {
    std::vector<double> out;
    for (std::size_t i = 0; i < from.size(); ++i) out.push_back(from[rng.below(from.size())]);
    return out;
  };
  std::vector<double> means;
  for (int round = 0; round < 1000; ++round) {
    double sum = 0;
    for (std::size_t p = 0; p < ours.size(); ++p)
      sum += wins(resample(ours[p]), resample(theirs[p]));
    means.push_back(sum / static_cast<double>(ours.size()));
  }
  std::sort(means.begin(), means.end());
  return {means[25], means[974]};
}

std::map<std::string, std::vector<double>> run_optuna(std::size_t seeds, std::size_t trials,
                                                      const std::string& folder) {
  const char* peers = std::getenv("HONE_PEERS");
  const char* home = std::getenv("HOME");
  const std::filesystem::path root =
      peers ? std::filesystem::path(peers)
            : std::filesystem::path(home ? home : ".") / ".cache" / "hone-peers";
  const std::filesystem::path python = root / "venv" / "bin" / "python";
  std::map<std::string, std::vector<double>> out;
  if (!std::filesystem::exists(python)) {
    std::fprintf(stderr, "optuna: not there (no %s); only hone's samplers are measured\n",
                 python.c_str());
    return out;
  }
  const std::string command = "'" + python.string() + "' '" + folder + "/samplers_optuna.py' " +
                              std::to_string(seeds) + " " + std::to_string(trials);
  FILE* pipe = popen(command.c_str(), "r");
  if (!pipe) return out;
  std::string text;
  char buffer[4096];
  for (std::size_t n = 0; (n = fread(buffer, 1, sizeof buffer, pipe)) > 0;) text.append(buffer, n);
  const int status = pclose(pipe);
  const hone::Result<Value> json = Value::parse_json(text);
  if (status != 0 || !json) {
    std::fprintf(stderr, "optuna: failed (exit status %d)\n", status);
    return out;
  }
  for (const auto& [name, losses] : json->as_object()) {
    for (const Value& loss : losses.as_list()) out[name].push_back(loss.as_double());
  }
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  std::size_t seeds = 30;
  std::size_t trials = 100;
  bool json = false;
  for (int i = 1; i < argc; ++i) {
    const std::string arg = argv[i];
    if (arg == "--json") json = true;
    if (arg == "--seeds" && i + 1 < argc) seeds = std::stoul(argv[++i]);
    if (arg == "--trials" && i + 1 < argc) trials = std::stoul(argv[++i]);
  }
  // From the source root, or wherever the compiler found this file.
  const std::string folder = std::filesystem::exists("bench/samplers_optuna.py")
                                 ? std::string("bench")
                                 : std::filesystem::path(__FILE__).parent_path().string();
  const auto optuna = run_optuna(seeds, trials, folder);
  Value::Object report;
  std::vector<std::vector<double>> all_ours;
  std::vector<std::vector<double>> all_theirs;
  if (!json) {
    std::printf("mean regret of %zu seeds after %zu trials; wins: share of pairs of runs\n\n",
                seeds, trials);
    std::printf("%-14s %12s %12s %12s %8s\n", "function", "random", "tpe", "optuna", "wins");
  }
  double log_ratio = 0;
  for (const Problem& problem : problems()) {
    std::vector<double> random;
    std::vector<double> ours;
    for (std::uint64_t seed = 0; seed < seeds; ++seed) {
      random.push_back(regret(problem, "random", seed, trials));
      ours.push_back(regret(problem, "tpe", seed, trials));
    }
    std::vector<double> theirs;
    if (const auto found = optuna.find(problem.name); found != optuna.end()) {
      for (const double loss : found->second) theirs.push_back(loss - problem.least);
    }
    const double share = theirs.empty() ? 0.5 : wins(ours, theirs);
    if (!json) {
      std::printf("%-14s %12.5f %12.5f %12s %8s\n", problem.name.c_str(), mean(random), mean(ours),
                  theirs.empty() ? "-" : hone::shorten(std::to_string(mean(theirs)), 9).c_str(),
                  theirs.empty() ? "-" : hone::shorten(std::to_string(share), 5).c_str());
    }
    Value::Object row{{"random", mean(random)}, {"tpe", mean(ours)}};
    if (!theirs.empty()) {
      row.emplace_back("optuna", mean(theirs));
      row.emplace_back("wins", share);
      log_ratio += std::log((mean(ours) + 1e-4) / (mean(theirs) + 1e-4));
      all_ours.push_back(ours);
      all_theirs.push_back(theirs);
    }
    report.emplace_back(problem.name, Value::object(std::move(row)));
  }
  if (!all_ours.empty()) {
    double sum = 0;
    for (std::size_t p = 0; p < all_ours.size(); ++p) sum += wins(all_ours[p], all_theirs[p]);
    const double share = sum / static_cast<double>(all_ours.size());
    const auto [low, high] = wins_interval(all_ours, all_theirs);
    const double ratio = std::exp(log_ratio / static_cast<double>(all_ours.size()));
    if (!json) {
      std::printf(
          "\nagainst optuna: geometric mean of regret ratios %.3f, wins %.3f (95 %%: %.3f to "
          "%.3f)\n",
          ratio, share, low, high);
    }
    report.emplace_back("regret_ratio", ratio);
    report.emplace_back("wins", share);
    report.emplace_back("wins_low", low);
    report.emplace_back("wins_high", high);
  }
  if (json) std::printf("%s\n", Value::object(std::move(report)).to_json(2).c_str());
  return 0;
}
