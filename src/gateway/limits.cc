#include "gateway/limits.h"

#include <algorithm>

namespace sluice::gateway {

SharedLimitsConfig::SharedLimitsConfig() {
  for (const char* const text : {"127.0.0.0/8", "::1"})
    uncapped_clients.push_back({.block = net::AddressBlock::parse(text).value(), .text = text});
}

Limits Limits::of(const SharedLimitsConfig& config, const Machine& machine, std::size_t workers,
                  bool has_critical_routes) {
  Limits limits;
  const std::uint64_t free =
      machine.descriptors > reserved_descriptors ? machine.descriptors - reserved_descriptors : 0;
  // An exchange needs two descriptors, the client's and the upstream's.
  limits.connections.all =
      config.max_connections ? *config.max_connections : std::clamp<std::uint64_t>(free / 2, 16, 10'000'000);
  limits.connections.per_client = config.max_connections_per_client;
  for (const auto& block : config.uncapped_clients) limits.connections.exempt.push_back(block.block);

  const auto share = [&](std::uint64_t all) { return static_cast<std::int64_t>((all + workers - 1) / workers); };
  WorkerLimits& worker = limits.worker;
  // Connections spread unevenly over workers: what nobody set must not refuse on one what fits all.
  worker.requests =
      config.max_requests ? share(*config.max_requests) : static_cast<std::int64_t>(limits.connections.all);
  worker.normal_requests = has_critical_routes ? std::max<std::int64_t>(worker.requests * 9 / 10, 1) : worker.requests;
  worker.loop_lag = config.max_loop_lag;
  worker.memory_bytes =
      share(config.max_memory ? config.max_memory->bytes : std::max<std::uint64_t>(machine.memory_bytes / 2, 32 << 20));
  limits.exchange_buffer_bytes = config.exchange_buffer.bytes;
  return limits;
}

}  // namespace sluice::gateway
