// Replies as JSON text, for the cache file, and how a kept reply is handed out again.
#pragma once

#include <string>
#include <string_view>

#include "hone/lm/lm.hpp"

namespace hone {

// JSON holds well-formed UTF-8 only, and a reply must come back as it went in.
bool fits_json(const LmReply& reply);
std::string reply_to_json(const LmReply& reply);
// An error when the text is not what reply_to_json writes.
Result<LmReply> reply_from_json(std::string_view text);

// The reply as `request` gets it from the cache: nothing spent, and the label chosen by the
// request's own bias.
LmReply served_from_cache(LmReply reply, const LmRequest& request);

}  // namespace hone
