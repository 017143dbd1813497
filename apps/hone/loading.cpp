#include "hone/loading.hpp"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <unordered_set>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/program/program_file.hpp"

namespace hone::cli {
namespace {

namespace fs = std::filesystem;

constexpr const char* kNoModel =
    "no model is given: --model smollm2, gguf:PATH or openai:URL#MODEL, or model = \"…\" in the "
    "task file";

// How many examples of one split stand in another: a score on them says little.
void note_overlap(const Splits& splits, Split learned, Split measured,
                  std::vector<std::string>& notices) {
  std::unordered_set<Hash> known;
  for (const Example& example : splits.of(learned)) known.insert(example.id());
  std::size_t shared = 0;
  for (const Example& example : splits.of(measured)) shared += known.count(example.id());
  if (shared == 0) return;
  notices.push_back(std::to_string(shared) + " of " + std::to_string(splits.of(measured).size()) +
                    " " + to_string(measured) + " examples are in " + to_string(learned) +
                    " as well");
}

// Specs by name.
std::map<std::string, std::string> given_models(const TaskSpec& task, const SavedProgram& saved) {
  std::map<std::string, std::string> given = task.models;
  if (const Value kept = saved.model.get("models"); kept.is_object()) {
    for (const auto& [name, spec] : kept.as_object()) given.emplace(name, spec.text());
  }
  return given;
}

// What follows the name: a local model is the same under any.
std::string weights_of(const std::string& identity) {
  return identity.substr(std::min(identity.find('@'), identity.size()));
}

// One file under two names, whether or not it is there yet.
bool is_same_file(const fs::path& a, const fs::path& b) {
  if (a.empty() || b.empty()) return false;
  std::error_code fault;
  if (fs::equivalent(a, b, fault)) return true;
  const fs::path one = fs::weakly_canonical(fs::absolute(a, fault), fault);
  const fs::path other = fs::weakly_canonical(fs::absolute(b, fault), fault);
  return !one.empty() && one == other;
}

}  // namespace

Result<ModelSpec> task_model(const TaskSpec& task) {
  if (task.model) return check_model(*task.model);
  if (task.saved_program) {
    const Result<SavedProgram> saved = load_program(*task.saved_program);
    if (!saved) return saved.error();
    const Value spec = saved->model.get("spec");
    if (spec.is_string()) return check_model(spec.as_string());
  }
  return bad_request(task.file.string(), kNoModel);
}

std::string other_model_notice(const SavedProgram& saved, const ModelSpec& model, const Lm& lm) {
  const Value spec = saved.model.get("spec");
  const std::string tuned_on = saved.model.get("identity").text();
  const std::string& runs_on = lm.info().identity;
  const bool is_same = model.place == ModelPlace::local
                           ? weights_of(tuned_on) == weights_of(runs_on)
                           : tuned_on == runs_on;
  if (!spec.is_string() || spec.as_string() == model.text || is_same) return "";
  return "the program was tuned on " + spec.as_string() + " and runs on " + model.text +
         ": its score, and what it learned of the labels, are of the other model";
}

Result<SavedProgram> program_from_file(const fs::path& file, Format default_format) {
  Result<TaskSpec> task = read_task_file(file);
  if (!task) return task.error();
  return task_program(*task, default_format);
}

Result<SavedProgram> task_program(const TaskSpec& task, Format default_format) {
  if (task.saved_program) return load_program(*task.saved_program);
  if (task.program.is_null()) {
    return bad_request(task.file.string(),
                       "no program is given: --signature \"text -> label: enum(a, b)\", or a "
                       "[program] table in a task file");
  }
  PredictorOptions defaults;
  defaults.format = default_format;
  const std::string flags = join(task.program_flags, ", ");
  const std::string where = task.file.empty() ? "--signature"
                            : flags.empty()   ? task.file.string() + ": program"
                                              : task.file.string() + " with " + flags + ": program";
  Result<Program> program =
      program_from_config(task.program, where, defaults, task.file.parent_path());
  if (!program) return program.error();
  return SavedProgram{.program = *std::move(program), .score = {}, .model = {}};
}

Result<Examples> load_split(const TaskSpec& task, Split split, const Signature& signature) {
  const SplitSpec& spec = task.split(split);
  Examples all;
  for (const fs::path& file : spec.files) {
    LoadOptions options{.signature = signature, .limit = std::nullopt};
    // A file beyond the limit is begun too: one that is not there or holds no examples is a slip.
    if (spec.limit) options.limit = std::max<std::size_t>(1, *spec.limit - all.size());
    Result<Examples> loaded = load_examples(file, options);
    if (!loaded) return loaded.error();
    all.insert(all.end(), loaded->begin(), loaded->end());
    if (spec.limit && all.size() > *spec.limit) all.pop_back();
  }
  return all;
}

Result<Splits> load_splits(const TaskSpec& task, const Signature& signature) {
  if (task.split(Split::train).files.empty()) {
    return bad_request(
        task.file.string(),
        "no training examples are given: --train FILE, or train = \"…\" under [data]");
  }
  Splits splits;
  for (const Split split : kSplits) {
    Result<Examples> loaded = load_split(task, split, signature);
    if (!loaded) return loaded.error();
    splits.of(split) = *std::move(loaded);
  }
  if (task.split(Split::val).files.empty()) {
    constexpr std::array<double, 2> kParts = {0.7, 0.3};
    Result<std::vector<Examples>> parts =
        split_examples(splits.of(Split::train), kParts, task.seed);
    if (!parts) return parts.error();
    splits.of(Split::train) = std::move((*parts)[0]);
    splits.of(Split::val) = std::move((*parts)[1]);
    splits.notices.push_back("no validation examples are given: the training ones are cut into " +
                             std::to_string(splits.of(Split::train).size()) +
                             " to learn from and " + std::to_string(splits.of(Split::val).size()) +
                             " to compare on (seed " + std::to_string(task.seed) + ")");
  }
  if (task.split(Split::test).files.empty()) {
    splits.notices.emplace_back(
        "no test examples are given: the score after will be on the validation examples the search "
        "chose by, and high for that");
  }
  note_overlap(splits, Split::train, Split::val, splits.notices);
  note_overlap(splits, Split::train, Split::test, splits.notices);
  note_overlap(splits, Split::val, Split::test, splits.notices);
  return splits;
}

Result<const Lm*> Models::open(const ModelSpec& spec) {
  const auto found = opened_.find(spec.text);
  if (found != opened_.end()) return found->second.lm.get();
  Result<OpenedModel> model = open_model(spec, settings_, tell_);
  if (!model) return model.error();
  return opened_.emplace(spec.text, *std::move(model)).first->second.lm.get();
}

void Models::forget() const {
  for (const auto& [spec, model] : opened_) {
    if (model.local) model.local->forget();
  }
}

Result<const Embedder*> Models::open_embedder(const std::optional<ModelSpec>& spec,
                                              const Program& program) {
  if (!spec) return nullptr;
  auto found = embedders_.find(spec->text);
  if (found == embedders_.end()) {
    Result<std::shared_ptr<const Embedder>> opened = cli::open_embedder(*spec, settings_);
    if (!opened) return opened.error();
    found = embedders_.emplace(spec->text, *std::move(opened)).first;
  }
  const Embedder* embedder = found->second.get();
  const std::string needed = program.embedder();
  if (!needed.empty() && needed != embedder->identity()) {
    return bad_request("--embedder", "the program was made with '" + needed + "', and " +
                                         spec->text + " is '" + embedder->identity() + "'");
  }
  return embedder;
}

Result<std::optional<ModelSpec>> task_embedder(const TaskSpec& task, const SavedProgram& saved) {
  std::optional<std::string> spec = task.embedder;
  if (const Value kept = saved.model.get("embedder"); !spec && kept.is_string())
    spec = kept.as_string();
  if (!spec && saved.program.embedder().empty()) return std::optional<ModelSpec>();
  if (!spec) {
    return bad_request("--embedder", "the program needs the embedder '" + saved.program.embedder() +
                                         "'; give its model");
  }
  Result<ModelSpec> checked = check_model(*spec);
  if (!checked) return checked.error();
  return std::optional<ModelSpec>(*std::move(checked));
}

Result<Space> task_space(const TaskSpec& task, const SavedProgram& saved) {
  std::vector<std::string> names;
  for (const auto& [name, spec] : given_models(task, saved)) names.push_back(name);
  Space space = Space::of(saved.program).with_models(names);
  for (const Narrowing& narrowing : task.narrow) {
    Result<Space> narrowed = space.narrow(narrowing.glob, narrowing.choices);
    if (!narrowed) return bad_request("--narrow", narrowed.error().text());
    space = *std::move(narrowed);
  }
  if (!task.keep.empty()) {
    // What was narrowed was asked for as well.
    std::vector<std::string> globs = task.keep;
    for (const Narrowing& narrowing : task.narrow) globs.push_back(narrowing.glob);
    Result<Space> kept = space.keep(globs);
    if (!kept) return bad_request("--keep", kept.error().text());
    space = *std::move(kept);
  }
  if (!task.freeze.empty()) {
    Result<Space> frozen = space.freeze(task.freeze);
    if (!frozen) return bad_request("--freeze", frozen.error().text());
    space = *std::move(frozen);
  }
  return space;
}

Result<std::map<std::string, ModelSpec>> named_models(const TaskSpec& task,
                                                      const SavedProgram& saved,
                                                      const Space* space) {
  const std::map<std::string, std::string> given = given_models(task, saved);
  std::vector<std::string> names;
  for (const auto& [name, spec] : given) names.push_back(name);
  std::map<std::string, std::string> wanted;  // by name, who wants it
  for (const Predictor& predictor : saved.program.predictors())
    wanted.emplace(predictor.options().model, predictor.path());
  for (const Param& param : space ? space->params() : std::vector<Param>()) {
    const auto* choice = std::get_if<ChoiceDomain>(&param.domain);
    if (!choice || !param.path.ends_with(".model") || !space->is_asked(param)) continue;
    for (const Value& name : choice->choices) wanted.emplace(name.text(), param.path);
  }
  wanted.erase("");
  std::map<std::string, ModelSpec> named;
  for (const auto& [name, path] : wanted) {
    const auto spec = given.find(name);
    if (spec == given.end()) {
      return bad_request(
          path, "its model \"" + name + "\" is not in [models]" + did_you_mean(name, names));
    }
    Result<ModelSpec> checked = check_model(spec->second);
    if (!checked) return checked.error();
    named.emplace(name, *std::move(checked));
  }
  return named;
}

Result<void> check_output(const fs::path& path, std::span<const fs::path> inputs) {
  if (path.empty()) return bad_request("--out", "names no file; give the path of one to write to");
  std::error_code ignored;
  if (fs::is_directory(path, ignored))
    return bad_request(path.string(), "is a folder, not a file to write to");
  if (fs::exists(path, ignored) && !fs::is_regular_file(path, ignored))
    return bad_request(path.string(), "is no regular file; name another to write to");
  for (const fs::path& input : inputs) {
    if (is_same_file(path, input))
      return bad_request(path.string(), "is read by this very command; name another file to write");
  }
  const fs::path folder = path.parent_path().empty() ? fs::path(".") : path.parent_path();
  if (!fs::is_directory(folder, ignored))
    return bad_request(path.string(), "there is no folder " + folder.string());
  if (::access(folder.c_str(), W_OK) != 0) {
    return bad_request(path.string(), "cannot be written: " + std::string(std::strerror(errno)));
  }
  return {};
}

}  // namespace hone::cli
