#include "program/neighbour_demos.hpp"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <utility>

#include "hone/base/text.hpp"
#include "hone/retrieve/dense.hpp"
#include "hone/retrieve/keyword.hpp"

namespace hone {
namespace {

constexpr std::string_view kCountPath = "neighbours.k";
constexpr std::string_view kDemosEnd = ".demos";

// What similarity looks at: the values of the inputs, in the signature's order.
std::string search_text(const Signature& signature, const Value& inputs) {
  std::vector<std::string> texts;
  for (const Field& field : signature.inputs()) {
    if (const Value* value = inputs.find(field.name)) texts.push_back(value->text());
  }
  return join(texts, "\n");
}

// What does not change with k: shared by all copies.
struct Pool {
  std::vector<KnownExample> examples;
  std::set<std::string, std::less<>> paths;  // of the predictors that any example has a demo for
  std::unique_ptr<const Retriever> index;
  const DenseRetriever* dense = nullptr;  // the index, when it is one of points
};

std::vector<std::string> search_texts(const Signature& signature,
                                      const std::vector<KnownExample>& pool) {
  std::vector<std::string> texts;
  for (const KnownExample& example : pool) texts.push_back(search_text(signature, example.inputs));
  return texts;
}

class NeighbourDemos final : public Module {
 public:
  NeighbourDemos(Program inner, std::shared_ptr<const Pool> pool, std::size_t k)
      : inner_(std::move(inner)), pool_(std::move(pool)), k_(k) {}

  const Signature& signature() const override { return inner_.signature(); }

  Value forward(Call& call, const Value& inputs) const override {
    std::vector<const KnownExample*> near = nearest(call, inputs);
    std::reverse(near.begin(), near.end());
    Candidate demos;
    for (const Predictor& predictor : inner_.predictors()) {
      const std::string& path = predictor.path();
      if (!pool_->paths.contains(path)) continue;
      Value::List shown;
      for (const KnownExample* example : near) {
        const auto demo = example->demos.find(path);
        if (demo != example->demos.end()) shown.push_back(demo->second);
      }
      demos = demos.with(path + std::string(kDemosEnd), Value(std::move(shown)));
    }
    return inner_.with(demos).value().module().forward(call, inputs);
  }

  std::string embedder() const override {
    return pool_->dense != nullptr ? pool_->dense->embedder() : inner_.embedder();
  }

  std::vector<Predictor> predictors() const override { return inner_.predictors(); }
  std::vector<Retrieve> retrieve_steps() const override { return inner_.retrieve_steps(); }

  std::vector<Param> params() const override {
    std::vector<Param> out;
    for (Param& param : inner_.params()) {
      if (!is_demos(param.path)) out.push_back(std::move(param));
    }
    out.push_back({std::string(kCountPath),
                   IntDomain{0, static_cast<std::int64_t>(pool_->examples.size())}, Value(k_),
                   std::nullopt});
    return out;
  }

  Result<std::shared_ptr<const Module>> with(const Candidate& candidate) const override {
    const Value* k = candidate.find(kCountPath);
    const Result<Program> tuned = inner_.with(candidate.without(kCountPath));
    if (!tuned) return tuned.error();
    return std::shared_ptr<const Module>(std::make_shared<const NeighbourDemos>(
        *tuned, pool_, k ? static_cast<std::size_t>(k->as_int()) : k_));
  }

  Value to_json(const std::filesystem::path& folder) const override {
    const Value inner = inner_.to_json(folder);
    if (inner.is_null()) return {};
    Value::List pool;
    for (const KnownExample& example : pool_->examples) {
      Value::Object demos;
      for (const auto& [path, demo] : example.demos) demos.emplace_back(path, demo);
      pool.push_back(
          Value::object({{"inputs", example.inputs}, {"demos", Value::object(std::move(demos))}}));
    }
    Value::Object fields = {{"k", k_}, {"program", inner}, {"pool", Value(std::move(pool))}};
    if (pool_->dense != nullptr) fields.emplace_back("index", pool_->dense->to_json());
    return Value::object({{"neighbours", Value::object(std::move(fields))}});
  }

  bool params_are_all() const override { return false; }  // there is the pool

 private:
  // The k nearest, best first.
  std::vector<const KnownExample*> nearest(const Call& call, const Value& inputs) const {
    std::vector<const KnownExample*> near;
    if (k_ == 0) return near;
    if (pool_->dense != nullptr) check_embedder(call);
    const auto embed = [&call](const std::string& text) { return call.embed(text); };
    const std::vector<Hit> hits =
        pool_->index->search(search_text(signature(), inputs), pool_->examples.size(), embed)
            .value();
    for (const Hit& hit : hits) {
      const KnownExample& example = pool_->examples[hit.text];
      if (!same_inputs(example.inputs, inputs)) near.push_back(&example);
      if (near.size() == k_) break;
    }
    return near;
  }

  void check_embedder(const Call& call) const {
    const Embedder* given = call.options().embedder;
    if (given != nullptr && given->identity() == pool_->dense->embedder()) return;
    throw_error(bad_request(
        "neighbours",
        "the pool's points are of the embedder '" + pool_->dense->embedder() + "', the run has " +
            (given == nullptr ? std::string("none") : "'" + given->identity() + "'")));
  }

