// *.hone.json: a tuned program in one readable, versioned file.
#pragma once

#include <filesystem>
#include <string>

#include "hone/base/result.hpp"
#include "hone/core/param.hpp"
#include "hone/core/value.hpp"
#include "hone/program/program.hpp"

namespace hone {

// What a file says besides the program: nothing that differs between two equal runs (no times, no
// paths but those of corpora).
struct SavedProgram {
  Program program;
  Value score;  // what it reached and on what: {"metric": …, "val": …, "examples": …}; may be null
  Value model;  // {"identity": …, "spec": …}; may be null
};

// Byte-identical for equal programs. All or nothing: see write_file. A corpus stays in its own
// file, which is named from the saved one's folder where it lies below that, else by its absolute
// path. bad_request for a program of C++ that an optimizer put more into than values of parameters:
// a pool of neighbours, or members and their weights.
Result<void> save_program(const std::filesystem::path& path, const SavedProgram& saved);
// What is written; `folder` as for Module::to_json.
std::string saved_program_text(const SavedProgram& saved, const std::filesystem::path& folder = {});

// Rebuilds a program made of predictors, retrieve steps and pipelines. A file of a newer format,
// one that is no hone program, one whose parameters do not fit, and a corpus that is missing or has
// changed since are clear errors.
Result<SavedProgram> load_program(const std::filesystem::path& path);

// For programs only C++ can build: the file's parameter values put into `program`. A file for other
// signatures is a bad_request that names the difference.
Result<SavedProgram> load_program_into(const std::filesystem::path& path, const Program& program);

}  // namespace hone
