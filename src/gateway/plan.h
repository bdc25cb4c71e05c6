#pragma once
// The compiled config. Made off the workers (plan_compiler.h), never changed; each exchange runs from its first byte to
// its log line under one Plan. What outlives a reload (endpoints, route statistics) is held here by shared pointers
// that the next plan finds again under the same names.

#include <compare>
#include <cstdint>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "gateway/client_connections.h"
#include "gateway/event_stream_config.h"
#include "gateway/limits.h"
#include "gateway/metrics.h"
#include "gateway/websocket_config.h"
#include "http/h1/server_connections.h"
#include "http/h2/server_connections.h"
#include "net/address.h"
#include "net/tls/server_context.h"
#include "policy/policy.h"
#include "route/router.h"
#include "upstream/group.h"

namespace sluice::gateway {

// One policy in a chain, and how it came there: for explain.
struct ChainLink {
  const policy::Policy* policy;
  std::string_view kind;
  std::string_view from;  // "global_policies", "listener public", "route user", "set standard", "default"
};

// Where a route sends, one of a weighted split.
struct Target {
  const upstream::Group* group;
  upstream::Timeouts timeouts;  // the upstream's, overridden by the route's
  std::uint32_t weight_up_to;   // running sum of the weights, for the pick

  friend auto operator<=>(const Target&, const Target&) = default;
};

// One cache line: of 10,000 routes the one that a request takes is nearly always a cold one. What it points at is owned
// by the plan.
struct alignas(64) RoutePlan {
  std::string_view name;
  std::span<const ChainLink> chain;  // runs after the listener's
  std::span<const Target> targets;   // empty: a policy of the chain always answers
  RouteStats* stats = nullptr;
  bool keep_encoded_slash = false;
  bool is_critical = false;        // shed last when the gateway is overloaded
  bool replaces_defaults = false;  // names a kind that is on by default: the listener's default links do not run
  bool allows_websocket = true;
  std::uint32_t streams = 0;  // of Plan::route_streams
};
static_assert(sizeof(RoutePlan) == 64);

struct ListenerPlan {
  std::string name;
  std::uint32_t number = 0;  // of ListenerNumbers
  net::Address bind;
  std::vector<ChainLink> chain;   // defaults, global, then the listener's own: before each route's
  std::size_t default_links = 0;  // how many of them are there by default only
  std::unique_ptr<const route::Router> router;
  http::h1::ServerSettings server;
  WebSocketConfig websocket;
  EventStreamConfig event_stream;
  std::vector<net::AddressBlock> proxies;  // that must send a PROXY header
  Duration proxy_header_timeout{};
  std::uint64_t admission = 0;                   // a fingerprint of the chain, as far as it may keep a request out
  std::shared_ptr<net::tls::ServerContext> tls;  // null: clients speak in the clear
  Duration tls_handshake_timeout{};
  bool asks_for_staples = false;
  http::h2::ServerSettings http2;
};

// A listener is its address: another name over the same one keeps its sockets and connections. Where the kernel chooses
// the port, the name tells listeners apart.
inline bool is_same_listener(std::string_view name, const net::Address& bind, std::string_view other_name,
                             const net::Address& other_bind) {
  return bind == other_bind && (bind.port != 0 || name == other_name);
}

struct Plan {
  std::uint64_t generation = 0;  // 1 for the first; each accepted change adds one
  std::vector<ListenerPlan> listeners;
  std::vector<RoutePlan> routes;                         // in file order: the index is the router's
  std::vector<std::shared_ptr<RouteStats>> route_stats;  // by route
  std::vector<std::vector<ChainLink>> route_chains;      // by route
  std::set<std::vector<Target>> targets;                 // routes that send alike share one
  std::vector<std::unique_ptr<const upstream::Group>> groups;
  std::vector<std::unique_ptr<const policy::Policy>> policies;
  std::vector<std::unique_ptr<const std::string>> texts;  // what ChainLink::from points at
  bool is_access_logged = true;
  bool has_critical_routes = false;
  Limits limits;
  std::shared_ptr<ClientConnections> connections;
  std::shared_ptr<RouteStats> unrouted;  // statistics of requests that met no route
  struct RouteStreams {
    RouteWebSocketConfig websocket;
    RouteEventStreamConfig event_stream;
  };
  std::vector<RouteStreams> route_streams{1};  // the first changes nothing
  Duration stream_close_spread{};

  // What a long stream must find again after a reload, by the route's statistics. The fingerprint is of the route's
  // match and of its chain, as far as it may keep a request out.
  struct RouteAdmission {
    const RouteStats* stats;
    std::uint32_t route;
    std::uint64_t fingerprint;
  };
  std::vector<RouteAdmission> admissions;  // by `stats`

  // The route that has these statistics; null when there is none. cost: O(log routes)
  const RoutePlan* find_route(const RouteStats& stats) const;
  // Equal for two plans when whoever they let in by this listener and route is the same.
  std::uint64_t admission_of(const ListenerPlan& listener, const RoutePlan& route) const;
  WebSocketTerms websocket_terms(const ListenerPlan& listener, const RoutePlan& route) const {
    return listener.websocket.terms(route_streams[route.streams].websocket);
  }
  EventStreamTerms event_stream_terms(const ListenerPlan& listener, const RoutePlan& route) const {
    return listener.event_stream.terms(route_streams[route.streams].event_stream);
  }

  // The listener of this plan that stands where `other`, of another plan, stood; null when there is none.
  const ListenerPlan* find_same(const ListenerPlan& other) const { return find_same(other.name, other.bind); }
  const ListenerPlan* find_same(std::string_view name, const net::Address& bind) const {
    for (const ListenerPlan& listener : listeners)
      if (is_same_listener(listener.name, listener.bind, name, bind)) return &listener;
    return nullptr;
  }
  const ListenerPlan* find_listener(std::string_view name) const {
    for (const ListenerPlan& listener : listeners)
      if (listener.name == name) return &listener;
    return nullptr;
  }
};

}  // namespace sluice::gateway