  // Of a predictor that gets its demos from the pool.
  bool is_demos(std::string_view path) const {
    return path.ends_with(kDemosEnd) &&
           pool_->paths.contains(path.substr(0, path.size() - kDemosEnd.size()));
  }

  bool same_inputs(const Value& a, const Value& b) const {
    return std::all_of(signature().inputs().begin(), signature().inputs().end(),
                       [&](const Field& field) { return a.get(field.name) == b.get(field.name); });
  }

  Program inner_;
  std::shared_ptr<const Pool> pool_;
  std::size_t k_;
};

// Everything but the index.
Result<void> check_pool(const Program& inner, const std::vector<KnownExample>& pool,
                        std::size_t k) {
  if (pool.empty()) return bad_request("neighbours", "the pool has no examples");
  if (k > pool.size()) {
    return bad_request("neighbours", "k is " + std::to_string(k) + ", but the pool has only " +
                                         std::to_string(pool.size()) + " examples");
  }
  std::map<std::string, Param, std::less<>> slots;
  const std::vector<Param> params = inner.params();
  for (const Predictor& predictor : inner.predictors()) {
    for (const Param& param : params) {
      if (param.path == predictor.path() + ".demos") slots.emplace(predictor.path(), param);
    }
  }
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const std::string place = "neighbours, example " + std::to_string(i + 1);
    for (const auto& [path, demo] : pool[i].demos) {
      const auto slot = slots.find(path);
      if (slot == slots.end())
        return bad_request(place, "the program has no demos at '" + path + "'");
      const Result<void> fits = check_domain(slot->second.domain, Value(Value::List{demo}), path);
      if (!fits) return bad_request(place, fits.error().text());
    }
  }
  return {};
}

Program with_pool(const Program& inner, std::vector<KnownExample> examples, std::size_t k,
                  std::optional<DenseRetriever> dense) {
  Pool pool;
  if (dense) {
    auto index = std::make_unique<const DenseRetriever>(*std::move(dense));
    pool.dense = index.get();
    pool.index = std::move(index);
  } else {
    pool.index =
        std::make_unique<const KeywordRetriever>(search_texts(inner.signature(), examples));
  }
  pool.examples = std::move(examples);
  for (const KnownExample& example : pool.examples) {
    for (const auto& [path, demo] : example.demos) pool.paths.insert(path);
  }
  return Program(std::make_shared<const NeighbourDemos>(
      inner, std::make_shared<const Pool>(std::move(pool)), k));
}

}  // namespace

Result<Program> with_neighbour_demos(const Program& inner, std::vector<KnownExample> pool,
                                     std::size_t k, const Embedder* embedder,
                                     std::stop_token stop) {
  if (Result<void> fits = check_pool(inner, pool, k); !fits) return fits.error();
  std::optional<DenseRetriever> dense;
  if (embedder != nullptr) {
    const std::vector<std::string> texts = search_texts(inner.signature(), pool);
    const Result<std::vector<Embedding>> points = embedder->embed(texts, std::move(stop));
    if (!points) return points.error();
    Result<DenseRetriever> made = DenseRetriever::make(*points, embedder->identity());
    if (!made) return made.error();
    dense = *std::move(made);
  }
  return with_pool(inner, std::move(pool), k, std::move(dense));
}

Result<Program> neighbour_demos_from_json(const Value& json, std::string_view where,
                                          const std::filesystem::path& folder) {
  const std::string place = std::string(where) + ", neighbours";
  const Value body = json.get("neighbours");
  const Value k = body.get("k");
  const Value listed = body.get("pool");
  if (!k.is_int() || k.as_int() < 0 || !listed.is_list())
    return bad_request(place, "needs \"k\" (from 0), \"pool\" and \"program\"");
  Result<Program> inner = Program::from_json(body.get("program"), place, folder);
  if (!inner) return inner.error();
  std::vector<KnownExample> pool;
  for (const Value& entry : listed.as_list()) {
    const Value demos = entry.get("demos");
    if (!entry.get("inputs").is_object() || !demos.is_object())
      return bad_request(place, "an example of the pool needs \"inputs\" and \"demos\"");
    KnownExample example{entry.get("inputs"), {}};
    for (const auto& [path, demo] : demos.as_object()) example.demos.emplace(path, demo);
    pool.push_back(std::move(example));
  }
  const auto count = static_cast<std::size_t>(k.as_int());
  if (Result<void> fits = check_pool(*inner, pool, count); !fits)
    return bad_request(place, fits.error().text());
  std::optional<DenseRetriever> dense;
  if (const Value* index = body.find("index")) {
    Result<DenseRetriever> read = DenseRetriever::from_json(*index, place + ", index");
    if (!read) return read.error();
    if (read->size() != pool.size())
      return bad_request(place, "the index has " + std::to_string(read->size()) +
                                    " points, the pool " + std::to_string(pool.size()) +
                                    " examples");
    dense = *std::move(read);
  }
  return with_pool(*inner, std::move(pool), count, std::move(dense));
}

}  // namespace hone
