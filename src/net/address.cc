#include "net/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>
#include <cstring>

namespace sluice::net {
namespace {

constexpr std::array<std::uint8_t, 12> v4_prefix{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

std::unexpected<Error> malformed(const char* what) { return fail(Code::malformed, Side::gateway, what); }

// Decimal digits only, no sign, no leading zero. Returns false when it is anything else or above `most`.
bool parse_number(std::string_view text, unsigned most, unsigned& value) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text[0] == '0')) return false;
  value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    value = value * 10 + static_cast<unsigned>(c - '0');
  }
  return value <= most;
}

bool parse_v4(std::string_view text, std::uint8_t* out) {
  for (int i = 0; i < 4; ++i) {
    const std::size_t end = i < 3 ? text.find('.') : text.size();
    unsigned octet = 0;
    if (end == std::string_view::npos || !parse_number(text.substr(0, end), 255, octet)) return false;
    out[i] = static_cast<std::uint8_t>(octet);
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return true;
}

// inet_pton is strict for IPv6 (no zone, at most four digits, one `::`) and wants a terminated string.
bool parse_v6(std::string_view text, std::uint8_t* out) {
  char terminated[INET6_ADDRSTRLEN];
  if (text.size() >= sizeof terminated || text.find('\0') != std::string_view::npos) return false;
  std::memcpy(terminated, text.data(), text.size());
  terminated[text.size()] = '\0';
  return inet_pton(AF_INET6, terminated, out) == 1;
}

std::size_t write_v4(const std::uint8_t* ip, char* out) {
  char* at = out;
  for (int i = 0; i < 4; ++i) {
    if (i > 0) *at++ = '.';
    at = std::to_chars(at, at + 3, ip[i]).ptr;
  }
  return static_cast<std::size_t>(at - out);
}

// The longest run of two or more zero groups, the first one of equals (RFC 5952 section 4.2).
std::pair<int, int> longest_zero_run(const unsigned (&groups)[8]) {
  int best = 8, best_length = 1;
  for (int i = 0; i < 8;) {
    int end = i;
    while (end < 8 && groups[end] == 0) ++end;
    if (end - i > best_length) {
      best = i;
      best_length = end - i;
    }
    i = end + 1;
  }
  return {best, best == 8 ? 8 : best + best_length};
}

}  // namespace

Result<Address> Address::parse_ip(std::string_view text) {
  Address address;
  if (text.find(':') == std::string_view::npos) {
    std::copy(v4_prefix.begin(), v4_prefix.end(), address.ip.begin());
    if (!parse_v4(text, address.ip.data() + 12)) return malformed("not an ip address, such as 127.0.0.1 or ::1");
    return address;
  }
  if (!parse_v6(text, address.ip.data())) return malformed("not an ipv6 address, such as fd00::1");
  address.is_v4 = std::equal(v4_prefix.begin(), v4_prefix.end(), address.ip.begin());
  return address;
}

Result<Address> Address::parse(std::string_view text) {
  std::string_view ip;
  if (text.starts_with('[')) {
    const std::size_t end = text.find(']');
    if (end == std::string_view::npos) return malformed("`]` is missing behind the ipv6 address");
    ip = text.substr(1, end - 1);
    if (ip.find(':') == std::string_view::npos) return malformed("only ipv6 addresses stand in brackets");
    text.remove_prefix(end + 1);
  } else {
    const std::size_t colon = text.find(':');
    if (colon != text.rfind(':')) return malformed("an ipv6 address with a port stands in brackets, such as [::1]:80");
    ip = text.substr(0, colon);
    text.remove_prefix(std::min(colon, text.size()));
  }
  if (!text.starts_with(':')) return malformed("the port is missing, such as in 127.0.0.1:80");
  SLUICE_TRY(Address address, parse_ip(ip));
  unsigned port = 0;
  if (!parse_number(text.substr(1), 65535, port)) return malformed("the port is no number from 0 to 65535");
  address.port = static_cast<std::uint16_t>(port);
  return address;
}

