#pragma once
// The one decision engine: what the data path runs, what `sluice explain` prints and what config tests assert.
// There is no second model that could disagree with it.

#include <cstddef>
#include <cstdint>

#include "gateway/plan.h"
#include "policy/exchange.h"

namespace sluice::gateway {

// What was decided about one request. Either the exchange holds a reply, or `target` says where it goes.
struct Decision {
  const RoutePlan* route = nullptr;  // null: no route
  const Target* target = nullptr;    // null: answered here
  std::size_t policies_run = 0;      // of the listener's chain and the route's, in order: their on_response is owed
};

// Routes the exchange's canonical request on `listener`, runs the chain and picks the upstream of a weighted split.
// `exchange` must have begun. Deterministic in (plan, request, facts). No allocation but the exchange's arena.
Decision decide(const Plan& plan, const ListenerPlan& listener, policy::Exchange& exchange);

// The listener's part of the chain as it runs before `route` (null: no route).
std::span<const ChainLink> chain_before(const ListenerPlan& listener, const RoutePlan* route);

// Runs on_response of the policies that ran, last first. The exchange's response must be set.
void run_response_chain(const ListenerPlan& listener, const Decision& decision, policy::Exchange& exchange);

}  // namespace sluice::gateway
