#pragma once
// A numeric socket address: IPv4 or IPv6 with a port. Not a name: names are resolved elsewhere (control).

#include <netinet/in.h>

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace sluice::net {

struct Address {
  // IPv4 addresses are held v4-mapped (::ffff:a.b.c.d), so that equality and hashing have one form.
  std::array<std::uint8_t, 16> ip{};
  std::uint16_t port = 0;
  bool is_v4 = true;

  bool operator==(const Address&) const = default;

  // Parses `127.0.0.1:80`, `[::1]:80`. errors: malformed (text says what is wrong). No names.
  static Result<Address> parse(std::string_view text);
  // Parses an address without a port; `port` becomes 0.
  static Result<Address> parse_ip(std::string_view text);
  static Address from_sockaddr(const sockaddr* address);
  // Fills `out`; returns the length to pass to the kernel.
  socklen_t to_sockaddr(sockaddr_storage& out) const;

  static constexpr std::size_t most_ip_bytes = 46;
  // Writes the ip (no brackets, RFC 5952 form) to `out`, at least most_ip_bytes; returns its length.
  std::size_t write_ip(char* out) const;
  std::string ip_text() const;
  std::string text() const;  // `127.0.0.1:80`, `[::1]:80`
};

// A block of addresses, `10.0.0.0/8` or `fd00::/8`; a bare address is a block of one.
struct AddressBlock {
  Address first;
  std::uint8_t prefix_bits = 128;  // of the 16-byte form
  static Result<AddressBlock> parse(std::string_view text);
  bool contains(const Address& address) const;
};

}  // namespace sluice::net
