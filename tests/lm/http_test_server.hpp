// A loopback HTTP/1.1 server for tests: answers what the test says, and can delay, fail or cut
// connections.
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cctype>
#include <chrono>
#include <condition_variable>
#include <cstddef>
#include <cstring>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hone/core/value.hpp"

namespace hone::tests {

struct HttpRequest {
  std::string path;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;
  std::size_t connection = 0;  // number of the connection it came on
  std::size_t number = 0;      // of the request, from 0

  Value json() const { return Value::parse_json(body).value(); }
};

struct HttpResponse {
  int status = 200;
  std::string body;
  std::vector<std::string> headers = {};  // whole lines
  bool cut = false;                       // close the connection in the middle of the body
  bool hang_up = false;                   // close it without a byte
};

// Bounded: at most `max_connections`, 1 MiB a request, 10 s of silence. A thread a connection.
// Handlers run concurrently; one that waits needs a Gate the test opens.
class HttpTestServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  explicit HttpTestServer(Handler handler, std::size_t max_connections = 64)
      : handler_(std::move(handler)), max_connections_(max_connections) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    ::bind(listener_, reinterpret_cast<const sockaddr*>(&address), sizeof address);
    ::listen(listener_, 64);
    socklen_t size = sizeof address;
    ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
    acceptor_ = std::jthread([this] { accept_loop(); });
  }

  ~HttpTestServer() { stop(); }
  HttpTestServer(const HttpTestServer&) = delete;
  HttpTestServer& operator=(const HttpTestServer&) = delete;

  // Returns when no handler runs any more, and none will.
  void stop() {
    if (stopping_.exchange(true)) return;
    ::shutdown(listener_, SHUT_RDWR);
    acceptor_.join();
    ::close(listener_);
    {
      const std::lock_guard lock(mutex_);
      for (const int socket : sockets_) ::shutdown(socket, SHUT_RDWR);
    }
    threads_.clear();
    for (const int socket : sockets_) ::close(socket);
  }

  std::string url() const { return "http://127.0.0.1:" + std::to_string(port_); }
  std::vector<HttpRequest> requests() const {
    const std::lock_guard lock(mutex_);
    return requests_;
  }
  std::size_t request_count() const { return requests().size(); }
  std::size_t connections() const { return connections_; }
  std::size_t most_at_once() const {
    return most_at_once_;
  }  // requests being answered at the same time

  // Waits until so many requests have come in; false after ten seconds.
  bool wait_for_requests(std::size_t count) const {
    std::unique_lock lock(mutex_);
    return arrived_.wait_for(lock, std::chrono::seconds(10),
                             [&] { return requests_.size() >= count; });
  }

 private:
  void accept_loop() {
    while (!stopping_ && connections_ < max_connections_) {
      const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
      if (socket < 0) return;
      const int on = 1;
      ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
      const timeval silence{.tv_sec = 10, .tv_usec = 0};
      ::setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &silence, sizeof silence);
      const std::size_t number = connections_++;
      const std::lock_guard lock(mutex_);
      sockets_.push_back(socket);
      threads_.emplace_back([this, socket, number] {
        serve(socket, number);
        ::shutdown(socket, SHUT_RDWR);
      });
    }
  }

  void serve(int socket, std::size_t connection) {
    std::string buffer;
    while (!stopping_) {
      HttpRequest request;
      request.connection = connection;
      if (!read_request(socket, buffer, request)) return;
      {
        const std::lock_guard lock(mutex_);
        request.number = requests_.size();
        requests_.push_back(request);
        // Counted with its number, so that a handler told a number finds all earlier ones counted
        // too.
        most_at_once_ = std::max<std::size_t>(most_at_once_, ++at_once_);
      }
      arrived_.notify_all();
      const HttpResponse response = handler_(request);
      --at_once_;
      if (!send_response(socket, response)) return;
    }
  }

  static bool read_request(int socket, std::string& buffer, HttpRequest& request) {
    std::size_t end = 0;
    while ((end = buffer.find("\r\n\r\n")) == std::string::npos) {
      if (!receive(socket, buffer)) return false;
    }
    std::size_t line = buffer.find("\r\n");
    const std::size_t path = buffer.find(' ') + 1;
    request.path = buffer.substr(path, buffer.find(' ', path) - path);
    while (line < end) {
      const std::size_t begin = line + 2;
      line = buffer.find("\r\n", begin);
      const std::size_t colon = buffer.find(':', begin);
      std::string name = buffer.substr(begin, colon - begin);
      std::transform(name.begin(), name.end(), name.begin(),
                     [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
      const std::size_t value = buffer.find_first_not_of(' ', colon + 1);
      request.headers[name] = buffer.substr(value, line - value);
    }
    const std::size_t length = std::stoul("0" + request.headers["content-length"]);
    while (buffer.size() < end + 4 + length) {
      if (!receive(socket, buffer)) return false;
    }
    request.body = buffer.substr(end + 4, length);
    buffer.erase(0, end + 4 + length);
    return true;
  }

  static bool receive(int socket, std::string& buffer) {
    char piece[16384];
    const ssize_t got = ::recv(socket, piece, sizeof piece, 0);
    if (got <= 0 || buffer.size() > (std::size_t{1} << 20)) return false;
    buffer.append(piece, static_cast<std::size_t>(got));
    constexpr char kTlsHandshake = 0x16;
    return buffer.front() != kTlsHandshake;
  }

  static bool send_response(int socket, const HttpResponse& response) {
    if (response.hang_up) return false;
    std::string out = "HTTP/1.1 " + std::to_string(response.status) +
                      " Whatever\r\nContent-Length: " + std::to_string(response.body.size()) +
                      "\r\nContent-Type: application/json\r\n";
    for (const std::string& header : response.headers) out += header + "\r\n";
    out += "\r\n";
    out += response.cut ? response.body.substr(0, response.body.size() / 2) : response.body;
    const bool sent =
        ::send(socket, out.data(), out.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(out.size());
    return sent && !response.cut;
  }

  Handler handler_;
  std::size_t max_connections_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<std::size_t> connections_{0};
  std::atomic<std::size_t> at_once_{0};
  std::atomic<std::size_t> most_at_once_{0};
  mutable std::mutex mutex_;
  mutable std::condition_variable arrived_;
  std::vector<HttpRequest> requests_;
  std::vector<int> sockets_;
  std::vector<std::jthread> threads_;
  std::jthread acceptor_;
};

// A base URL of this machine where nothing listens.
inline std::string refused_url() {
  const int socket = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  ::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address);
  socklen_t size = sizeof address;
  ::getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size);
  ::close(socket);
  return "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
}

