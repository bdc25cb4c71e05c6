#pragma once
// What the two sides of a WebSocket's opening handshake must say (RFC 6455 section 4), beside what frames them in
// HTTP/1: that is the parsers' affair. Not a client and not a server: subprotocols and extensions pass as they are.

#include <array>
#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "base/cause.h"
#include "http/message.h"

namespace sluice::http::websocket {

// Version 13 and one key, in the base64 form of 16 bytes. A null cause: nothing is wrong.
Refusal check_request(const FieldList& fields);

// A key for a request of ours: 16 random bytes in base64.
//   cost  two system calls
std::string_view make_key(Arena& arena);

// A text that fits a key: Sec-WebSocket-Accept.
using Accept = std::array<char, 28>;
// For the Sec-WebSocket-Key among `fields`, as they are sent. All zeros when there is none: nothing fits that.
// cost: one SHA-1 over 60 bytes
Accept accept_of(const FieldList& fields);
// Whether there is one Sec-WebSocket-Accept and it is the `wanted` one.
bool is_accepted(const FieldList& fields, std::string_view wanted);

}  // namespace sluice::http::websocket
