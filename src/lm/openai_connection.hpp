// What every client of one OpenAI-compatible server needs: where it is, the key, connections.
#pragma once

#include <memory>
#include <string>

#include "hone/base/result.hpp"
#include "hone/lm/openai.hpp"

#include "exchange.hpp"
#include "http.hpp"

namespace hone {

struct OpenAiConnection {
  // bad_request as OpenAiLm::open. Sends nothing.
  static Result<std::unique_ptr<const OpenAiConnection>> open(OpenAiOptions options);

  OpenAiConnection(OpenAiOptions given, std::string base, http::Config config);

  OpenAiOptions options;  // without the key, with a clock
  std::string where;
  std::string identity;  // "openai:URL#MODEL"
  http::RetryRules retries;
  http::SessionPool pool;
};

}  // namespace hone
