#include "optimize/study_identity.hpp"

#include <cstdint>
#include <utility>

#include "hone/base/hash.hpp"

namespace hone {

Value study_identity(const StudyParts& parts) {
  const auto& [student, teacher, task, lm, space, options] = parts;
  const auto hash_examples = [](const Examples& examples) {
    Hasher hasher;
    for (const Example& example : examples) hasher.add(example.id());
    return Value(hasher.finish().hex());
  };
  const auto identity_of = [](const Lm* model) {
    return model ? Value(model->info().identity) : Value();
  };
  Value::Object named;
  for (const auto& [name, model] : options.models) named.emplace_back(name, model->info().identity);
  return Value::object(
      {{"program", student.structure_hash().hex()},
       {"start", student.candidate().hash().hex()},
       {"train", hash_examples(task.train)},
       {"val", hash_examples(task.val)},
       {"metric", task.metric.name()},
       {"goals", task.goals.text()},
       {"model", lm.info().identity},
       {"models", Value::object(std::move(named))},
       {"teacher", options.teacher ? Value(Hasher()
                                               .add(teacher.structure_hash())
                                               .add(teacher.candidate().hash())
                                               .finish()
                                               .hex())
                                   : Value()},
       {"teacher_model", identity_of(options.teacher_lm)},
       {"proposer_model", identity_of(options.proposer_lm)},
       {"embedder", options.embedder ? Value(options.embedder->identity()) : Value()},
       {"space", hash_of(space.describe()).hex()},
       {"race", options.race.by_rank ? Value("fast") : Value(options.race.enabled)},
       {"optimizer", options.purpose},
       {"seed", static_cast<std::int64_t>(options.seed)}});
}

}  // namespace hone
