#include "hone/program/saved_program.hpp"

#include <algorithm>
#include <array>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "hone/base/file.hpp"
#include "hone/base/text.hpp"
#include "hone/base/version.hpp"

#include "program/pipeline.hpp"
#include "program/predictor_json.hpp"

namespace hone {
namespace {

constexpr std::int64_t kFormat = 1;
constexpr std::size_t kLineWidth = 100;

// JSON for reading: what fits on a line stays on one, everything else is broken up.
void write_readable(std::string& out, const Value& value, std::size_t depth, std::size_t taken) {
  const std::string compact = value.to_json();
  const bool can_break = value.size() > 0;
  if (!can_break || (depth > 0 && taken + compact.size() <= kLineWidth)) {
    out += compact;
    return;
  }
  const std::string indent((depth + 1) * 2, ' ');
  bool first = true;
  const auto next = [&] {
    out += first ? "\n" : ",\n";
    first = false;
    out += indent;
  };
  if (value.is_list()) {
    out += "[";
    const bool numbers = std::all_of(value.as_list().begin(), value.as_list().end(),
                                     [](const Value& item) { return item.is_number(); });
    std::size_t column = kLineWidth;
    for (const Value& item : value.as_list()) {
      const std::string text = numbers ? item.to_json() : std::string();
      // Long lists of numbers are filled line by line; one a line would hide the rest of the file.
      if (numbers && column + text.size() + 2 < kLineWidth) {
        out += ", " + text;
        column += text.size() + 2;
        continue;
      }
      next();
      if (numbers) {
        out += text;
        column = indent.size() + text.size();
      } else {
        write_readable(out, item, depth + 1, indent.size());
      }
    }
  } else {
    out += "{";
    for (const auto& [name, field] : value.as_object()) {
      next();
      const std::string key = Value(name).to_json() + ": ";
      out += key;
      write_readable(out, field, depth + 1, indent.size() + key.size());
    }
  }
  out += "\n" + std::string(depth * 2, ' ') + (value.is_list() ? "]" : "}");
}

// A program whose control flow is C++ is kept as what was tuned in it.
Value tuned_parts(const Program& program) {
  Value::List predictors;
  std::vector<std::string> owned;
  for (const Predictor& predictor : program.predictors()) {
    Value::Object fields = {{"path", predictor.path()}};
    const Value json = predictor_to_json(predictor);
    fields.insert(fields.end(), json.as_object().begin(), json.as_object().end());
    predictors.push_back(Value::object(std::move(fields)));
    for (const Param& param : predictor.params()) owned.push_back(param.path);
  }
  Value::Object others;
  for (const Param& param : program.params()) {
    if (param.initial.is_null() || std::find(owned.begin(), owned.end(), param.path) != owned.end())
      continue;
    others.emplace_back(param.path, param.initial);
  }
  const Value out = Value::object({{"predictors", Value::list(std::move(predictors))}});
  return others.empty() ? out : out.with("parameters", Value::object(std::move(others)));
}

struct File {
  Value program;
  Value score;
  Value model;
};

Result<File> read(const std::filesystem::path& path) {
  const Result<std::string> text = read_file(path);
  if (!text) return text.error();
  const std::string where = path.string();
  Result<Value> json = Value::parse_json(*text, where);
  if (!json) return json.error();
  const Value format = json->get("hone_format");
  if (!format.is_int() || !json->get("program").is_object()) {
    return bad_request(where,
                       "is not a program saved by hone (no \"hone_format\" and \"program\")");
  }
  if (format.as_int() > kFormat || format.as_int() < 1) {
    const Value written_by = json->get("hone_version");
    return bad_request(
        where,
        "has format " + std::to_string(format.as_int()) + ", written by hone " +
            (written_by.is_string() ? written_by.as_string() : std::string("of another version")) +
            "; this is hone " + std::string(version) + ", which reads format " +
            std::to_string(kFormat) + ": use a newer hone");
  }
  return File{json->get("program"), json->get("score"), json->get("model")};
}

// The predictors a file holds, whichever way it was written.
Result<std::vector<Predictor>> saved_predictors(const Value& program,
                                                const std::filesystem::path& file) {
  const std::string where = file.string();
  const Value listed = program.get("predictors");
  if (!listed.is_list()) {
    Result<Program> rebuilt = Program::from_json(program, where, file.parent_path());
    if (!rebuilt) return rebuilt.error();
    return rebuilt->predictors();
  }
  static const std::array<std::string, 1> own_keys = {"path"};
  std::vector<Predictor> out;
  for (const Value& entry : listed.as_list()) {
    const Value path = entry.get("path");
    if (!path.is_string()) return bad_request(where, "a predictor needs a \"path\"");
    Result<Predictor> predictor =
        predictor_from_json(entry, where + ", " + path.as_string(), {}, own_keys);
    if (!predictor) return predictor.error();
    out.push_back(predictor->with_path(path.as_string()));
  }
  return out;
}

}  // namespace

std::string saved_program_text(const SavedProgram& saved, const std::filesystem::path& folder) {
  const Value rebuildable = saved.program.to_json(folder);
  Value::Object fields = {
      {"hone_format", kFormat},
      {"hone_version", version},
      {"program", rebuildable.is_null() ? tuned_parts(saved.program) : rebuildable}};
  if (!saved.score.is_null()) fields.emplace_back("score", saved.score);
  if (!saved.model.is_null()) fields.emplace_back("model", saved.model);
  std::string out;
  write_readable(out, Value::object(std::move(fields)), 0, 0);
  return out + "\n";
}

Result<void> save_program(const std::filesystem::path& path, const SavedProgram& saved) {
  std::error_code ignored;
  const std::filesystem::path folder = std::filesystem::absolute(path, ignored).parent_path();
  if (!saved.program.module().params_are_all() && saved.program.to_json(folder).is_null()) {
    return bad_request(path.string(),
                       "cannot hold this program: its control flow is C++, and it was given a pool "
                       "of neighbours or the members of an ensemble, which parameters do not hold; "
                       "use it in this process, or tune it with another optimizer");
  }
  return write_file(path, saved_program_text(saved, folder));
}

Result<SavedProgram> load_program(const std::filesystem::path& path) {
  const Result<File> file = read(path);
  if (!file) return file.error();
  if (file->program.find("predictors")) {
    return bad_request(
        path.string(),
        "is of a program written in C++; only that program can load it (load_program_into)");
  }
  Result<Program> program = Program::from_json(file->program, path.string(), path.parent_path());
  if (!program) return program.error();
  return SavedProgram{*std::move(program), file->score, file->model};
}

Result<SavedProgram> load_program_into(const std::filesystem::path& path, const Program& program) {
  const Result<File> file = read(path);
  if (!file) return file.error();
  const std::string where = path.string();
  const Result<std::vector<Predictor>> saved = saved_predictors(file->program, path);
  if (!saved) return saved.error();

  std::vector<std::string> faults;
  Candidate candidate;
  const std::vector<Predictor> wanted = program.predictors();
  const auto at_path = [](const std::vector<Predictor>& in, const std::string& name) {
    return std::find_if(in.begin(), in.end(),
                        [&](const Predictor& predictor) { return predictor.path() == name; });
  };
  for (const Predictor& predictor : wanted) {
    const auto found = at_path(*saved, predictor.path());
    if (found == saved->end()) {
      faults.push_back("it has no predictor '" + predictor.path() + "'");
    } else if (found->signature().fields_hash() != predictor.signature().fields_hash()) {
      faults.push_back("its '" + predictor.path() + "' is for \"" + found->signature().to_string() +
                       "\", the program's for \"" + predictor.signature().to_string() + "\"");
    } else {
      for (const Param& param : found->params()) {
        if (!param.initial.is_null()) candidate = candidate.with(param.path, param.initial);
      }
    }
  }
  for (const Predictor& predictor : *saved) {
    if (at_path(wanted, predictor.path()) == wanted.end()) {
      faults.push_back("the program has no predictor '" + predictor.path() + "'");
    }
  }
  if (!faults.empty()) return bad_request(where, "is for another program: " + join(faults, "; "));
  if (!file->program.find("predictors")) {
    // What lies outside the predictors: which alternative is chosen, how many neighbours.
    const Result<Program> rebuilt = Program::from_json(file->program, where, path.parent_path());
    if (!rebuilt) return rebuilt.error();
    const Candidate own = rebuilt->candidate();
    for (const Param& param : program.params()) {
      const Value* value = own.find(param.path);
      if (value && !candidate.find(param.path)) candidate = candidate.with(param.path, *value);
    }
  }
  if (const Value* others = file->program.find("parameters")) {
    Result<Candidate> more = Candidate::from_json(*others, where);
    if (!more) return more.error();
    candidate = candidate.with(*more);
  }
  Result<Program> tuned = program.with(candidate);
  if (!tuned) return bad_request(where, tuned.error().text());
  return SavedProgram{*std::move(tuned), file->score, file->model};
}

}  // namespace hone
