#pragma once
// The key `limits` at the top of the config: what all clients together may make the gateway hold and do. What one
// client may is a listener's `limits`, in config.h. In force they are limits.h.

#include <cstdint>
#include <optional>
#include <tuple>
#include <vector>

#include "config/value.h"
#include "policy/address_block.h"

namespace sluice::gateway {

struct SharedLimitsConfig {
  std::optional<std::uint32_t> max_connections;
  std::uint32_t max_connections_per_client = 1'000;
  std::vector<policy::AddressBlock> uncapped_clients;
  std::optional<std::uint32_t> max_requests;
  std::chrono::milliseconds max_loop_lag{100};
  std::optional<config::Size> max_memory;
  config::Size exchange_buffer{64 * 1024};

  SharedLimitsConfig();

  static constexpr const char* doc = "Bounds on what all clients together may make the gateway hold and do.";
  static constexpr auto fields() {
    using config::field;
    using config::Size;
    using std::chrono::milliseconds;
    return std::tuple{
        field("max_connections", &SharedLimitsConfig::max_connections, 1u, 10'000'000u,
              "Most client connections, over all workers. From 95 % on the oldest idle ones are closed to make room; "
              "past "
              "it new ones are answered 503. By default what the file descriptors allow: (`ulimit -n` - 128) / 2."),
        field(
            "max_connections_per_client", &SharedLimitsConfig::max_connections_per_client, 0u, 10'000'000u,
            "Most connections from one IPv4 address or one IPv6 /64 network, over all workers; 0 for no limit. Past it "
            "they are answered 503."),
        field("uncapped_clients", &SharedLimitsConfig::uncapped_clients,
              "Addresses to which `max_connections_per_client` does not apply: proxies and load balancers before the "
              "gateway.")
            .one_or_many()
            .example("[10.0.0.0/8]"),
        field("max_requests", &SharedLimitsConfig::max_requests, 1u, 10'000'000u,
              "Most requests in progress; each worker has an equal share of a number given here. Past it they are answered 503. Where routes "
              "have "
              "`priority: critical` the last tenth is theirs alone. By default as many as `max_connections`."),
        field(
            "max_loop_lag", &SharedLimitsConfig::max_loop_lag, milliseconds{0}, std::chrono::hours{1},
            "How long events may wait for their worker, for a second on end, before requests are answered 503. Those "
            "of routes with `priority: critical` from four times as long. It ends when the wait is half as long. 0 for "
            "never."),
        field("max_memory", &SharedLimitsConfig::max_memory, Size{1 << 20}, Size{std::uint64_t{1} << 50},
              "Most memory for buffers, requests and connections; each worker has an equal share. At 85 % new requests "
              "are answered 503, at 95 % idle connections close, at 98 % no more are accepted, at 100 % an exchange "
              "that waits for a slow side is cut. By default half of the machine's memory, or the container's."),
        field("exchange_buffer", &SharedLimitsConfig::exchange_buffer, Size{4 * 1024}, Size{16 << 20},
              "Most bytes of one exchange that wait for one side before the other side is no longer read."),
    };
  }
};

}  // namespace sluice::gateway
