#include "hone/lm/local.hpp"

#include "lm/local/local_impl.hpp"

namespace hone {

LocalLm::LocalLm(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
LocalLm::~LocalLm() = default;

Result<std::shared_ptr<LocalLm>> LocalLm::open(LocalOptions options) {
  auto impl = Impl::open(std::move(options));
  if (!impl) return impl.error();
  return std::shared_ptr<LocalLm>(new LocalLm(*std::move(impl)));
}

const LmInfo& LocalLm::info() const {
  return impl_->info();
}
const LocalTuning& LocalLm::tuning() const {
  return impl_->tuning();
}
LocalCounters LocalLm::counters() const {
  return impl_->counters();
}
void LocalLm::forget() const {
  impl_->forget();
}

Result<RequestTokens> LocalLm::tokens_of(const LmRequest& request) const {
  return impl_->tokens_of(request);
}

std::vector<Result<LmReply>> LocalLm::complete(std::span<const LmRequest> requests,
                                               std::stop_token stop) const {
  return impl_->complete(requests, stop);
}

}  // namespace hone
