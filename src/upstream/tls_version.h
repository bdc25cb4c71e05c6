#pragma once
// How TLS versions are written in a config.

#include <array>

#include "config/value.h"
#include "net/tls/server_context.h"

namespace sluice::net::tls {

constexpr auto enum_names(Version) {
  using config::EnumName;
  return std::array{EnumName{Version::v1_2, "1.2"}, EnumName{Version::v1_3, "1.3"}};
}

}  // namespace sluice::net::tls
