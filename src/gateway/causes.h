#pragma once
// Causes that the driver gives: no route, and what an upstream may do wrong.

#include <span>

#include "base/cause.h"

namespace sluice::gateway {

inline constexpr Cause no_route{"no_route", 404, Side::client, "no route",
                                "No route of the listener matches the request. `sluice explain` says, route by route, "
                                "which condition failed first."};
inline constexpr Cause request_misdirected{
    "request_misdirected", 421, Side::client, "misdirected request",
    "The request's host wants (or wants no) client certificate, unlike the name that its connection was made for: "
    "`client_certificates` of the listener's `tls`. The client makes a connection of its own for that host."};
inline constexpr Cause upstream_no_endpoint{"upstream_no_endpoint", 503, Side::upstream, "service unavailable",
                                            "The upstream has no endpoint that could be tried."};
inline constexpr Cause upstream_connect_refused{"upstream_connect_refused", 502, Side::upstream, "service unreachable",
                                                "Every endpoint tried refused the connection: nothing listens there."};
inline constexpr Cause upstream_connect_timeout{"upstream_connect_timeout", 504, Side::upstream, "service unreachable",
                                                "No endpoint tried accepted a connection within `connect_timeout`."};
inline constexpr Cause upstream_unreachable{"upstream_unreachable", 502, Side::upstream, "service unreachable",
                                            "There is no way to the endpoint: no route, or no such address."};
inline constexpr Cause upstream_tls_failed{
    "upstream_tls_failed", 502, Side::upstream, "service unreachable",
    "No endpoint tried could be spoken to by TLS as its upstream's `tls` demands; `detail` says which check failed, such "
    "as `certificate has expired`. No request was sent."};
inline constexpr Cause upstream_timeout_first_byte{
    "upstream_timeout_first_byte", 504, Side::upstream, "upstream timed out",
    "The upstream took the request but sent no response head within `first_byte_timeout`."};
inline constexpr Cause upstream_timeout_idle{"upstream_timeout_idle", 504, Side::upstream, "upstream timed out",
                                             "No byte moved to or from the upstream for `idle_timeout`."};
inline constexpr Cause upstream_timeout_request{
    "upstream_timeout_request", 504, Side::upstream, "upstream timed out",
    "The exchange, all attempts together, took longer than `request_timeout`."};
inline constexpr Cause grpc_deadline_exceeded{
    "grpc_deadline_exceeded", 504, Side::upstream, "deadline exceeded",
    "A gRPC call was not answered within its client's `grpc-timeout`. The upstream's stream was given up."};
inline constexpr Cause upstream_reset{
    "upstream_reset", 502, Side::upstream, "upstream closed the connection",
    "The upstream closed or reset the connection before its response was complete. When part of the response had been "
    "sent, "
    "the client's connection is cut so that the answer cannot be taken for a whole one."};
inline constexpr Cause upstream_response_malformed{
    "upstream_response_malformed", 502, Side::upstream, "bad upstream response",
    "The upstream's response breaks HTTP/1.1's grammar or passes a limit."};
inline constexpr Cause response_field_refused{"response_field_refused", 502, Side::gateway, "bad response field",
                                              "A response field, the upstream's or one made by a policy, held a byte "
                                              "that must not stand in a field (CR, LF, NUL)."};
inline constexpr Cause request_field_refused{
    "request_field_refused", 500, Side::gateway, "bad request field",
    "A policy made a request field that holds a byte that must not stand in a field (CR, LF, NUL)."};
inline constexpr Cause gateway_exhausted{"gateway_exhausted", 503, Side::gateway, "gateway overloaded",
                                         "The gateway is out of file descriptors or another bounded resource."};

inline constexpr Cause gateway_overloaded{
    "gateway_overloaded", 503, Side::gateway, "gateway overloaded",
    "The request was shed before any work: memory, requests in progress or the wait for a worker passed a limit "
    "(`limits.max_memory`, `max_requests`, `max_loop_lag`); `detail` says which."};
inline constexpr Cause gateway_memory_exhausted{
    "gateway_memory_exhausted", 503, Side::gateway, "gateway overloaded",
    "`limits.max_memory` was used up, and this exchange waited for a side that takes its bytes slowly: it was cut."};
inline constexpr Cause connections_exceeded{
    "connections_exceeded", 503, Side::gateway, "too many connections",
    "The connection was one more than `limits.max_connections`, and none was idle. No request was read of it."};
inline constexpr Cause client_connections_exceeded{
    "client_connections_exceeded", 503, Side::client, "too many connections of one client",
    "The connection was one more than `limits.max_connections_per_client` allows its address. No request was read of "
    "it. Name proxies and load balancers before the gateway in `limits.uncapped_clients`."};
inline constexpr Cause upstream_pending_exceeded{
    "upstream_pending_exceeded", 503, Side::upstream, "upstream overloaded",
    "As many connections as `max_pending` of the upstream allows were being made to each endpoint tried: they do not "
    "answer, or not fast enough. Nothing was sent."};
inline constexpr Cause gateway_no_local_port{
    "gateway_no_local_port", 503, Side::gateway, "gateway overloaded",
    "The system has no local port (or no address of that family) left for a connection to any endpoint tried. Widen "
    "`net.ipv4.ip_local_port_range`, add endpoints, or keep more connections (`keep_alive.max_idle`)."};

inline constexpr Cause websocket_not_allowed{"websocket_not_allowed", 403, Side::client, "WebSocket not allowed",
                                             "The request asks for a WebSocket, and its route has `websocket: false`."};
inline constexpr Cause websocket_upstream_http2{
    "websocket_upstream_http2", 502, Side::gateway, "WebSocket not possible here",
    "The request asks for a WebSocket, and its upstream has `protocol: http2` and does not announce that it takes one "
    "(SETTINGS_ENABLE_CONNECT_PROTOCOL, RFC 8441). Let the route send to an upstream of the same service with "
    "`protocol: http1`, or with `auto`."};
inline constexpr Cause stream_idle{
    "stream_idle", 408, Side::client, "stream was idle",
    "No byte moved either way for the `idle_timeout` of `websocket` or `event_stream`. A WebSocket is closed with 1001."};
inline constexpr Cause stream_max_age{
    "stream_max_age", 503, Side::gateway, "stream reached its age",
    "The stream was open for `max_age` of `websocket` or `event_stream`. A WebSocket is closed with 1001."};
inline constexpr Cause stream_route_changed{
    "stream_route_changed", 503, Side::gateway, "route changed",
    "A reload removed the stream's route, or changed its match or a policy that may keep a request out (stages `edge` "
    "to `admit`, and those that answer). The client may try again and is judged anew. A WebSocket is closed with 1012."};
inline constexpr Cause stream_listener_removed{
    "stream_listener_removed", 503, Side::gateway, "listener removed",
    "A reload removed the listener that the stream came in by. A WebSocket is closed with 1001."};
inline constexpr Cause stream_drained{
    "stream_drained", 503, Side::gateway, "gateway stops",
    "The process stops, or another takes its place. A WebSocket is closed with 1001, or with 1012 in the second case."};

std::span<const Cause* const> causes();

}  // namespace sluice::gateway
