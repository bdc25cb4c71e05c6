#pragma once
// The PROXY protocol's header, versions 1 and 2: how a proxy before us tells whom it speaks for, and how we tell an
// upstream. Strict: exact lengths, one form for each number, nothing that needs a guess (security row T04).
//   source  The PROXY protocol, versions 1 & 2, W. Tarreau, HAProxy Technologies, 2020

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/address.h"
#include "net/stream.h"

namespace sluice::net {

// What stands in front of a connection's bytes.
struct ProxyHeader {
  std::size_t bytes = 0;          // of the header; 0: it is not complete yet
  std::optional<Address> source;  // absent: UNKNOWN, LOCAL, or a family that is not IP: the peer's own address holds
};

// Version 2 may carry extensions (TLV), which are skipped; a header with more of them is refused.
inline constexpr std::size_t most_proxy_header_bytes = 2048;

// Reads the header that `bytes` begin with. errors: malformed, as soon as it can be seen; too_large. Side client.
Result<ProxyHeader> read_proxy_header(std::string_view bytes);

// For who has read the header: gives `rest`, what lay behind it and may be empty, back to a stream that an acceptor made,
// to be delivered to the next handler before all else; and names the peer.
void start_anew(Stream& accepted, Buffer rest, const Address& peer);

enum class ProxyVersion : std::uint8_t { v1, v2 };
// For a connection that `source` made to `destination`. When they are of two families both are written as IPv6.
std::string write_proxy_header(ProxyVersion version, const Address& source, const Address& destination);

}  // namespace sluice::net
