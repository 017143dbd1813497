// Any OpenAI-compatible server: OpenAI, vLLM, llama-server, Ollama and others.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <stop_token>
#include <string>
#include <string_view>
#include <vector>

#include "hone/base/clock.hpp"
#include "hone/lm/lm.hpp"

namespace hone {

struct OpenAiServer;

struct OpenAiOptions {
  std::string base_url;  // "http://127.0.0.1:8080/v1"; without a path, "/v1" is meant
  std::string model;
  // Sent as a bearer token. Left open, OPENAI_API_KEY is used where it cannot leak: over https, or
  // to this machine. Never part of an identity, a message or a file.
  std::optional<std::string> api_key;
  std::chrono::milliseconds connect_timeout{10'000};
  std::chrono::milliseconds timeout{
      300'000};             // of one try, from first byte out to last byte in: models are slow
  std::size_t retries = 5;  // after the first try
  std::chrono::milliseconds backoff{
      500};  // longest first wait; doubles each time up to backoff_limit
  std::chrono::milliseconds backoff_limit{30'000};
  std::chrono::milliseconds retry_after_limit{
      120'000};                   // a server that asks for more is "temporary" at once
  std::size_t max_parallel = 16;  // requests of one complete() in flight at once
  std::size_t max_reply_bytes = std::size_t{16} << 20;
  std::uint64_t seed = 1;              // of the jitter
  std::shared_ptr<const Clock> clock;  // null: the system's
};

// Reads "openai:URL#MODEL" into options; bad_request says which part is missing.
Result<OpenAiOptions> parse_openai_spec(std::string_view spec);

// Prompts of messages go to /chat/completions. Running text (Role::text) goes to /completions
// together with the reply's leading forced text, which is then part of the reply; where a server
// has no /completions, it goes as one user message. Stop strings are the reply plan's (the first
// four, the most a server must take; all are applied to the text that comes back). A plan's
// json_schema is sent as response_format until the server refuses it. The token limit is the sum
// over the plan's slots, with room for forced text the server has to generate itself. top_k, min_p
// and repetition_penalty are not in OpenAI's interface (vLLM and llama-server take them) and are
// sent only when set. token_bias is sent as logit_bias; biases by text need the model's tokenizer
// and are ignored. log_probs are asked for as `logprobs`; a server that sends none leaves
// LmReply::tokens empty.
//
// Retried with exponential backoff and full jitter (Brooker 2015), honouring Retry-After: no
// connection, a cut or timed-out one, 408, 409, 429, 5xx. bad_request: 401 and 403 (the key), any
// other 4xx (with the server's words), an untrusted certificate. temporary, at once: a body that is
// no completion at all, which says nothing about the prompt. bad_reply: a completion without text.
// Certificates are always verified; redirects are not followed, since they would carry
// the key along.
//
// Thread safe; each complete() borrows a set of kept-alive connections of its own, so threads never
// wait for one another. About 30 µs of processor time a call.
class OpenAiLm final : public Lm {
 public:
  // bad_request on a URL that is none, a model left empty, or no key for an https server elsewhere.
  // Sends nothing.
  static Result<std::unique_ptr<OpenAiLm>> open(OpenAiOptions options);
  ~OpenAiLm() override;

  const LmInfo& info() const override;  // identity "openai:URL#MODEL"
  std::vector<Result<LmReply>> complete(std::span<const LmRequest> requests,
                                        std::stop_token stop) const override;

 private:
  explicit OpenAiLm(std::unique_ptr<const OpenAiServer> server);
  std::unique_ptr<const OpenAiServer> server_;
};

}  // namespace hone
