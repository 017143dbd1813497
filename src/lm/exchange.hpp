// Many POSTs to one server at once, each tried again for as long as the server fails for now.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <stop_token>
#include <string>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/base/hash.hpp"
#include "hone/base/result.hpp"

#include "http.hpp"

namespace hone::http {

struct RetryRules {
  std::size_t retries = 5;  // after the first try
  std::chrono::milliseconds backoff{500};
  std::chrono::milliseconds backoff_limit{30'000};
  std::chrono::milliseconds retry_after_limit{120'000};
  std::size_t max_parallel = 16;
  std::uint64_t seed = 1;  // of the jitter
};

// What the posts are about. The indices are those of the posts.
class Poster {
 public:
  virtual ~Poster() = default;
  // Both live until the post is settled or asked for anew. `tries` were made before.
  struct Post {
    const std::string& url;
    const std::string& body;
  };
  virtual Post post(std::size_t index, std::size_t tries) = 0;
  // A post's own stream of jitter.
  virtual Hash identity(std::size_t index) const = 0;
  // Ends this post alone when it is stopped.
  virtual std::stop_token withdrawal(std::size_t) const { return {}; }
  // An answer with a 2xx status: settles the post.
  virtual void take(std::size_t index, const std::string& body) = 0;
  // An answer that refuses the request: true when another form of it is to be posted at once.
  virtual bool has_other_form(std::size_t index, const Answer& answer) = 0;
  // Settles the post.
  virtual void fail(std::size_t index, Error error) = 0;
};

// Retried with exponential backoff and full jitter (Brooker 2015), honouring Retry-After: no
// connection, a cut or timed-out one, 408, 409, 429, 5xx. One thread's.
class Exchange {
 public:
  Exchange(const SessionPool& pool, const RetryRules& rules, const Clock& clock, std::string where,
           Poster& poster, std::size_t posts);
  // Until every post is settled or a stop is asked for. What is in flight then is cut with the
  // exchange.
  void run(const std::stop_token& stop);

 private:
  struct Job {
    std::size_t tries = 0;
    Clock::TimePoint due;
    std::stop_token withdrawal;
    bool is_settled = false;
  };

  void drop_withdrawn();
  void sleep_until_due(const std::stop_token& stop) const;
  void start_due();
  void settle(std::size_t index);
  void finish(std::size_t index, const Answer& answer);
  void retry_or_fail(std::size_t index, std::chrono::milliseconds asked, const std::string& fault);
  void fail(std::size_t index, Error error);
  std::chrono::milliseconds backoff(std::size_t index) const;
  std::chrono::milliseconds until_due() const;
  Error refusal(const Answer& answer) const;

  const RetryRules& rules_;
  const Clock& clock_;
  std::string where_;
  Poster& poster_;
  SessionPool::Lease session_;
  std::vector<Job> jobs_;
  std::deque<std::size_t> ready_;
  std::vector<std::size_t> delayed_;
  std::size_t unfinished_;
  bool may_be_withdrawn_ = false;  // some post has a stop of its own
};

}  // namespace hone::http
