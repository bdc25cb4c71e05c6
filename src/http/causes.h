#pragma once
// Causes that the codecs and the canonicaliser give. What each means for a user stands in the table itself.

#include <span>

#include "base/cause.h"

namespace sluice::http {

inline constexpr Cause request_malformed{"request_malformed", 400, Side::client, "malformed request",
                                         "The request breaks HTTP/1.1's grammar or is ambiguous; the log's `detail` "
                                         "names the rule. The connection is closed."};
inline constexpr Cause request_target_refused{
    "request_target_refused", 400, Side::client, "request target refused",
    "The path or authority cannot be brought to one canonical form: a bad percent-encoding, a control character, a "
    "backslash, "
    "a dot segment that leaves the root, an encoded slash where the route does not allow one."};
inline constexpr Cause request_uri_too_long{"request_uri_too_long", 414, Side::client, "request target too long",
                                            "The request line is longer than the limit `request_line`."};
inline constexpr Cause request_header_too_large{
    "request_header_too_large", 431, Side::client, "request header too large",
    "A field line, the number of fields or the whole head passed its limit."};
inline constexpr Cause request_version_unsupported{
    "request_version_unsupported", 505, Side::client, "HTTP version not supported",
    "The request line names a version other than HTTP/1.0 and HTTP/1.1."};
inline constexpr Cause request_coding_unsupported{"request_coding_unsupported", 501, Side::client,
                                                  "transfer coding not supported",
                                                  "Transfer-Encoding names something other than chunked."};
inline constexpr Cause request_method_unsupported{"request_method_unsupported", 501, Side::client,
                                                  "method not supported",
                                                  "CONNECT: this listener is no forward proxy."};
inline constexpr Cause request_expectation_failed{"request_expectation_failed", 417, Side::client, "expectation failed",
                                                  "Expect names something other than 100-continue."};
inline constexpr Cause request_header_timeout{
    "request_header_timeout", 408, Side::client, "request header timed out",
    "The head was not complete within `request_header_timeout` of its first byte."};
inline constexpr Cause request_body_timeout{
    "request_body_timeout", 408, Side::client, "request body timed out",
    "No byte of the body came for `client_idle_timeout`, or it came slower than `min_upload_rate`."};
inline constexpr Cause request_body_malformed{"request_body_malformed", 400, Side::client, "malformed request body",
                                              "The chunked body breaks its grammar or a limit."};
inline constexpr Cause request_body_too_large{
    "request_body_too_large", 413, Side::client, "request body too large",
    "The body is, or grew, larger than a `body_limit` policy of the route allows."};
inline constexpr Cause client_closed{
    "client_closed", 499, Side::client, "client closed the connection",
    "The client went away before the answer was complete. Nothing is sent; the status stands in the log only."};
inline constexpr Cause client_too_slow{
    "client_too_slow", 499, Side::client, "client reads too slowly",
    "The client took no byte of the answer for `client_idle_timeout`, or took it slower "
    "than `min_download_rate`."};
inline constexpr Cause client_misbehaved{"client_misbehaved", 499, Side::client, "client sent too many odd frames",
                                         "An HTTP/2 client lived on resets, control frames, empty frames or shut "
                                         "windows: the budget `http2.max_glitches` of "
                                         "its listener is used up, and its connection ended with ENHANCE_YOUR_CALM."};

inline constexpr Cause websocket_handshake_malformed{
    "websocket_handshake_malformed", 400, Side::client, "malformed WebSocket handshake",
    "The request asks for a WebSocket, but not as RFC 6455 section 4.2.1 has it; the log's `detail` names the rule. "
    "The connection is closed."};
inline constexpr Cause websocket_version_unsupported{
    "websocket_version_unsupported", 426, Side::client, "WebSocket version not supported",
    "The request asks for a WebSocket of another version than 13, the only one."};
inline constexpr Cause websocket_frame_malformed{
    "websocket_frame_malformed", 400, Side::client, "malformed WebSocket frame",
    "A frame breaks RFC 6455 section 5: a reserved opcode, a wrong mask bit, a control frame that is fragmented or "
    "longer than 125 bytes, fragments out of turn. The WebSocket is closed with 1002."};
inline constexpr Cause websocket_message_too_large{
    "websocket_message_too_large", 413, Side::client, "WebSocket message too large",
    "A message of the client grew past `websocket.max_message`. The WebSocket is closed with 1009."};
inline constexpr Cause websocket_too_many_messages{
    "websocket_too_many_messages", 429, Side::client, "too many WebSocket messages",
    "The client sent messages faster than `websocket.messages`, or control frames faster than `websocket.pings`; the "
    "log's `detail` says which. The WebSocket is closed with 1008."};

std::span<const Cause* const> causes();

}  // namespace sluice::http
