#pragma once
// The chat of the sample service `messages`, one room for all:
//
//   GET /chat/ws?name=ann   a WebSocket (RFC 6455): what one sends, all in the room get as `ann: text`, oneself too
//   GET /chat/events        the same lines as server-sent events, for who only listens
//   GET /chat               a page with both, for a browser
//
// A sample: it reads whole frames of at most 4 KiB, and nothing of what was said is kept.

#include "connection.h"
#include "request.h"

namespace demo {

// True when the request was for the chat: then the connection has served its time.
bool serve_chat(Connection& connection, const Request& request);

}  // namespace demo
