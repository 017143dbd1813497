#include "hone/core/reply_plan.hpp"

#include <cstdint>

namespace hone {

// Every list comes after its size, or what ends one could as well begin the next.
Hash ReplyPlan::hash() const {
  Hasher hasher;
  hasher.add(std::uint64_t{parts.size()});
  for (const ReplyPart& part : parts) {
    hasher.add(static_cast<std::uint64_t>(part.index()));
    if (const auto* forced = std::get_if<ForcedText>(&part)) {
      hasher.add(forced->text);
    } else if (const auto* label = std::get_if<LabelSlot>(&part)) {
      hasher.add(label->field)
          .add(label->lead)
          .add(label->close)
          .add(std::uint64_t{label->labels.size()});
      for (const std::string& text : label->labels) hasher.add(text);
    } else if (const auto* slot = std::get_if<TextSlot>(&part)) {
      hasher.add(slot->field)
          .add(slot->lead)
          .add(slot->grammar)
          .add(std::uint64_t{slot->max_tokens})
          .add(std::uint64_t{slot->stop.size()});
      for (const std::string& text : slot->stop) hasher.add(text);
    }
  }
  hasher.add(std::uint64_t{stop.size()});
  for (const std::string& text : stop) hasher.add(text);
  json_schema.add_to(hasher);
  return hasher.finish();
}

bool ReplyPlan::is_single_choice() const {
  std::size_t labels = 0;
  for (const ReplyPart& part : parts) {
    if (std::holds_alternative<TextSlot>(part)) return false;
    if (std::holds_alternative<LabelSlot>(part)) ++labels;
  }
  return labels <= 1;
}

}  // namespace hone
