// What goes over the wire to an OpenAI-compatible server and what comes back; no network here.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "hone/base/result.hpp"
#include "hone/lm/lm.hpp"

namespace hone::wire {

// What one server and request need of the several dialects.
struct Dialect {
  bool completions = false;            // /completions instead of /chat/completions
  bool json_schema = true;             // send response_format when the plan has a schema
  bool max_completion_tokens = false;  // OpenAI's newer name for max_tokens
};

// Forced text before the first slot of a running text's reply, as far as it is sent with the
// prompt. Spaces at its end are left for the model to generate: most tokenizers join them to the
// word that follows.
std::string sent_prefix(const LmRequest& request);

std::string request_body(const LmRequest& request, std::string_view model, const Dialect& dialect);

// The most tokens the reply may take.
std::size_t token_limit(const LmRequest& request, bool prefix_is_sent);

// bad_reply when the body is no completion.
Result<LmReply> parse_reply(std::string_view body, const LmRequest& request, const Dialect& dialect,
                            std::string_view where);

// The server's own words in an error body, shortened, on one line; empty when there are none.
std::string error_message(std::string_view body);

}  // namespace hone::wire
