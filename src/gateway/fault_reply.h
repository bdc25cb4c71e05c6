#pragma once
// The one place where a cause becomes an answer to a client: what leaks is decided here.

#include <string>

#include "base/cause.h"
#include "policy/exchange.h"

namespace sluice::gateway {

// Fills the exchange's reply with problem+json (RFC 9457): status, title, cause code and the request's id; no address,
// no name of an upstream, no text from one. 503 carries Retry-After, 426 Sec-WebSocket-Version.
void make_fault_reply(const Cause& cause, policy::Exchange& exchange);

// The head of the answer that stands in the exchange's reply, before the response policies see it. A reply with a cause
// is filled by make_fault_reply() first. `date`: the Date field.
http::ResponseHead reply_head(policy::Exchange& exchange, std::string_view date);

// A whole answer on the wire, for a connection that is closed before a request was read: the same without an id.
std::string bare_reply(const Cause& cause);

}  // namespace sluice::gateway
