#pragma once
// Reads one HTTP/1.1 request (RFC 9112) off a connection, body included. Strict where leniency would hide a mistake of
// the gateway before it, and bounded: a sample service is no place to fill memory.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "connection.h"

namespace demo {

inline constexpr std::size_t head_limit_bytes = 64 * 1024;
inline constexpr std::size_t kept_body_bytes = 4096;  // more is counted, not kept

struct Request {
  std::string method, path, query;                           // query without its '?'
  std::vector<std::pair<std::string, std::string>> headers;  // as received, order kept
  std::uint64_t body_bytes = 0;
  std::string body;  // its first kept_body_bytes
  bool keep_alive = true;

  // The value of the first header of that name (lower case), or nothing.
  std::optional<std::string_view> header(std::string_view name) const;
  // The value of a query parameter, undecoded, or nothing.
  std::optional<std::string_view> parameter(std::string_view name) const;
};

enum class ReadResult { complete, closed, malformed };

// Waits for one request. `closed`: the peer went away between or within requests. After `malformed` the connection is
// of no more use.
ReadResult read_request(Connection& connection, Request& request);

}  // namespace demo
