#pragma once
// The canonical message: what every room above the codecs reads, whatever protocol carried it. Views point into the
// arena of the exchange. A Request is made once, by canonicalise(), and never changed; what goes to the upstream is a
// RequestHead built from it.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/arena.h"

namespace sluice::http {

enum class Method : std::uint8_t { get, head, post, put, delete_, patch, options, trace, connect, other };
Method method_of(std::string_view text);  // case-sensitive, RFC 9110 section 9.1
std::string_view method_text(Method method);
// RFC 9110 section 9.2.2: a repeat does no harm. `other` counts as not idempotent.
bool is_idempotent(Method method);
const char* reason_phrase(int status);  // "Not Found"; "" when unknown

enum class Scheme : std::uint8_t { http, https };

// Fields that some room asks for by name. Found while parsing, so that later look-ups compare one byte.
enum class FieldId : std::uint8_t {
  other,
  host,
  connection,
  keep_alive,
  proxy_connection,
  transfer_encoding,
  content_length,
  te,
  trailer,
  upgrade,
  expect,
  date,
  server,
  location,
  content_type,
  user_agent,
  referer,
  accept,
  accept_encoding,
  cookie,
  set_cookie,
  authorization,
  forwarded,
  x_forwarded_for,
  x_forwarded_proto,
  x_forwarded_host,
  x_request_id,
  via,
  retry_after,
  allow,
  vary,
  cache_control,
};
// `name` in lower case.
FieldId field_id(std::string_view name);
std::string_view field_name(FieldId id);  // "" for other

struct Field {
  std::string_view name;   // lower case
  std::string_view value;  // outer white space trimmed; no CR, LF, NUL or other control but HTAB
  FieldId id = FieldId::other;
};

// Fields in wire order, duplicates kept. Memory comes from the arena; grows by doubling.
class FieldList {
 public:
  void reserve(Arena& arena, std::size_t count);
  void add(Arena& arena, Field field) {
    if (size_ == capacity_) grow(arena);
    std::construct_at(fields_ + size_++, field);
  }
  void add(Arena& arena, std::string_view name, std::string_view value) { add(arena, {name, value, field_id(name)}); }
  // Replaces the first field of that name in place and removes the others; adds it when there is none.
  void set(Arena& arena, std::string_view name, std::string_view value);
  // Removes every field of that name; returns how many. Names compare exactly (they are lower case).
  std::size_t remove(std::string_view name);
  // As remove(), but `-` and `_` count as equal: for fields the gateway vouches for (security invariant I4).
  std::size_t remove_folded(std::string_view name);
  const Field* find(FieldId id) const;  // not for `other`; the first, or null
  const Field* find(std::string_view name) const;
  // Calls visit(const Field&) for each field of that name.
  template <class Visit>
  void each(std::string_view name, Visit visit) const {
    for (const Field& field : *this)
      if (field.name == name) visit(field);
  }
  void clear() { size_ = 0; }
  std::size_t size() const { return size_; }
  const Field& operator[](std::size_t index) const { return fields_[index]; }
  const Field* begin() const { return fields_; }
  const Field* end() const { return fields_ + size_; }
  // Copies the list (not the texts) into room for `extra` more.
  FieldList copy(Arena& arena, std::size_t extra) const;

 private:
  void grow(Arena& arena);

  Field* fields_ = nullptr;
  std::uint32_t size_ = 0, capacity_ = 0;
};

// How many body bytes belong to a message.
struct BodySize {
  static constexpr std::int64_t unknown = -1;  // ends when it ends (chunked, or close-delimited in a response)
  std::int64_t bytes = 0;
  bool is_empty() const { return bytes == 0; }
  bool is_unknown() const { return bytes == unknown; }
};

// A canonical request. Framing and hop-by-hop fields (Host, Content-Length, Transfer-Encoding, Connection and what it
// names, Keep-Alive, Proxy-Connection, TE, Trailer, Upgrade, Expect) are not in `fields`: they have become facts.
struct Request {
  Method method = Method::get;
  Scheme scheme = Scheme::http;
  bool has_query = false;          // `/a?` has an empty query; `/a` has none
  bool has_encoded_slash = false;  // the path holds %2F: refused unless the route keeps it
  bool expects_continue = false;   // Expect: 100-continue
  bool wants_trailers = false;     // TE: trailers
  bool asks_websocket = false;     // a right WebSocket handshake (RFC 6455 section 4.2.1); no body
  bool is_http10 = false;          // for the log; framing is the codec's affair
  bool is_http2 = false;           // the same
  std::uint16_t port = 0;          // of the authority; 0: none was given
  std::string_view method_name;    // as sent
  std::string_view
      authority;  // canonical `host` or `host:port`; lower case; never empty in HTTP/1.1 ("" in 1.0 without Host)
  std::string_view host;                       // authority without port; IPv6 in brackets; no trailing dot
  std::string_view path;                       // canonical, starts with `/`, or is `*` (OPTIONS only)
  std::span<const std::string_view> segments;  // of `path` between slashes: "/" is {""}, "/a/" is {"a",""}
  std::string_view query;                      // as sent, without `?`
  FieldList fields;
  BodySize body;
};

// A named part of the path that a route's pattern caught, in canonical (percent-encoded) form.
struct Capture {
  std::string_view name;  // lives as long as the plan
  std::string_view value;
};

// What is written to an upstream. Framing fields are generated by the codec from `body`.
struct RequestHead {
  std::string_view method;
  std::string_view authority;  // becomes Host
  std::string_view path;       // canonical
  bool has_query = false;
  std::string_view query;
  FieldList fields;
  BodySize body;
  bool wants_trailers = false;  // TE: trailers is sent
  bool asks_websocket = false;  // the Upgrade is generated; the key is among the fields
};

// A response's head: received from an upstream (framing and hop-by-hop fields taken out), or about to be sent to a
// client.
// With status 101 it accepts a WebSocket: the codec has checked it, or will write it as its protocol says that.
struct ResponseHead {
  int status = 200;
  FieldList fields;
  BodySize body;                                      // what follows, after method and status are considered
  std::int64_t announced_length = BodySize::unknown;  // Content-Length of a HEAD or 304 answer, to be passed on
};

// Bounds on what a peer may make us hold. One set for requests, one for responses.
struct HeadLimits {
  std::uint32_t start_line_bytes = 8 * 1024;
  std::uint32_t field_line_bytes = 8 * 1024;
  std::uint32_t head_bytes = 64 * 1024;
  std::uint32_t fields = 100;
  std::uint32_t trailer_bytes = 8 * 1024;
  std::uint32_t chunk_extension_bytes = 1024;  // per message, all chunks together
  std::uint32_t interim_responses = 8;         // per exchange
};

}  // namespace sluice::http
