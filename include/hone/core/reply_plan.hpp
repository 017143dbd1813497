// The shape a reply must have, known before a token is decoded. An engine that can, pushes forced
// text through prefill instead of generating it, scores labels instead of sampling them, and
// decodes every other value under a grammar; one that cannot (a remote server) gets the JSON schema
// and stop strings, and its text is parsed.
#pragma once

#include <cstddef>
#include <string>
#include <variant>
#include <vector>

#include "hone/base/hash.hpp"
#include "hone/core/value.hpp"

namespace hone {

// Text that is the same in every reply: field markers, JSON punctuation.
struct ForcedText {
  std::string text;
};

// A choice among known texts. The reply holds `lead + labels[i]`; the score of a label is the
// log-probability of its tokens after `lead`, and of `close`'s first token too where one label
// begins another. Greedy requests get the label with the highest log_probs[i] - bias[i].
struct LabelSlot {
  std::string field;
  std::string lead;
  std::vector<std::string> labels;  // as they stand in the reply (quoted where the format quotes)
  std::string close;  // what follows in the reply (a line end, a quote): ends one label's text
  std::vector<double> bias;  // empty, or one number a label: the calibration
};

// Any other value: decoded greedily or sampled, under `grammar` when there is one, until a stop
// string (which is not part of the reply), the grammar's end, or `max_tokens`.
struct TextSlot {
  std::string field;
  std::string lead;
  // GBNF with a rule `root`; empty = any text. Covers the value without lead and, where there is a
  // stop string, the first one after the value: a number has no end of its own, and a model kept
  // from writing the line end it wants would go on with digits.
  std::string grammar;
  std::vector<std::string> stop;  // never empty unless there is a grammar
  std::size_t max_tokens = 256;
};

using ReplyPart = std::variant<ForcedText, LabelSlot, TextSlot>;

struct ReplyPlan {
  std::vector<ReplyPart> parts;
  std::vector<std::string> stop;  // for engines that generate the reply as one text
  Value json_schema;  // object schema of the outputs for servers that take one; null when the
                      // format is not JSON
  // Identity for caches: two plans of the same hash give the same reply. Without biases: what a
  // label scores does not depend on them.
  Hash hash() const;
  // Whether every value is a label whose score does not depend on another choice (at most one label
  // slot and no text slot): then a cached reply serves any bias.
  bool is_single_choice() const;
};

}  // namespace hone
