#include "hone/core/prompt.hpp"

namespace hone {

std::string_view to_string(Role role) {
  switch (role) {
    case Role::system:
      return "system";
    case Role::user:
      return "user";
    case Role::assistant:
      return "assistant";
    case Role::text:
      return "text";
  }
  return "text";
}

Hash Prompt::hash() const {
  Hasher hasher;
  for (std::size_t i = 0; i < size(); ++i) hasher.add((*this)[i].hash());
  return hasher.finish();
}

std::string Prompt::dump() const {
  std::string out;
  for (std::size_t i = 0; i < size(); ++i) {
    const Segment& segment = (*this)[i];
    out += "--- " + std::string(to_string(segment.role())) + "\n" + segment.text() + "\n";
  }
  return out;
}

}  // namespace hone
