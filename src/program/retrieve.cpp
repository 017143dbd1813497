#include "hone/program/retrieve.hpp"

#include <algorithm>
#include <array>
#include <system_error>
#include <utility>

#include "hone/base/text.hpp"

#include "program/predictor_json.hpp"
#include "program/retrieve_json.hpp"

namespace hone {
namespace {

constexpr std::int64_t kUsual = 3;
constexpr IntDomain kUsualRange = {1, 10};

bool takes_a_text(const Signature& signature) {
  return signature.inputs().size() == 1 && signature.inputs().front().type.kind() == TypeKind::str;
}

// Without limits: how many passages there are is k's to say.
bool gives_texts(const Signature& signature) {
  if (signature.outputs().size() != 1) return false;
  const Type& type = signature.outputs().front().type;
  return type.kind() == TypeKind::list && type.limits() == Limits{} &&
         type.element().kind() == TypeKind::str && type.element().limits() == Limits{};
}

std::string range_text(const IntDomain& range) {
  return std::to_string(range.low) + " to " + std::to_string(range.high);
}

// A whole file's path as it stands in `folder`, if it lies there.
std::string path_within(const std::filesystem::path& folder, const std::filesystem::path& path) {
  if (folder.empty()) return path.string();
  std::error_code ignored;
  const std::filesystem::path below =
      path.lexically_relative(std::filesystem::absolute(folder, ignored).lexically_normal());
  const bool is_outside = below.empty() || *below.begin() == "..";
  return is_outside ? path.string() : below.generic_string();
}

// A range of k, [low, high].
std::optional<IntDomain> read_range(const Value& json) {
  if (!json.is_list() || json.size() != 2) return std::nullopt;
  const Value& low = json.as_list()[0];
  const Value& high = json.as_list()[1];
  if (!low.is_int() || !high.is_int()) return std::nullopt;
  return IntDomain{low.as_int(), high.as_int()};
}

Result<Corpus> read_corpus(const Value& path, const Value& hash,
                           const std::filesystem::path& folder) {
  Result<Corpus> corpus = Corpus::load(folder / path.as_string());
  if (!corpus) return corpus.error();
  if (hash.is_string() && hash.as_string() != corpus->hash().hex()) {
    return bad_request((folder / path.as_string()).string(),
                       "holds other passages than when the program was saved; bring those back, "
                       "or optimize the program anew with these");
  }
  return corpus;
}

}  // namespace

Result<Retrieve> Retrieve::make(Signature signature, Corpus corpus, RetrieveOptions options) {
  std::vector<std::string> faults;
  if (!takes_a_text(signature) || !gives_texts(signature)) {
    faults.push_back(
        "a retrieve step takes one str, the query, and gives one list[str], the "
        "passages, as in \"question -> context: list[str]\"; this one is for \"" +
        signature.to_string() + "\"");
  }
  const auto size = static_cast<std::int64_t>(corpus.passages().size());
  const IntDomain range = options.range.value_or(
      IntDomain{std::min(kUsualRange.low, options.k.value_or(kUsualRange.low)),
                std::min(size, std::max(kUsualRange.high, options.k.value_or(0)))});
  const bool is_range = range.low >= 0 && range.low <= range.high && range.high <= size;
  if (options.range && !is_range) {
    faults.push_back("k cannot range from " + range_text(range) + ": give two numbers from 0 to " +
                     std::to_string(size) + ", the passages of the corpus, the lower one first");
  }
  const std::int64_t k =
      options.k.value_or(is_range ? std::clamp(kUsual, range.low, range.high) : kUsual);
  if (options.k && (k < 0 || k > size)) {
    faults.push_back("k is " + std::to_string(k) + "; it must be from 0 to " +
                     std::to_string(size) + ", the passages of the corpus");
  } else if (is_range && (k < range.low || k > range.high)) {
    faults.push_back("k is " + std::to_string(k) + ", outside its own range " + range_text(range));
  }
  if (!faults.empty()) return bad_request("retrieve", join(faults, "; "));
  return Retrieve(std::move(signature), std::move(corpus), k, range);
}

std::vector<std::string> Retrieve::operator()(Call& call, const std::string& query) const {
  std::vector<std::string> found = corpus_.nearest(query, static_cast<std::size_t>(k_));
  TraceStep step;
  step.path = path_;
  step.inputs = Value::object({{signature_.inputs().front().name, query}});
  step.outputs = Value::object({{signature_.outputs().front().name, Value::strings(found)}});
  call.record(std::move(step));
  return found;
}

Retrieve Retrieve::with_path(std::string path) const {
  Retrieve next = *this;
  next.path_ = std::move(path);
  return next;
}

std::vector<Param> Retrieve::params() const {
  return {{path_.empty() ? "k" : path_ + ".k", range_, k_, std::nullopt}};
}

Result<Retrieve> Retrieve::with(const Candidate& candidate) const {
  const Param own = params().front();
  const Value* k = candidate.find(own.path);
  if (!k) return *this;
  if (Result<void> fits = check_domain(own.domain, *k, own.path); !fits) return fits.error();
  Retrieve next = *this;
  next.k_ = k->as_int();
  return next;
}

bool is_retrieve(const Value& json) {
  return json.get("module") == Value(kRetrieveModule);
}

Value retrieve_to_json(const Retrieve& step, const std::filesystem::path& folder) {
  if (step.corpus().path().empty()) return {};
  return Value::object({{"module", kRetrieveModule},
                        {"signature", signature_to_json(step.signature())},
                        {"corpus", path_within(folder, step.corpus().path())},
                        {"corpus_hash", step.corpus().hash().hex()},
                        {"k", step.k()},
                        {"k_range", Value::list({step.range().low, step.range().high})}});
}

Result<Retrieve> retrieve_from_json(const Value& json, std::string_view where,
                                    const std::filesystem::path& folder,
                                    std::span<const std::string> extra) {
  std::vector<std::string> known = {"module", "signature", "corpus", "corpus_hash", "k", "k_range"};
  known.insert(known.end(), extra.begin(), extra.end());
  std::vector<std::string> faults;
  for (const auto& [key, ignored] : json.as_object()) {
    if (std::find(known.begin(), known.end(), key) == known.end())
      faults.push_back(key + ": is not a key of a retrieve step" + did_you_mean(key, known));
  }
  const auto expected = [&](const std::string& key, const std::string& what) {
    const Value* got = json.find(key);
    faults.push_back(key + (got ? ": expected " + what + ", got " + shorten(got->to_json(), 60)
                                : ": is missing; give " + what));
  };
  RetrieveOptions options;
  if (const Value* k = json.find("k")) {
    if (k->is_int()) {
      options.k = k->as_int();
    } else {
      expected("k", "a whole number");
    }
  }
  if (const Value* range = json.find("k_range")) {
    options.range = read_range(*range);
    if (!options.range) expected("k_range", "two whole numbers such as [1, 10]");
  }
  const Value hash = json.get("corpus_hash");
  if (!hash.is_null() && !hash.is_string()) expected("corpus_hash", "a text");
  const Value path = json.get("corpus");
  std::optional<Corpus> corpus;
  if (!path.is_string() || path.as_string().empty()) {
    expected("corpus", "a file of passages");
  } else if (Result<Corpus> read = read_corpus(path, hash, folder); read) {
    corpus = *std::move(read);
  } else {
    faults.push_back("corpus: " + read.error().text());
  }
  std::optional<Signature> signature;
  if (const Value* form = json.find("signature"); !form) {
    expected("signature", "one such as \"question -> context: list[str]\"");
  } else if (Result<Signature> read = signature_from_json(*form, "signature"); read) {
    signature = *std::move(read);
  } else {
    faults.push_back(read.error().text());
  }
  const std::string place(where);
  if (!faults.empty()) return bad_request(place, join(faults, "; "));
  Result<Retrieve> step = Retrieve::make(*std::move(signature), *std::move(corpus), options);
  if (!step) return bad_request(place, step.error().message);
  return step;
}

}  // namespace hone
