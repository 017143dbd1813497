// One stop made of several.
#pragma once

#include <list>
#include <stop_token>

namespace hone {

// Its token is stopped as soon as one of those added is. Not thread safe, but for the stops.
class AnyStop {
 public:
  void add(const std::stop_token& token) {
    if (token.stop_possible()) relays_.emplace_back(token, Relay{source_});
  }
  std::stop_token token() const { return source_.get_token(); }

 private:
  struct Relay {
    std::stop_source source;
    void operator()() { source.request_stop(); }
  };

  std::stop_source source_;
  std::list<std::stop_callback<Relay>> relays_;
};

}  // namespace hone
