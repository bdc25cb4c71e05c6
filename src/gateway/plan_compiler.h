#pragma once
// Turns a config into a Plan, on the control thread. Everything that is wrong is said at once, each at its place.

#include <memory>

#include "config/diagnostic.h"
#include "gateway/config.h"
#include "gateway/plan.h"
#include "upstream/endpoint_store.h"

namespace sluice::gateway {

// What outlives plans: found again by the next one under stable names. Control thread only.
struct Kept {
  Kept(std::size_t workers, const CauseTable& causes) : route_stats(workers, causes.size()) {}
  upstream::EndpointStore endpoints;
  RouteStatsStore route_stats;
  ListenerNumbers listener_numbers;
};

// The plan, or null when `diagnostics` has errors. Warnings (routes that nothing reaches, things defined and not used)
// do not stop it. Does not run the config's tests: config_tests.h.
//   cost  about 10 us a route
std::unique_ptr<Plan> compile_plan(const RootConfig& config, Kept& kept, config::Diagnostics& diagnostics);

}  // namespace sluice::gateway
