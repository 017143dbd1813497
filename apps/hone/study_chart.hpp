// Pictures of a study: the score of its trials in order, and the best so far.
#pragma once

#include <cstddef>
#include <string>

#include "hone/store/study.hpp"

namespace hone::cli {

// For a terminal; empty when nothing was measured.
std::string terminal_chart(const Study& study, std::size_t width);
// One SVG file of 800 × 450, readable on white. Trials stand at equal distances, in order; below
// each labelled one is what the search had spent when it was through.
std::string svg_chart(const Study& study);

}  // namespace hone::cli