inline HttpResponse chat_answer(const std::string& text,
                                const std::string& finish_reason = "stop") {
  const std::string quoted = Value(text).to_json();
  return {
      .body =
          R"({"choices":[{"index":0,"message":{"role":"assistant","content":)" + quoted +
          R"(},"finish_reason":")" + finish_reason +
          R"("}],"usage":{"prompt_tokens":100,"completion_tokens":10,"prompt_tokens_details":{"cached_tokens":60}}})"};
}

inline HttpResponse text_answer(const std::string& text) {
  return {.body =
              R"({"choices":[{"index":0,"text":)" + Value(text).to_json() +
              R"(,"finish_reason":"stop"}],"usage":{"prompt_tokens":7,"completion_tokens":2}})"};
}

inline HttpResponse error_answer(int status, const std::string& message,
                                 std::vector<std::string> headers = {}) {
  return {.status = status,
          .body = R"({"error":{"message":)" + Value(message).to_json() + "}}",
          .headers = std::move(headers)};
}

// Holds handlers back until it is opened, at the latest after ten seconds.
class Gate {
 public:
  void open() {
    {
      const std::lock_guard lock(mutex_);
      is_open_ = true;
    }
    opened_.notify_all();
  }
  void wait() {
    std::unique_lock lock(mutex_);
    opened_.wait_for(lock, std::chrono::seconds(10), [&] { return is_open_; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable opened_;
  bool is_open_ = false;
};

}  // namespace hone::tests
