#include "gateway/decide.h"

#include "gateway/causes.h"
#include "http/causes.h"

namespace sluice::gateway {

namespace {

// Returns false when a policy answered.
bool run_chain(std::span<const ChainLink> chain, policy::Exchange& exchange, Decision& decision) {
  for (const ChainLink& link : chain) {
    ++decision.policies_run;
    exchange.tell_begin(link.kind);
    if (link.policy->on_request(exchange) == policy::Verdict::replied) {
      exchange.tell("answers here");
      return false;
    }
  }
  return true;
}

const Target& pick_target(const RoutePlan& route, std::uint64_t random) {
  if (route.targets.size() == 1) return route.targets.front();
  // The high half decides: the low bits also name the exchange and choose its endpoint.
  const std::uint64_t point = ((random >> 32) * route.targets.back().weight_up_to) >> 32;
  for (const Target& target : route.targets)
    if (point < target.weight_up_to) return target;
  return route.targets.back();
}

}  // namespace

// What runs before a route's own chain. A route that names a kind which is on by default has it instead of the default.
std::span<const ChainLink> chain_before(const ListenerPlan& listener, const RoutePlan* route) {
  const std::span<const ChainLink> chain = listener.chain;
  return route != nullptr && route->replaces_defaults ? chain.subspan(listener.default_links) : chain;
}

Decision decide(const Plan& plan, const ListenerPlan& listener, policy::Exchange& exchange) {
  Decision decision;
  route::Match match;
  if (!listener.router->match(exchange.request(), exchange.arena(), match)) {
    // The listener's own policies guard it all the same: who may not come in does not learn which routes exist.
    if (run_chain(listener.chain, exchange, decision)) exchange.reply(no_route);
    return decision;
  }
  const RoutePlan& route = plan.routes[match.route];
  decision.route = &route;
  exchange.set_route(route.name, match.captures, match.has_rest, match.rest);
  if (!run_chain(chain_before(listener, &route), exchange, decision)) return decision;
  if (exchange.request().has_encoded_slash && !route.keep_encoded_slash) {
    exchange.reply(http::request_target_refused, "an encoded slash, and the route does not keep them");
    return decision;
  }
  if (exchange.request().asks_websocket && !route.allows_websocket) {
    exchange.reply(websocket_not_allowed);
    return decision;
  }
  if (!run_chain(route.chain, exchange, decision)) return decision;
  decision.target = &pick_target(route, exchange.facts().random);
  return decision;
}

void run_response_chain(const ListenerPlan& listener, const Decision& decision, policy::Exchange& exchange) {
  const auto before = chain_before(listener, decision.route);
  for (std::size_t left = decision.policies_run; left > 0; --left) {
    const std::size_t at = left - 1;
    const ChainLink& link = at < before.size() ? before[at] : decision.route->chain[at - before.size()];
    link.policy->on_response(exchange);
  }
}

}  // namespace sluice::gateway
