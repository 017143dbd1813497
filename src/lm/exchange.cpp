#include "exchange.hpp"

#include <algorithm>
#include <list>
#include <utility>

#include "hone/base/rng.hpp"

#include "any_stop.hpp"
#include "openai_wire.hpp"

namespace hone::http {
namespace {

using std::chrono::milliseconds;

// 501 says that the server does not know how, which waiting does not change.
bool is_retryable(int status) {
  return status == 408 || status == 409 || status == 429 || (status >= 500 && status != 501);
}

}  // namespace

Exchange::Exchange(const SessionPool& pool, const RetryRules& rules, const Clock& clock,
                   std::string where, Poster& poster, std::size_t posts)
    : rules_(rules),
      clock_(clock),
      where_(std::move(where)),
      poster_(poster),
      session_(pool.lease()),
      jobs_(posts),
      unfinished_(posts) {
  for (std::size_t i = 0; i < posts; ++i) {
    jobs_[i].withdrawal = poster.withdrawal(i);
    may_be_withdrawn_ = may_be_withdrawn_ || jobs_[i].withdrawal.stop_possible();
    ready_.push_back(i);
  }
}

void Exchange::run(const std::stop_token& stop) {
  const auto wake = [this] { session_->wake(); };
  const std::stop_callback wake_on_stop(stop, wake);
  std::list<std::stop_callback<decltype(wake)>> wake_on_withdrawal;
  for (const Job& job : jobs_) {
    if (job.withdrawal.stop_possible()) wake_on_withdrawal.emplace_back(job.withdrawal, wake);
  }
  // Long enough to cost nothing: whatever matters wakes the wait.
  constexpr milliseconds kIdle{1000};
  while (unfinished_ > 0 && !stop.stop_requested()) {
    if (may_be_withdrawn_) drop_withdrawn();
    if (unfinished_ == 0) break;
    start_due();
    if (session_->in_flight() == 0) {
      sleep_until_due(stop);
      continue;
    }
    const milliseconds wait = delayed_.empty() ? kIdle : std::min(kIdle, until_due());
    session_->pump(wait,
                   [this](std::size_t index, const Answer& answer) { finish(index, answer); });
  }
}

void Exchange::drop_withdrawn() {
  for (std::size_t index = 0; index < jobs_.size(); ++index) {
    if (jobs_[index].is_settled || !jobs_[index].withdrawal.stop_requested()) continue;
    session_->drop(index);
    std::erase(ready_, index);
    std::erase(delayed_, index);
    fail(index, stopped(where_, "the request was withdrawn"));
  }
}

void Exchange::sleep_until_due(const std::stop_token& stop) const {
  AnyStop any;
  any.add(stop);
  for (const std::size_t index : delayed_) any.add(jobs_[index].withdrawal);
  clock_.sleep_for(until_due(), any.token());
}

void Exchange::start_due() {
  const Clock::TimePoint now = delayed_.empty() ? Clock::TimePoint{} : clock_.now();
  std::erase_if(delayed_, [&](std::size_t index) {
    if (jobs_[index].due > now) return false;
    ready_.push_back(index);
    return true;
  });
  const std::size_t limit = std::max<std::size_t>(1, rules_.max_parallel);
  while (!ready_.empty() && session_->in_flight() < limit) {
    const std::size_t index = ready_.front();
    ready_.pop_front();
    const Poster::Post post = poster_.post(index, jobs_[index].tries);
    ++jobs_[index].tries;
    session_->start(index, post.url, post.body);
  }
}

void Exchange::finish(std::size_t index, const Answer& answer) {
  if (answer.outcome == Outcome::refused) {
    const bool is_answer = answer.fault.starts_with("the answer");
    fail(index, is_answer ? bad_reply(where_, answer.fault) : bad_request(where_, answer.fault));
  } else if (answer.outcome == Outcome::no_answer) {
    retry_or_fail(index, milliseconds{0}, "no answer from the server: " + answer.fault);
  } else if (answer.status >= 200 && answer.status < 300) {
    poster_.take(index, answer.body);
    settle(index);
  } else if (is_retryable(answer.status)) {
    retry_or_fail(index, answer.retry_after, refusal(answer).message);
  } else if (poster_.has_other_form(index, answer)) {
    ready_.push_back(index);
  } else {
    fail(index, refusal(answer));
  }
}

void Exchange::retry_or_fail(std::size_t index, milliseconds asked, const std::string& fault) {
  Job& job = jobs_[index];
  if (asked > rules_.retry_after_limit) {
    const auto seconds = std::chrono::duration_cast<std::chrono::seconds>(asked).count();
    fail(index, temporary(where_, fault + "; it asks to wait " + std::to_string(seconds) + " s"));
    return;
  }
  if (job.tries > rules_.retries) {
    fail(index, temporary(where_, fault + " (after " + std::to_string(job.tries) +
                                      (job.tries == 1 ? " try)" : " tries)")));
    return;
  }
  job.due = clock_.now() + asked + backoff(index);
  delayed_.push_back(index);
}

void Exchange::fail(std::size_t index, Error error) {
  poster_.fail(index, std::move(error));
  settle(index);
}

void Exchange::settle(std::size_t index) {
  jobs_[index].is_settled = true;
  --unfinished_;
}

milliseconds Exchange::backoff(std::size_t index) const {
  const std::size_t tries = jobs_[index].tries;
  Rng rng(rules_.seed, Hasher().add(poster_.identity(index)).add(std::uint64_t{tries}).finish());
  const double limit = static_cast<double>(rules_.backoff_limit.count());
  double longest = static_cast<double>(rules_.backoff.count());
  for (std::size_t i = 1; i < tries && longest < limit; ++i) longest *= 2;
  return milliseconds(static_cast<milliseconds::rep>(rng.uniform() * std::min(longest, limit)));
}

milliseconds Exchange::until_due() const {
  Clock::TimePoint first = Clock::TimePoint::max();
  for (const std::size_t index : delayed_) first = std::min(first, jobs_[index].due);
  // Rounded up, or the last part of a millisecond would be spent spinning.
  return std::max(milliseconds{0}, std::chrono::ceil<milliseconds>(first - clock_.now()));
}

Error Exchange::refusal(const Answer& answer) const {
  const std::string words = wire::error_message(answer.body);
  const std::string tail = words.empty() ? "" : ": " + words;
  const std::string status = "status " + std::to_string(answer.status);
  if (answer.status == 401 || answer.status == 403) {
    return bad_request(
        where_, "the server refused the key (" + status + ")" + tail + "; check OPENAI_API_KEY");
  }
  if (is_retryable(answer.status))
    return temporary(where_, "the server is unavailable (" + status + ")" + tail);
  return bad_request(where_, "the server refused the request (" + status + ")" + tail);
}

}  // namespace hone::http
