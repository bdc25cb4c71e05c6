#pragma once
// Config of `forwarded`.

#include <tuple>
#include <vector>

#include "config/value.h"
#include "policy/address_block.h"

namespace sluice::policies::forwarded {

struct Config {
  std::vector<policy::AddressBlock> trusted;
  bool x_forwarded = true;
  bool rfc7239 = false;

  static constexpr auto fields() {
    using config::field;
    return std::tuple{
        field("trusted", &Config::trusted,
              "Proxies whose word about the client is believed. From everybody else the fields are removed first.")
            .one_or_many()
            .example("[10.0.0.0/8]"),
        field("x_forwarded", &Config::x_forwarded, "Whether the upstream gets X-Forwarded-For, -Proto and -Host."),
        field("rfc7239", &Config::rfc7239, "Whether the upstream gets `Forwarded` (RFC 7239)."),
    };
  }
};

}  // namespace sluice::policies::forwarded
