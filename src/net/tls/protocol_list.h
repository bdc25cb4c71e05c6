#pragma once
// Lists of application protocols as ALPN sends them: each with its length before it (RFC 7301 section 3.1).

#include <string>
#include <vector>

namespace sluice::net::tls {

inline std::string wire_form(const std::vector<std::string>& protocols) {
  std::string wire;
  for (const std::string& protocol : protocols) (wire += static_cast<char>(protocol.size())) += protocol;
  return wire;
}

}  // namespace sluice::net::tls
