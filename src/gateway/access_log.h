#pragma once
// The access log: one exchange, one line of JSON, written straight into a worker's ring. Whatever an outsider sent, it
// is one line, valid JSON in UTF-8 and at most 8 KiB (security row D10). Not a general logger, and not what carries
// lines on to a file: that is control::LogWriter.

#include <cstddef>
#include <cstdint>
#include <span>
#include <string_view>

#include "base/byte_ring.h"
#include "base/result.h"
#include "base/time.h"

namespace sluice::gateway {

// One try of an endpoint.
struct AccessAttempt {
  std::string_view endpoint;  // address:port
  std::string_view outcome;   // "ok", or what went wrong
  std::int64_t waited_us = 0;
};

// What is logged of one exchange. Views are read during the call only. An empty text or a number of -1 is left out of
// the line, where the field table says so. Times that are not of the wall clock are durations in microseconds.
struct AccessRecord {
  static constexpr std::int64_t absent = -1;

  WallTime time{};  // when the request's first byte came
  std::string_view id;
  std::string_view listener;
  std::string_view route;
  std::string_view upstream;
  std::string_view endpoint;  // that gave the answer
  std::string_view client;    // address without port, as the policies see it
  std::string_view consumer;  // whose credential was shown
  std::string_view peer;      // the connection's other end, when it is not the client
  std::string_view method;
  std::string_view host;
  std::string_view path;     // canonical
  std::string_view query;    // without '?'; values of secrets are masked by the writer
  std::string_view version;  // "1.1"
  std::string_view scheme;   // "https"; empty when the connection is in the clear
  std::string_view tls;      // its version, "1.3"
  int status = 0;
  std::string_view cause;  // Cause::code, when the gateway answered or cut the exchange
  std::string_view detail;
  std::string_view side;                    // "client", "gateway", "upstream"
  std::span<const AccessAttempt> attempts;  // the first `most_logged_attempts` are written
  std::string_view retry;                   // why a retry was or was not made
  std::int64_t request_bytes = 0;
  std::int64_t response_bytes = 0;
  std::int64_t client_messages = absent;  // of a WebSocket, complete ones
  std::int64_t upstream_messages = absent;
  std::int64_t duration_us = 0;
  std::int64_t upstream_connect_us = absent;
  std::int64_t upstream_first_byte_us = absent;
  std::string_view user_agent;
  std::string_view referer;
  std::uint64_t generation = 0;  // of the plan
};
inline constexpr std::size_t most_logged_attempts = 4;
inline constexpr std::size_t most_line_bytes = 8 * 1024;

// Writes one line into `ring`, with the LF. Fields come in the order of access_log_fields(). A text that is too long is
// cut and ends in "[cut]". In `query` and in the query of `referer` the values of parameters named like secrets are
// written as ***. Returns false when the ring had no room: the line is lost, and counted by the ring. Worker's thread.
// No allocation, no system call, ~300 ns.
bool write_access(const AccessRecord& record, ByteRing& ring);

// The same into plain memory of at least most_line_bytes. Returns the line's size.
std::size_t format_access(const AccessRecord& record, char* out);

// One field of the line: the source of the writer's names and of the manual.
struct AccessField {
  std::string_view name;
  std::string_view meaning;
};
std::span<const AccessField> access_log_fields();

// "client", "gateway", "upstream".
std::string_view side_name(Side side);

// Names of query parameters whose values are not logged. Compared without regard to case, after percent-decoding.
std::span<const std::string_view> masked_query_names();

}  // namespace sluice::gateway
