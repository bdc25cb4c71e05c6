#pragma once
// Writes HTTP/1.1 heads from canonical ones. Framing fields come from the facts, never from fields (security invariant
// I2): Host, Connection, Keep-Alive, Proxy-Connection, Transfer-Encoding, Content-Length, TE, Trailer, Upgrade and
// Expect among the fields are left out.

#include <cstddef>
#include <string_view>

#include "http/h1/parser.h"
#include "http/message.h"

namespace sluice::http::h1 {

// Upper bound of what write_* will write for this head, with room to work in.
std::size_t head_bytes(const RequestHead& head);
std::size_t head_bytes(const ResponseHead& head);

// Writes the head to `out` (room for head_bytes). Returns the bytes written, or 0 when a name or value holds a byte
// that must not stand there (CR, LF, NUL, other controls; S26), a name is no token, or method, path or query would
// break the request line. Then `out` holds bytes that must not be sent. Request framing: none for an empty body of a
// method that usually has none, Content-Length, or chunked. No Connection field is sent to upstreams unless `close`,
// or `upgrade` for a WebSocket.
// cost: one copy and one pass over the bytes (scan.h).
std::size_t write_request(const RequestHead& head, bool close, char* out);
// `framing` as the connection decided it (HTTP/1.0 clients get until_close instead of chunked); `keep_alive` false adds
// `connection: close`; `to_http10_keep_alive` adds `connection: keep-alive`. The status line is always HTTP/1.1.
// Framing::length writes head.body, also when it is 0. Framing::none is for answers that have no body because of the
// method or the status: it writes announced_length, where the status allows one.
std::size_t write_response(const ResponseHead& head, Framing framing, bool keep_alive, bool to_http10_keep_alive,
                           char* out);

// `1a\r\n`; returns its length (at most 18). The data and "\r\n" follow, then the last chunk with optional trailers.
std::size_t write_chunk_head(std::size_t bytes, char* out);

}  // namespace sluice::http::h1
