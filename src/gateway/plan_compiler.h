#pragma once
// Turns a config into a Plan, on the control thread. Everything that is wrong is said at once, each at its place.

#include <memory>

#include "base/random.h"
#include "config/diagnostic.h"
#include "gateway/config.h"
#include "gateway/plan.h"
#include "gateway/tls_compiler.h"
#include "policy/state_store.h"
#include "upstream/endpoint_store.h"

namespace sluice::gateway {

// What outlives plans: found again by the next one under stable names. Control thread only.
struct Kept {
  Kept(std::size_t worker_count, const CauseTable& causes)
      : workers(worker_count),
        route_stats(worker_count, causes.size()),
        connections(std::make_shared<ClientConnections>(kernel_random())) {}
  const std::size_t workers;
  Machine machine;
  upstream::EndpointStore endpoints;
  RouteStatsStore route_stats;
  ListenerNumbers listener_numbers;
  std::shared_ptr<ClientConnections> connections;
  KeptTls tls;
  policy::StateStore policies;
};

// The plan, or null when `diagnostics` has errors. Warnings (routes that nothing reaches, things defined and not used)
// do not stop it. Does not run the config's tests: config_tests.h.
//   cost  about 10 us a route
std::unique_ptr<Plan> compile_plan(const RootConfig& config, Kept& kept, config::Diagnostics& diagnostics);

}  // namespace sluice::gateway
