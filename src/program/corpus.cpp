#include "hone/program/corpus.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "hone/base/file.hpp"
#include "hone/base/text.hpp"
#include "hone/core/example.hpp"
#include "hone/core/signature.hpp"
#include "hone/retrieve/keyword.hpp"

namespace hone {
namespace {

constexpr const char* kForms =
    "a corpus is a .jsonl, .json or .csv file whose entries have a \"text\", or a plain text file "
    "with a passage a line";

bool holds_entries(const std::filesystem::path& path) {
  static const std::array<std::string, 3> known = {".jsonl", ".json", ".csv"};
  return std::find(known.begin(), known.end(), to_lower(path.extension().string())) != known.end();
}

Result<std::vector<std::string>> entries_of(const std::filesystem::path& path) {
  const Signature entry = Signature::make({}, {{"text", Type::str()}}).value();
  const Result<Examples> entries = load_examples(path, {.signature = entry, .limit = std::nullopt});
  if (!entries) return entries.error();
  std::vector<std::string> passages;
  for (const Example& one : *entries) {
    const std::string text = one.get("text").as_string();
    const Value title = one.get("title");
    const bool has_title = title.is_string() && !title.as_string().empty();
    passages.push_back(has_title ? title.as_string() + " | " + text : text);
  }
  return passages;
}

Result<std::vector<std::string>> lines_of(const std::filesystem::path& path) {
  const Result<std::string> text = read_file(path);
  if (!text) return text.error();
  std::vector<std::string> passages;
  for (const std::string& line : split(*text, '\n')) {
    if (!trim(line).empty()) passages.push_back(to_utf8(trim(line)));
  }
  if (passages.empty()) return bad_request(path.string(), "holds no passages");
  return passages;
}

Hash hash_of_all(const std::vector<std::string>& passages) {
  Hasher hasher;
  for (const std::string& passage : passages) hasher.add(hash_of(passage));
  return hasher.finish();
}

}  // namespace

struct Corpus::State {
  State(std::vector<std::string> all, std::filesystem::path file)
      : passages(std::move(all)),
        path(std::move(file)),
        hash(hash_of_all(passages)),
        index(passages) {}

  std::vector<std::string> passages;
  std::filesystem::path path;
  Hash hash;
  KeywordRetriever index;
};

Result<Corpus> Corpus::load(const std::filesystem::path& path) {
  Result<std::vector<std::string>> passages =
      holds_entries(path) ? entries_of(path) : lines_of(path);
  if (!passages) {
    return bad_request(passages.error().where, passages.error().message + " (" + kForms + ")");
  }
  std::error_code ignored;
  return make(*std::move(passages), std::filesystem::absolute(path, ignored).lexically_normal());
}

Result<Corpus> Corpus::of(std::vector<std::string> passages) {
  return make(std::move(passages), {});
}

Result<Corpus> Corpus::make(std::vector<std::string> passages, std::filesystem::path path) {
  if (passages.empty()) return bad_request("corpus", "holds no passages");
  return Corpus(std::make_shared<const State>(std::move(passages), std::move(path)));
}

const std::vector<std::string>& Corpus::passages() const {
  return state_->passages;
}
const std::filesystem::path& Corpus::path() const {
  return state_->path;
}
const Hash& Corpus::hash() const {
  return state_->hash;
}

std::vector<std::string> Corpus::nearest(const std::string& query, std::size_t k) const {
  std::vector<std::string> out;
  for (const Hit& hit : state_->index.search(query, k).value())
    out.push_back(state_->passages[hit.text]);
  return out;
}

}  // namespace hone
