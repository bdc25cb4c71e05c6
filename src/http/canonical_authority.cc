#include <arpa/inet.h>

#include <cstring>

#include "http/canonical.h"
#include "http/causes.h"
#include "http/characters.h"

namespace sluice::http {
namespace {

constexpr std::size_t most_host_bytes = 255;  // a DNS name, RFC 1035 section 2.3.4

constexpr std::unexpected<Refusal> refuse(const char* detail) {
  return std::unexpected(Refusal{&request_target_refused, detail});
}

// 0 when it is none.
std::uint16_t read_port(std::string_view text) {
  if (text.empty() || text.size() > 5 || text.front() == '0') return 0;
  std::uint32_t port = 0;
  for (const char c : text) {
    if (!is_digit(c)) return 0;
    port = port * 10 + static_cast<std::uint32_t>(c - '0');
  }
  return port <= 65535 ? static_cast<std::uint16_t>(port) : 0;
}

// Four numbers 0 ... 255 without leading zeros (RFC 3986 section 3.2.2).
bool is_ipv4(std::string_view host) {
  int numbers = 0;
  while (true) {
    const std::size_t dot = host.find('.');
    const std::string_view number = host.substr(0, dot);
    if (number.empty() || number.size() > 3 || (number.size() > 1 && number.front() == '0')) return false;
    int value = 0;
    for (const char c : number) {
      if (!is_digit(c)) return false;
      value = value * 10 + (c - '0');
    }
    if (value > 255 || ++numbers > 4) return false;
    if (dot == std::string_view::npos) return numbers == 4;
    host.remove_prefix(dot + 1);
  }
}

// Null, or what is wrong with a host name in lower case.
const char* broken_name_rule(std::string_view host) {
  if (host.size() > most_host_bytes) return "host name too long";
  std::size_t label = 0;  // where the last one begins
  bool is_number = true;  // the last one, so far
  for (std::size_t at = 0; at < host.size(); ++at) {
    const char c = host[at];
    if (c == '.') {
      if (at == label) return "empty label in a host name";
      label = at + 1;
      is_number = true;
    } else {
      if (!host_characters.contains(c)) return "character not allowed in a host name";
      is_number &= is_digit(c);
    }
  }
  if (label == host.size()) return "empty label in a host name";
  // Some programs take 127.1 or 0177.0.0.1 for an address, others for a name.
  return is_number && !is_ipv4(host) ? "host is neither a name nor an IPv4 address" : nullptr;
}

// `text` with its brackets. Empty when it is no address.
std::string_view shortest_ipv6(std::string_view text, Arena& arena) {
  char written[INET6_ADDRSTRLEN] = {};
  const std::string_view inner = text.substr(1, text.size() - 2);
  if (inner.size() >= sizeof(written)) return {};
  std::memcpy(written, inner.data(), inner.size());
  in6_addr address;
  if (inet_pton(AF_INET6, written, &address) != 1) return {};
  if (inet_ntop(AF_INET6, &address, written, sizeof(written)) == nullptr) return {};
  return arena.join("[", written, "]");
}

// Ends behind the host: at the colon, at the end, or where it makes no sense any more.
std::size_t host_size(std::string_view raw) {
  const std::size_t end = raw.starts_with('[') ? raw.find(']') : raw.find(':');
  if (end == std::string_view::npos) return raw.size();
  return raw[end] == ']' ? end + 1 : end;
}

std::string_view in_lower_case(std::string_view text, Arena& arena) {
  std::size_t at = 0;
  while (at < text.size() && !is_upper(text[at])) ++at;
  if (at == text.size()) return text;
  char* const lower = arena.allocate_bytes(text.size());
  for (std::size_t i = 0; i < text.size(); ++i) lower[i] = to_lower(text[i]);
  return {lower, text.size()};
}

}  // namespace

std::expected<CanonicalAuthority, Refusal> canonicalise_authority(std::string_view raw, Arena& arena) {
  if (raw.empty()) return refuse("host is empty");
  CanonicalAuthority result;
  const std::string_view given = raw.substr(0, host_size(raw));
  const std::string_view behind = raw.substr(given.size());
  if (!behind.empty()) {
    if (behind.front() != ':') return refuse("bytes behind an IPv6 address");
    result.port = read_port(behind.substr(1));
    if (result.port == 0) return refuse("port is not a number from 1 to 65535");
  }
  if (given.starts_with('[')) {
    result.host = given.ends_with(']') ? shortest_ipv6(given, arena) : std::string_view();
    if (result.host.empty()) return refuse("not an IPv6 address");
  } else {
    result.host = in_lower_case(given, arena);
    if (result.host.ends_with('.')) result.host.remove_suffix(1);
    if (result.host.empty()) return refuse("host is empty");
    if (const char* detail = broken_name_rule(result.host)) return refuse(detail);
  }
  const bool is_as_given = result.host.data() == raw.data() && result.host.size() == given.size();
  result.authority = behind.empty() ? result.host : is_as_given ? raw : arena.join(result.host, behind);
  return result;
}

}  // namespace sluice::http
