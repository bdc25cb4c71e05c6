#pragma once
// The key `proxy_protocol` of a listener: which proxies before it tell whom they speak for.

#include <chrono>
#include <tuple>
#include <vector>

#include "config/value.h"
#include "policy/address_block.h"

namespace sluice::gateway {

struct ProxyProtocolConfig {
  std::vector<policy::AddressBlock> trusted;
  std::chrono::milliseconds timeout{5'000};

  static constexpr const char* doc =
      "Proxies that send a PROXY header, version 1 or 2, before anything else: the address it tells is the client's.";
  static constexpr auto fields() {
    using config::field;
    using std::chrono::milliseconds;
    return std::tuple{
        field("trusted", &ProxyProtocolConfig::trusted,
              "Addresses of these proxies. A connection from one must begin with the header; from any other address a "
              "header is no request, and refused as one.")
            .required()
            .non_empty()
            .one_or_many()
            .example("[10.0.0.0/8]"),
        field("timeout", &ProxyProtocolConfig::timeout, milliseconds{10}, std::chrono::minutes{1},
              "Time for the whole header."),
    };
  }
};

}  // namespace sluice::gateway
