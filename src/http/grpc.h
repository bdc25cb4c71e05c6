#pragma once
// What the gateway knows of gRPC: which requests are of it, how long their client waits, and which status an answer
// carries. Not its messages: those pass as bytes.
//   source  gRPC over HTTP2 (github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md)

#include <cstdint>
#include <string_view>

#include "base/arena.h"
#include "base/cause.h"
#include "base/time.h"
#include "http/message.h"

namespace sluice::http::grpc {

inline constexpr std::string_view content_type = "application/grpc";

// Content-Type is application/grpc or one of its kinds (`+proto`, `;...`). gRPC-Web is not: it is plain HTTP.
bool is_grpc(const FieldList& fields);

// Of `grpc-timeout`; zero when there is none, or what stands there is none.
Duration timeout_of(const FieldList& fields);

inline constexpr std::uint8_t ok = 0, cancelled = 1, unknown = 2, invalid_argument = 3, deadline_exceeded = 4,
                              permission_denied = 7, resource_exhausted = 8, unimplemented = 12, internal = 13,
                              unavailable = 14, unauthenticated = 16;
inline constexpr std::size_t status_count = 17;

// Of `grpc-status` in a trailers-only head or in trailers; `unknown` when it is absent or no number of the list.
std::uint8_t status_of(const FieldList& fields);
// What a fault of the gateway is to a gRPC client.
std::uint8_t status_of(const Cause& cause);

// The head of a trailers-only answer: HTTP's 200, grpc-status, grpc-message (the cause's code and title).
ResponseHead fault_head(const Cause& cause, Arena& arena);

}  // namespace sluice::http::grpc
