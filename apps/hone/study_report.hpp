// What `hone study` prints of a study.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include "hone/store/study.hpp"

namespace hone::cli {

// "finished", "stopped: …", or that the last run was killed or still works.
std::string state_of(const Study& study);

std::string list_line(const std::filesystem::path& file, const Study& study);
std::string list_header();
Value list_json(const std::filesystem::path& file, const Study& study);

// `replies`: how many the log keeps (count_kept_replies).
std::string show_text(const Study& study, std::size_t replies, std::size_t width);
Value show_json(const std::filesystem::path& file, const Study& study);

std::string trials_text(const Study& study);
Value trials_json(const Study& study);
// One line a trial: number, score, what it cost, and one column an example score.
std::string trials_csv(const Study& study);

// Two trials of one study.
std::string diff_text(const Study& study, const StudyTrial& a, const StudyTrial& b);
Value diff_json(const Study& study, const StudyTrial& a, const StudyTrial& b);

// Everything.
Value study_json(const std::filesystem::path& file, const Study& study);

}  // namespace hone::cli
