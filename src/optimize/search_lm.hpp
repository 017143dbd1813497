// A model as a search sees it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <limits>
#include <memory>
#include <optional>
#include <utility>

#include "hone/base/result.hpp"
#include "hone/lm/cached_lm.hpp"
#include "hone/lm/lm.hpp"
#include "hone/optimize/budget.hpp"

namespace hone {

// What the model answered before is free, everything else is metered. Thread safe as models are.
class SearchLm {
 public:
  // Replies are kept in `file` too, where there is one.
  static Result<std::unique_ptr<SearchLm>> make(const Lm& inner, Meter& meter, const Price& price,
                                                std::optional<std::filesystem::path> file) {
    Result<std::unique_ptr<CachedLm>> cached =
        CachedLm::open(unowned(inner), {kEverything, std::move(file), "study log"});
    if (!cached) return cached.error();
    return std::unique_ptr<SearchLm>(new SearchLm(*std::move(cached), meter, price));
  }
  // Another object of the same model (an equal identity), over the same replies.
  std::unique_ptr<SearchLm> beside(const Lm& inner, Meter& meter, const Price& price) const {
    return std::unique_ptr<SearchLm>(new SearchLm(cached_->beside(unowned(inner)), meter, price));
  }
  const Lm& get() const { return metered_; }
  std::size_t lost_replies() const { return cached_->stats().file_failures; }

 private:
  // The meter takes what was answered once for free, so that a reply that was forgotten would be
  // asked for again beyond the budget; and a log may be full, or not to be written. A label reply
  // is a few hundred bytes.
  static constexpr std::size_t kEverything = std::numeric_limits<std::size_t>::max();

  static std::shared_ptr<const Lm> unowned(const Lm& inner) {
    return std::shared_ptr<const Lm>(std::shared_ptr<const Lm>(), &inner);
  }

  SearchLm(std::unique_ptr<CachedLm> cached, Meter& meter, const Price& price)
      : cached_(std::move(cached)), metered_(*cached_, meter, price) {}

  std::unique_ptr<CachedLm> cached_;
  MeteredLm metered_;
};

}  // namespace hone
