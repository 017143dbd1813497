// `hone study`: looks at studies; never changes one.
#include "hone/store/study.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <string>
#include <utility>
#include <vector>

#include "hone/base/file.hpp"
#include "hone/base/text.hpp"
#include "hone/exit_code.hpp"
#include "hone/lm/cached_lm.hpp"
#include "hone/loading.hpp"
#include "hone/options.hpp"
#include "hone/study_chart.hpp"
#include "hone/study_report.hpp"

namespace hone::cli {
namespace {

namespace fs = std::filesystem;

Result<Study> load(const fs::path& file) {
  std::error_code ignored;
  if (fs::is_directory(file, ignored)) {
    return bad_request(file.string(), "is a folder, not a study log (`hone study list " +
                                          file.string() + "` lists those in it)");
  }
  const Result<std::unique_ptr<StudyLog>> log = read_study_log(file);
  if (!log) return log.error();
  return read_study(**log);
}

int print(const std::string& text) {
  std::fwrite(text.data(), 1, text.size(), stdout);
  return std::fflush(stdout) == 0 ? kOk : kFailed;
}

std::size_t terminal_width() {
  winsize size{};
  const bool known = ::ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
  return known ? std::size_t{size.ws_col} : std::size_t{80};
}

// Whether a file begins as SQLite's do: others in a folder are passed over without a word.
bool may_be_study(const fs::path& file) {
  std::error_code ignored;
  return fs::is_regular_file(file, ignored) && !file.string().ends_with("-wal") &&
         !file.string().ends_with("-shm");
}

int list(const StudyFlags& flags) {
  std::vector<std::pair<fs::path, Study>> studies;
  const std::vector<fs::path> places =
      flags.places.empty() ? std::vector<fs::path>{"."} : flags.places;
  for (const fs::path& place : places) {
    std::error_code error;
    if (!fs::is_directory(place, error)) {
      Result<Study> study = load(place);
      if (!study) return fail(study.error());
      studies.emplace_back(place, *std::move(study));
      continue;
    }
    std::vector<fs::path> inside;
    for (const fs::directory_entry& entry : fs::directory_iterator(place, error)) {
      if (may_be_study(entry.path())) inside.push_back(entry.path());
    }
    if (error) return fail(bad_request(place.string(), "cannot be listed: " + error.message()));
    std::sort(inside.begin(), inside.end());
    for (const fs::path& file : inside) {
      if (Result<Study> study = load(file)) studies.emplace_back(file, *std::move(study));
    }
  }
  if (flags.json) {
    Value::List lines;
    for (const auto& [file, study] : studies) lines.push_back(list_json(file, study));
    return print(Value(std::move(lines)).to_json() + "\n");
  }
  if (studies.empty()) return print("no study here (`hone optimize --log FILE` keeps one)\n");
  std::string text = list_header();
  for (const auto& [file, study] : studies) text += list_line(file, study);
  return print(text);
}

int show(const StudyFlags& flags, const Study& study) {
  const Result<std::size_t> replies = count_kept_replies(flags.file, "study log");
  if (!replies) return fail(replies.error());
  return print(flags.json ? show_json(flags.file, study).with("replies", *replies).to_json() + "\n"
                          : show_text(study, *replies, terminal_width()));
}

// Those nearest in number.
std::string near_numbers(const Study& study, std::size_t wanted) {
  const auto distance = [&](std::size_t number) {
    return number > wanted ? number - wanted : wanted - number;
  };
  std::vector<std::size_t> numbers;
  for (const StudyTrial& trial : study.trials) numbers.push_back(trial.number);
  std::stable_sort(numbers.begin(), numbers.end(),
                   [&](std::size_t a, std::size_t b) { return distance(a) < distance(b); });
  constexpr std::size_t kShown = 3;
  if (numbers.size() > kShown) numbers.resize(kShown);
  std::sort(numbers.begin(), numbers.end());
  std::vector<std::string> words;
  for (const std::size_t number : numbers) words.push_back(std::to_string(number));
  return join(words, ", ");
}

Result<const StudyTrial*> trial_of(const StudyFlags& flags, const Study& study,
                                   std::size_t number) {
  if (const StudyTrial* trial = study.find(number)) return trial;
  const std::string place = flags.file.string();
  if (study.trials.empty()) return bad_request(place, "has no trial yet");
  return bad_request(place, "has no trial " + std::to_string(number) +
                                "; nearest: " + near_numbers(study, number));
}

int diff(const StudyFlags& flags, const Study& study) {
  const Result<const StudyTrial*> a = trial_of(flags, study, flags.a);
  if (!a) return fail(a.error());
  const Result<const StudyTrial*> b = trial_of(flags, study, flags.b);
  if (!b) return fail(b.error());
  return print(flags.json ? diff_json(study, **a, **b).to_json() + "\n"
                          : diff_text(study, **a, **b));
}

int write_export(const StudyFlags& flags, const Study& study) {
  const std::string text = flags.format == "svg"   ? svg_chart(study)
                           : flags.format == "csv" ? trials_csv(study)
                                                   : study_json(flags.file, study).to_json() + "\n";
  if (!flags.out) return print(text);
  if (const Result<void> writable = check_output(*flags.out, {&flags.file, 1}); !writable)
    return fail(writable.error());
  const Result<void> written = write_file(*flags.out, text);
  return written ? kOk : fail(bad_request(written.error().where, written.error().message));
}

}  // namespace

int run_study(const StudyFlags& flags) {
  if (flags.action == StudyAction::list) return list(flags);
  const Result<Study> study = load(flags.file);
  if (!study) return fail(study.error());
  switch (flags.action) {
    case StudyAction::list:
      break;
    case StudyAction::show:
      return show(flags, *study);
    case StudyAction::trials:
      return print(flags.json ? trials_json(*study).to_json() + "\n" : trials_text(*study));
    case StudyAction::diff:
      return diff(flags, *study);
    case StudyAction::write:
      return write_export(flags, *study);
  }
  return kOk;
}

}  // namespace hone::cli
