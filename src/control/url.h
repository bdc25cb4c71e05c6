#pragma once
// An absolute http or https URL, taken apart: of what the gateway itself asks. Not for requests (http/canonical.h).

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace sluice::control {

struct Url {
  bool is_secure = false;
  std::string host;  // in lower case; an IPv6 address without brackets
  std::uint16_t port = 0;
  std::string authority;  // as the Host field has it
  std::string target;     // path and query: "/", "/keys?v=1"

  // Absent for anything else: other schemes, user names, fragments, spaces and controls (RFC 3986 section 3).
  static std::optional<Url> parse(std::string_view text);
};

}  // namespace sluice::control
