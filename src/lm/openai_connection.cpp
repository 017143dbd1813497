#include "openai_connection.hpp"

#include <algorithm>
#include <cstdlib>
#include <string_view>
#include <utility>

#include "hone/base/text.hpp"

namespace hone {
namespace {

bool has_control_character(std::string_view text) {
  return std::any_of(text.begin(), text.end(),
                     [](char c) { return static_cast<unsigned char>(c) < 0x21 || c == 0x7F; });
}

Result<std::string> choose_key(const OpenAiOptions& options, const http::Url& url) {
  std::string key;
  if (options.api_key) {
    key = *options.api_key;
  } else if (url.is_https || url.is_loopback) {
    if (const char* given = std::getenv("OPENAI_API_KEY")) key = given;
  }
  key = std::string(trim(key));
  if (has_control_character(key))
    return bad_request(url.base, "the key has a space or control character inside");
  if (key.empty() && url.is_https && !url.is_loopback) {
    return bad_request(url.base, "key missing; set OPENAI_API_KEY to the server's key");
  }
  return key;
}

}  // namespace

OpenAiConnection::OpenAiConnection(OpenAiOptions given, std::string base, http::Config config)
    : options(std::move(given)),
      where(std::move(base)),
      identity("openai:" + where + "#" + options.model),
      retries{.retries = options.retries,
              .backoff = options.backoff,
              .backoff_limit = options.backoff_limit,
              .retry_after_limit = options.retry_after_limit,
              .max_parallel = options.max_parallel,
              .seed = options.seed},
      pool(std::move(config)) {
  if (options.clock == nullptr) options.clock = std::make_shared<const SystemClock>();
}

Result<std::unique_ptr<const OpenAiConnection>> OpenAiConnection::open(OpenAiOptions options) {
  const Result<http::Url> url = http::parse_url(options.base_url);
  if (!url) return url.error();
  if (options.model.empty()) return bad_request(url->base, "no model name given");
  Result<std::string> key = choose_key(options, *url);
  if (!key) return key.error();
  options.api_key.reset();
  http::Config config{.connect_timeout = options.connect_timeout,
                      .timeout = options.timeout,
                      .max_reply_bytes = options.max_reply_bytes,
                      .keep_connections = std::max<std::size_t>(1, options.max_parallel),
                      .bearer = *std::move(key),
                      .is_https = url->is_https,
                      .bypass_proxy = url->is_loopback};
  return std::make_unique<const OpenAiConnection>(std::move(options), url->base, std::move(config));
}

}  // namespace hone
