#include "net/proxy_header.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <span>

namespace sluice::net {
namespace {

constexpr std::string_view v1_mark = "PROXY ";
constexpr std::string_view v2_mark("\r\n\r\n\0\r\nQUIT\n", 12);
constexpr std::size_t most_v1_bytes = 107;  // with the line end, by the specification
constexpr std::size_t v2_head_bytes = 16;
constexpr std::size_t tlv_head_bytes = 3;

auto malformed(const char* what) { return fail(Code::malformed, Side::client, what); }

unsigned byte_at(std::string_view bytes, std::size_t at) { return static_cast<unsigned char>(bytes[at]); }
std::size_t number_at(std::string_view bytes, std::size_t at) { return byte_at(bytes, at) << 8 | byte_at(bytes, at + 1); }

// Whether `bytes` are, or may yet become, what begins with `mark`.
bool may_begin_with(std::string_view bytes, std::string_view mark) {
  return mark.starts_with(bytes.substr(0, mark.size()));
}

// ---- version 1

std::optional<std::uint16_t> port_of(std::string_view text) {
  if (text.empty() || text.size() > 5 || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  unsigned port = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return std::nullopt;
    port = port * 10 + static_cast<unsigned>(c - '0');
  }
  return port <= 0xffff ? std::optional(static_cast<std::uint16_t>(port)) : std::nullopt;
}

std::string_view take_word(std::string_view& line) {
  const std::size_t end = std::min(line.find(' '), line.size());
  const std::string_view word = line.substr(0, end);
  line.remove_prefix(std::min(end + 1, line.size()));
  return word;
}

std::optional<Address> address_of(std::string_view ip, std::string_view port, bool is_v4) {
  const auto address = Address::parse_ip(ip);
  const auto number = port_of(port);
  if (!address || !number || (ip.find(':') == std::string_view::npos) != is_v4) return std::nullopt;
  Address made = *address;
  made.port = *number;
  return made;
}

Result<ProxyHeader> read_v1(std::string_view bytes) {
  const std::size_t end = bytes.substr(0, most_v1_bytes).find("\r\n");
  if (end == std::string_view::npos) {
    if (bytes.size() >= most_v1_bytes) return malformed("PROXY line longer than 107 bytes");
    return ProxyHeader{};
  }
  ProxyHeader header{.bytes = end + 2, .source = {}};
  std::string_view line = bytes.substr(v1_mark.size(), end - v1_mark.size());
  const std::string_view family = take_word(line);
  if (family == "UNKNOWN") return header;
  if (family != "TCP4" && family != "TCP6") return malformed("PROXY line of another protocol than TCP4 and TCP6");
  if (std::ranges::count(line, ' ') != 3) return malformed("PROXY line does not have two addresses and two ports");
  const std::string_view from = take_word(line), to = take_word(line), from_port = take_word(line);
  header.source = address_of(from, from_port, family == "TCP4");
  if (!header.source || !address_of(to, line, family == "TCP4")) return malformed("bad address or port in a PROXY line");
  return header;
}

// ---- version 2

// A list of extensions must end where the header does.
bool are_whole(std::string_view extensions) {
  while (!extensions.empty()) {
    if (extensions.size() < tlv_head_bytes) return false;
    const std::size_t size = tlv_head_bytes + number_at(extensions, 1);
    if (extensions.size() < size) return false;
    extensions.remove_prefix(size);
  }
  return true;
}

Result<ProxyHeader> read_v2(std::string_view bytes) {
  if (bytes.size() < v2_head_bytes) return ProxyHeader{};
  constexpr unsigned local = 0x20, proxy = 0x21, tcp4 = 0x11, tcp6 = 0x21;
  const unsigned command = byte_at(bytes, 12), family = byte_at(bytes, 13);
  if (command != local && command != proxy) return malformed("PROXY header of another version or command");
  const std::size_t rest = number_at(bytes, 14);
  if (v2_head_bytes + rest > most_proxy_header_bytes)
    return fail(Code::too_large, Side::client, "PROXY header longer than 2048 bytes");
  if (bytes.size() < v2_head_bytes + rest) return ProxyHeader{};
  ProxyHeader header{.bytes = v2_head_bytes + rest, .source = {}};
  const std::string_view body = bytes.substr(v2_head_bytes, rest);
  if (command == local) return header;
  if (family != tcp4 && family != tcp6) {
    constexpr unsigned least_unix = 0x31, most_unix = 0x32, unspecified = 0x00;
    if (family == unspecified || (family >= least_unix && family <= most_unix)) return header;
    return malformed("PROXY header of a protocol that is not TCP");
  }
  const std::size_t ip_bytes = family == tcp4 ? 4 : 16, addresses = 2 * ip_bytes + 4;
  if (rest < addresses) return malformed("PROXY header too short for its addresses");
  if (!are_whole(body.substr(addresses))) return malformed("PROXY header with a broken extension");
  Address source;
  constexpr std::array<std::uint8_t, 12> v4_mapped{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (family == tcp4) std::ranges::copy(v4_mapped, source.ip.begin());
  std::memcpy(source.ip.data() + source.ip.size() - ip_bytes, body.data(), ip_bytes);
  source.is_v4 = std::ranges::equal(v4_mapped, std::span(source.ip).first<12>());
  source.port = static_cast<std::uint16_t>(number_at(body, 2 * ip_bytes));
  header.source = source;
  return header;
}

// ---- writing

Address as_v6(Address address) {
  address.is_v4 = false;
  return address;
}

void put(std::string& out, const Address& address) {
  const auto* const ip = reinterpret_cast<const char*>(address.ip.data());
  out.append(address.is_v4 ? ip + 12 : ip, address.is_v4 ? 4 : 16);
}

void put_number(std::string& out, std::size_t number) {
  out += static_cast<char>(number >> 8);
  out += static_cast<char>(number & 0xff);
}

}  // namespace

Result<ProxyHeader> read_proxy_header(std::string_view bytes) {
  if (may_begin_with(bytes, v1_mark)) return bytes.size() < v1_mark.size() ? ProxyHeader{} : read_v1(bytes);
  if (may_begin_with(bytes, v2_mark)) return bytes.size() < v2_mark.size() ? ProxyHeader{} : read_v2(bytes);
  return malformed("no PROXY header");
}

std::string write_proxy_header(ProxyVersion version, const Address& source, const Address& destination) {
  const bool is_v4 = source.is_v4 && destination.is_v4;
  const Address from = is_v4 ? source : as_v6(source), to = is_v4 ? destination : as_v6(destination);
  if (version == ProxyVersion::v1)
    return std::string(v1_mark) + (is_v4 ? "TCP4 " : "TCP6 ") + from.ip_text() + " " + to.ip_text() + " " +
           std::to_string(from.port) + " " + std::to_string(to.port) + "\r\n";
  std::string out(v2_mark);
  out += '\x21';
  out += is_v4 ? '\x11' : '\x21';
  put_number(out, is_v4 ? 12 : 36);
  put(out, from);
  put(out, to);
  put_number(out, from.port);
  put_number(out, to.port);
  return out;
}

}  // namespace sluice::net
