// What makes two searches the same study.
#pragma once

#include "hone/core/value.hpp"
#include "hone/lm/lm.hpp"
#include "hone/optimize/search.hpp"
#include "hone/optimize/space.hpp"
#include "hone/program/program.hpp"

namespace hone {

struct StudyParts {
  const Program& student;
  const Program& teacher;
  const Task& task;
  const Lm& lm;
  const Space& space;
  const SearchOptions& options;
};

// Everything that results depend on, and nothing else (threads and budgets are not part of it):
// only a search with an equal identity may go on with a log.
Value study_identity(const StudyParts& parts);

}  // namespace hone
