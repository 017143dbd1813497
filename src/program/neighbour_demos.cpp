#include "program/neighbour_demos.hpp"

#include <algorithm>
#include <utility>

#include "hone/base/text.hpp"

#include "program/bm25.hpp"

namespace hone {
namespace {

constexpr std::string_view kCountPath = "neighbours.k";

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
  Bm25 index;
};

class NeighbourDemos final : public Module {
 public:
  NeighbourDemos(Program inner, std::shared_ptr<const Pool> pool, std::size_t k)
      : inner_(std::move(inner)), pool_(std::move(pool)), k_(k) {}

  const Signature& signature() const override { return inner_.signature(); }

  Value forward(Call& call, const Value& inputs) const override {
    std::vector<const KnownExample*> near;
    for (const std::size_t i : pool_->index.rank(search_text(signature(), inputs))) {
      if (near.size() == k_) break;
      if (!same_inputs(pool_->examples[i].inputs, inputs)) near.push_back(&pool_->examples[i]);
    }
    std::reverse(near.begin(), near.end());
    Candidate demos;
    for (const Predictor& predictor : inner_.predictors()) {
      Value::List shown;
      for (const KnownExample* example : near) {
        const auto demo = example->demos.find(predictor.path());
        if (demo != example->demos.end()) shown.push_back(demo->second);
      }
      demos = demos.with(predictor.path() + ".demos", Value(std::move(shown)));
    }
    return inner_.with(demos).value().module().forward(call, inputs);
  }

  std::vector<Predictor> predictors() const override { return inner_.predictors(); }

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

  Value to_json() const override {
    const Value inner = inner_.to_json();
    if (inner.is_null()) return {};
    Value::List pool;
    for (const KnownExample& example : pool_->examples) {
      Value::Object demos;
      for (const auto& [path, demo] : example.demos) demos.emplace_back(path, demo);
      pool.push_back(
          Value::object({{"inputs", example.inputs}, {"demos", Value::object(std::move(demos))}}));
    }
    return Value::object(
        {{"neighbours",
          Value::object({{"k", k_}, {"program", inner}, {"pool", Value(std::move(pool))}})}});
  }

 private:
  bool is_demos(const std::string& path) const {
    const std::vector<Predictor> predictors = inner_.predictors();
    return std::any_of(predictors.begin(), predictors.end(),
                       [&](const Predictor& p) { return path == p.path() + ".demos"; });
  }

  bool same_inputs(const Value& a, const Value& b) const {
    return std::all_of(signature().inputs().begin(), signature().inputs().end(),
                       [&](const Field& field) { return a.get(field.name) == b.get(field.name); });
  }

  Program inner_;
  std::shared_ptr<const Pool> pool_;
  std::size_t k_;
};

}  // namespace

Result<Program> with_neighbour_demos(const Program& inner, std::vector<KnownExample> pool,
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
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < pool.size(); ++i) {
    const std::string place = "neighbours, example " + std::to_string(i + 1);
    for (const auto& [path, demo] : pool[i].demos) {
      const auto slot = slots.find(path);
      if (slot == slots.end())
        return bad_request(place, "the program has no demos at '" + path + "'");
      const Result<void> fits = check_domain(slot->second.domain, Value(Value::List{demo}), path);
      if (!fits) return bad_request(place, fits.error().text());
    }
    texts.push_back(search_text(inner.signature(), pool[i].inputs));
  }
  auto shared = std::make_shared<const Pool>(Pool{std::move(pool), Bm25(texts)});
  return Program(std::make_shared<const NeighbourDemos>(inner, std::move(shared), k));
}

Result<Program> neighbour_demos_from_json(const Value& json, std::string_view where) {
  const std::string place = std::string(where) + ", neighbours";
  const Value body = json.get("neighbours");
  const Value k = body.get("k");
  const Value listed = body.get("pool");
  if (!k.is_int() || k.as_int() < 0 || !listed.is_list())
    return bad_request(place, "needs \"k\" (from 0), \"pool\" and \"program\"");
  Result<Program> inner = Program::from_json(body.get("program"), place);
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
  Result<Program> program =
      with_neighbour_demos(*inner, std::move(pool), static_cast<std::size_t>(k.as_int()));
  if (!program) return bad_request(place, program.error().text());
  return program;
}

}  // namespace hone
