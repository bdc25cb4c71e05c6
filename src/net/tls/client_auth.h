#pragma once
// Who clients say they are: certificates of their own, asked for during the handshake. Not who may do what: that is the
// policies' to decide.

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

struct ssl_st;

namespace sluice::net::tls {

class Trust;

enum class ClientAuth : std::uint8_t { none, optional, required };

struct ClientAuthSettings {
  ClientAuth mode = ClientAuth::none;
  int depth = 4;                   // most authorities between a client's certificate and the root
  std::vector<std::string> names;  // one of these must stand in the certificate; `*.` and `*` at an end stand for more
  std::vector<std::string> hosts;  // for which names asked for (SNI) it holds; empty: for all

  // Whether a client that asks for this name (lower case) is asked who it is.
  bool applies_to(std::string_view host) const;
};

// `pattern` as in ClientAuthSettings::names. A DNS name, an address of mail, or a URI (`spiffe://a/*`).
bool is_name_allowed(std::string_view pattern, std::string_view name);

// For each handshake that the settings apply to. `trust`: who may vouch for clients.
void demand_certificate(ssl_st* handshake, const ClientAuthSettings& settings, const Trust& trust);

}  // namespace sluice::net::tls
