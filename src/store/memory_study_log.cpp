#include <algorithm>
#include <mutex>

#include "hone/store/study_log.hpp"

namespace hone {
namespace {

class MemoryStudyLog final : public StudyLog {
 public:
  Result<bool> append(std::string_view kind, std::string_view key, const Value& body) override {
    const std::lock_guard lock(mutex_);
    const bool known = std::any_of(
        records_.begin(), records_.end(),
        [&](const StudyRecord& record) { return record.kind == kind && record.key == key; });
    if (known) return false;
    const auto number = static_cast<std::int64_t>(records_.size()) + 1;
    records_.push_back({number, std::string(kind), std::string(key), body});
    return true;
  }

  Result<std::vector<StudyRecord>> records(std::string_view kind) const override {
    const std::lock_guard lock(mutex_);
    std::vector<StudyRecord> out;
    std::copy_if(records_.begin(), records_.end(), std::back_inserter(out),
                 [&](const StudyRecord& record) { return kind.empty() || record.kind == kind; });
    return out;
  }

  std::optional<std::filesystem::path> file() const override { return std::nullopt; }
  bool is_read_only() const override { return false; }

 private:
  mutable std::mutex mutex_;
  std::vector<StudyRecord> records_;
};

}  // namespace

std::unique_ptr<StudyLog> make_memory_study_log() {
  return std::make_unique<MemoryStudyLog>();
}

}  // namespace hone