Address Address::from_sockaddr(const sockaddr* address) {
  Address result;
  if (address->sa_family == AF_INET) {
    sockaddr_in in;
    std::memcpy(&in, address, sizeof in);
    std::copy(v4_prefix.begin(), v4_prefix.end(), result.ip.begin());
    std::memcpy(result.ip.data() + 12, &in.sin_addr, 4);
    result.port = ntohs(in.sin_port);
  } else if (address->sa_family == AF_INET6) {
    sockaddr_in6 in;
    std::memcpy(&in, address, sizeof in);
    std::memcpy(result.ip.data(), &in.sin6_addr, 16);
    result.port = ntohs(in.sin6_port);
    result.is_v4 = std::equal(v4_prefix.begin(), v4_prefix.end(), result.ip.begin());
  }
  return result;
}

socklen_t Address::to_sockaddr(sockaddr_storage& out) const {
  if (is_v4) {
    sockaddr_in in{};
    in.sin_family = AF_INET;
    in.sin_port = htons(port);
    std::memcpy(&in.sin_addr, ip.data() + 12, 4);
    std::memcpy(&out, &in, sizeof in);
    return sizeof in;
  }
  sockaddr_in6 in{};
  in.sin6_family = AF_INET6;
  in.sin6_port = htons(port);
  std::memcpy(&in.sin6_addr, ip.data(), 16);
  std::memcpy(&out, &in, sizeof in);
  return sizeof in;
}

std::size_t Address::write_ip(char* out) const {
  if (is_v4) return write_v4(ip.data() + 12, out);
  unsigned groups[8];
  for (int i = 0; i < 8; ++i) groups[i] = static_cast<unsigned>(ip[2 * i] << 8 | ip[2 * i + 1]);
  const auto [zeros, behind] = longest_zero_run(groups);
  char* at = out;
  for (int i = 0; i < 8; ++i) {
    if (i == zeros) {
      *at++ = ':';
      if (behind == 8) *at++ = ':';
      i = behind - 1;
      continue;
    }
    if (i > 0) *at++ = ':';
    at = std::to_chars(at, at + 4, groups[i], 16).ptr;
  }
  return static_cast<std::size_t>(at - out);
}

std::string Address::ip_text() const {
  char text[INET6_ADDRSTRLEN];
  return std::string(text, write_ip(text));
}

std::string Address::text() const {
  const std::string port_text = std::to_string(port);
  return is_v4 ? ip_text() + ":" + port_text : "[" + ip_text() + "]:" + port_text;
}

Result<AddressBlock> AddressBlock::parse(std::string_view text) {
  const std::size_t slash = text.find('/');
  AddressBlock block;
  SLUICE_TRY(block.first, Address::parse_ip(text.substr(0, slash)));
  if (slash == std::string_view::npos) return block;
  const bool is_dotted = text.find(':') == std::string_view::npos;
  unsigned bits = 0;
  if (!parse_number(text.substr(slash + 1), is_dotted ? 32 : 128, bits)) {
    return malformed(is_dotted ? "the prefix is no number from 0 to 32" : "the prefix is no number from 0 to 128");
  }
  block.prefix_bits = static_cast<std::uint8_t>(is_dotted ? bits + 96 : bits);
  for (unsigned bit = block.prefix_bits; bit < 128; ++bit) {
    if ((block.first.ip[bit / 8] >> (7 - bit % 8) & 1) != 0)
      return malformed("the address has bits set behind its prefix");
  }
  return block;
}

bool AddressBlock::contains(const Address& address) const {
  if (address.is_v4 != first.is_v4) return false;
  const std::size_t whole = prefix_bits / 8;
  if (std::memcmp(address.ip.data(), first.ip.data(), whole) != 0) return false;
  const int rest = prefix_bits % 8;
  return rest == 0 || ((address.ip[whole] ^ first.ip[whole]) >> (8 - rest)) == 0;
}

}  // namespace sluice::net
