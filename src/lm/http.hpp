// HTTP POSTs over libcurl: kept-alive connections, many requests at once from one thread, wake-up
// on stop.
#pragma once

#include <chrono>
#include <cstddef>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/result.hpp"

namespace hone::http {

struct Config {
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds timeout{300'000};
  std::size_t max_reply_bytes = std::size_t{16} << 20;
  std::size_t keep_connections = 16;  // of each session
  std::string bearer;                 // empty: no Authorization header
  bool is_https = false;
  bool bypass_proxy = false;
};

// How a transfer ended.
enum class Outcome {
  answered,   // with some status
  no_answer,  // no connection, or one that was cut or timed out: worth another try
  refused,    // another try cannot help: certificate, malformed URL, answer over the byte limit
};

struct Answer {
  Outcome outcome = Outcome::no_answer;
  int status = 0;
  std::string body;
  std::chrono::seconds retry_after{0};  // 0 when the server did not ask for any
  std::string fault;                    // in words, when there was no answer
};

// Transfers of one thread at a time. Not thread safe but for wake().
class Session {
 public:
  explicit Session(const Config& config);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  // `url` and `body` must live until the transfer is done or dropped; `tag` comes back with the
  // answer.
  void start(std::size_t tag, const std::string& url, std::string_view body);
  std::size_t in_flight() const;
  // Moves transfers on and hands over what is done; waits for something to happen, at most `wait`.
  void pump(std::chrono::milliseconds wait,
            const std::function<void(std::size_t, const Answer&)>& done);
  // Thread safe: makes a waiting pump() return.
  void wake();
  // Cuts the transfer with this tag, if it is in flight.
  void drop(std::size_t tag);
  // Cuts every transfer in flight.
  void drop_all();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Sessions nobody uses at the moment, last used first, so that their connections are still open.
// Thread safe.
class SessionPool {
 public:
  explicit SessionPool(Config config);
  ~SessionPool();
  SessionPool(const SessionPool&) = delete;
  SessionPool& operator=(const SessionPool&) = delete;

  class Lease {
   public:
    Lease(const SessionPool& pool, std::unique_ptr<Session> session)
        : pool_(&pool), session_(std::move(session)) {}
    // Whatever ends the lease, what is in flight then ends with it: it points at the lessee's
    // bodies.
    ~Lease() {
      session_->drop_all();
      pool_->give_back(std::move(session_));
    }
    Lease(const Lease&) = delete;
    Lease& operator=(const Lease&) = delete;
    Session* operator->() const { return session_.get(); }

   private:
    const SessionPool* pool_;
    std::unique_ptr<Session> session_;
  };
  Lease lease() const;

 private:
  void give_back(std::unique_ptr<Session> session) const;

  Config config_;
  mutable std::mutex mutex_;
  mutable std::vector<std::unique_ptr<Session>> idle_;
};

// The parts of an http or https URL that matter here.
struct Url {
  std::string base;  // normalized, without a slash at the end; "/v1" added where there was no path
  bool is_https = false;
  bool is_loopback = false;
};
// bad_request on anything else, and on user names or passwords inside.
Result<Url> parse_url(std::string_view text);

}  // namespace hone::http
