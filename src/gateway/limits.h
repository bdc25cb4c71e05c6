#pragma once
// The limits in force for all clients together, compiled from `limits` of the config (limits_config.h) and from what
// the machine has. Part of a plan.

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/time.h"
#include "gateway/limits_config.h"
#include "net/address.h"

namespace sluice::gateway {

// What the process may use. The defaults are for tools that serve nobody.
struct Machine {
  std::uint64_t descriptors = 1024;         // soft limit
  std::uint64_t memory_bytes = 1ull << 30;  // of the container or the machine, whichever is less
};

struct ConnectionCaps {
  std::uint64_t all = 448;
  std::uint32_t per_client = 0;                          // 0: none
  std::vector<net::AddressBlock> exempt;                 // from per_client
  std::uint64_t near() const { return all - all / 20; }  // idle ones make room from here on
};

// One worker's share.
struct WorkerLimits {
  std::int64_t requests = INT64_MAX;         // for `priority: critical`
  std::int64_t normal_requests = INT64_MAX;  // for the others
  Duration loop_lag{0};                      // 0: not looked at
  std::int64_t memory_bytes = INT64_MAX;
};

struct Limits {
  // Descriptors that are no client's: listeners, logs, the admin pages, idle connections to upstreams.
  static constexpr std::uint64_t reserved_descriptors = 128;

  // Without critical routes nothing is kept for them.
  static Limits of(const SharedLimitsConfig& config, const Machine& machine, std::size_t workers,
                   bool has_critical_routes);

  ConnectionCaps connections;
  WorkerLimits worker;
  std::size_t exchange_buffer_bytes = 64 * 1024;
};

}  // namespace sluice::gateway
