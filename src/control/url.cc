#include "control/url.h"

#include <algorithm>
#include <charconv>

namespace sluice::control {

std::optional<Url> Url::parse(std::string_view text) {
  constexpr std::string_view plain = "http://", secure = "https://";
  Url url;
  url.is_secure = text.starts_with(secure);
  if (!url.is_secure && !text.starts_with(plain)) return std::nullopt;
  if (std::ranges::any_of(text, [](unsigned char c) { return c <= ' ' || c >= 0x7f; })) return std::nullopt;
  text.remove_prefix(url.is_secure ? secure.size() : plain.size());
  const std::size_t path = std::min(text.find_first_of("/?#"), text.size());
  const std::string_view authority = text.substr(0, path);
  const std::string_view target = text.substr(path);
  if (authority.find('@') != std::string_view::npos || target.find('#') != std::string_view::npos) return std::nullopt;
  url.target = target.starts_with('/') ? std::string(target) : "/" + std::string(target);

  const bool is_v6 = authority.starts_with('[');
  const std::size_t end = is_v6 ? authority.find(']') : std::min(authority.find(':'), authority.size());
  if (end == std::string_view::npos) return std::nullopt;
  url.host = authority.substr(is_v6 ? 1 : 0, is_v6 ? end - 1 : end);
  std::ranges::transform(url.host, url.host.begin(), [](char c) { return c >= 'A' && c <= 'Z' ? char(c | 0x20) : c; });
  const std::string_view port = authority.substr(is_v6 ? end + 1 : end);
  url.port = url.is_secure ? 443 : 80;
  if (!port.empty()) {
    const auto [stop, fault] = std::from_chars(port.data() + 1, port.data() + port.size(), url.port);
    if (port[0] != ':' || fault != std::errc() || stop != port.data() + port.size()) return std::nullopt;
  }
  if (url.host.empty() || url.port == 0) return std::nullopt;
  url.authority = authority;
  return url;
}

}  // namespace sluice::control
