#pragma once
// The one reading of a path and of an authority. What the router matches, policies see, the log names and the upstream
// gets is what these return; what has no single reading is refused (security invariant I1). Not for queries: those are
// kept as sent.

#include <cstdint>
#include <expected>
#include <span>
#include <string_view>

#include "base/arena.h"
#include "base/cause.h"

namespace sluice::http {

struct CanonicalPath {
  std::string_view path;                       // starts with `/`
  std::span<const std::string_view> segments;  // of `path` between slashes: "/" is {""}, "/a/" is {"a",""}
  bool has_encoded_slash = false;              // holds %2F
};

// Brings a path (`/a/b`; no query) to its canonical form:
//   - percent-escapes of unreserved characters are decoded, once; the others keep their escape, in upper case;
//   - `[` `]` `^` `|`, which browsers send as they are, are escaped;
//   - `.` and `..` segments are resolved, `//` becomes `/`, a trailing slash stays; case stays.
// Also for every path that a policy makes: the result of canonicalise_path() is its own canonical form.
//   raw      need not outlive the call: what is returned points into `arena`
//   errors   request_target_refused: a broken escape; %00 and other encoded controls; `\` in either form; other
//   characters
//            that RFC 3986 section 3.3 does not allow; escapes that are no UTF-8; `..` above the root; a `.` or `..`
//            with a `;` parameter or beside an encoded slash, which some servers would resolve and others not
//   cost     one pass over a path that is canonical already, three over others; O(bytes)
//   source   RFC 3986 sections 5.2.4 and 6.2.2
std::expected<CanonicalPath, Refusal> canonicalise_path(std::string_view raw, Arena& arena);

struct CanonicalAuthority {
  std::string_view authority;  // `host` or `host:port`
  std::string_view host;       // lower case, no trailing dot; IPv6 in brackets and in its shortest form
  std::uint16_t port = 0;      // 0: none was given
};

// Reads `host[:port]`. One trailing dot of a host name is dropped: `a.example.` is `a.example`.
//   raw      must outlive the result, which may point into it
//   errors   request_target_refused: empty host; userinfo; a character other than letters, digits and `-._~` in a name;
//            an empty label; more than 255 bytes; a name whose last label is a number but that is no IPv4 address;
//            a bad IPv6 address; a port that is empty, has a leading zero or is not in 1 ... 65535
//   source   RFC 3986 section 3.2, RFC 9112 section 3.2
std::expected<CanonicalAuthority, Refusal> canonicalise_authority(std::string_view raw, Arena& arena);

// As canonicalise_path(), for the parser: `raw` lives in `arena` and is followed by scan.h's slack_bytes, so that a
// path that is canonical already is not copied.
std::expected<CanonicalPath, Refusal> canonicalise_path_in_place(std::string_view raw, Arena& arena);

}  // namespace sluice::http
